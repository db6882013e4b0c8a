"""Rules as they were last compiled: once per generation, whoever asks."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import InvalidInput
from autopilot.machine.table import PhaseMachine, PhaseNode
from autopilot.rules.compile import compile_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.rules.program import Program

    Body = Mapping[str, Any]

KEPT = 20_000
"""So many rules are remembered; one that is forgotten is compiled again."""


class Compiled:
    """A rule, compiled, with its table of transitions.

    Args:
        program: What the engine runs.
    """

    __slots__ = ("machine", "program")

    def __init__(self, program: Program) -> None:
        self.program = program
        self.machine = table(program)


class Programs:
    """Compiles rules and remembers them by uid."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, tuple[int, Compiled | InvalidInput]] = OrderedDict()

    def of(self, body: Body) -> Compiled:
        """A rule, compiled.

        Raises:
            InvalidInput: It can't be; carries every problem.
        """
        meta = body["metadata"]
        uid, generation = str(meta.get("uid") or ""), int(meta.get("generation") or 0)
        known = self._made.get(uid)
        if known is None or known[0] != generation or not uid:
            known = self._made[uid] = (generation, _compiled(body))
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        if isinstance(known[1], InvalidInput):
            raise InvalidInput(known[1].problems)
        return known[1]

    def known(self, uid: str, generation: int) -> Program | None:
        """The program of a rule that was compiled at this generation."""
        made = self._made.get(uid)
        if made is None or made[0] != generation or isinstance(made[1], InvalidInput):
            return None
        return made[1].program


def table(program: Program) -> PhaseMachine:
    """The table of a program's transitions.

    A rule that only observes stays in its initial phase; from any other one, in which it was when
    it was told to observe, there is but the way there.
    """
    nodes = []
    for name, plan in program.phases.items():
        judged = plan.judged
        exits = [exit_.to for exit_ in (judged.max_stay, judged.when_blind) if exit_ is not None]
        ways = (*(transition.to for transition in judged.transitions), *exits)
        if program.observe:
            ways = () if judged.initial else (program.initial,)
        final = judged.final and not program.observe
        nodes.append(
            PhaseNode(
                name,
                judged.initial,
                final,
                () if final else tuple(dict.fromkeys(to for to in ways if to != name)),
                plan.description,
            )
        )
    return PhaseMachine(nodes)


def _compiled(body: Body) -> Compiled | InvalidInput:
    try:
        # The status is nobody's spec: whatever stands there must not keep a rule from compiling.
        bare = {key: value for key, value in body.items() if key != "status"}
        return Compiled(compile_rule(bare))
    except InvalidInput as error:
        return error
