"""The table of legal transitions of one operator kind.

One synchronous `transitions.Machine` without a model per kind: it is the table and the checker,
never the driver. Workers run outside of its callbacks, the state itself lives in `status.phase`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transitions import Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENTER = "enter "


@dataclass(frozen=True, slots=True)
class PhaseNode:
    """A phase as far as the table is concerned.

    Attributes:
        name: Unique.
        initial: Where a new resource enters.
        final: Nothing leaves it.
        transitions: Where it may go; None for anywhere.
        description: For diagrams.
    """

    name: str
    initial: bool = False
    final: bool = False
    transitions: tuple[str, ...] | None = None
    description: str = ""


class PhaseMachine:
    """Which phase may follow which.

    Args:
        phases: In the order of the file. Targets that don't exist and duplicate names are left
            out of the table and named in `problems`.
    """

    def __init__(self, phases: Sequence[PhaseNode]) -> None:
        self._nodes = {node.name: node for node in phases}
        self._problems = tuple(_problems(phases))
        self._machine = Machine(
            model=None, states=list(self._nodes), initial=None, auto_transitions=False
        )
        for node in self._nodes.values():
            for target in self._declared(node):
                self._machine.add_transition(_ENTER + target, node.name, target)

    def _declared(self, node: PhaseNode) -> tuple[str, ...]:
        if node.final:
            return ()
        names = tuple(self._nodes) if node.transitions is None else node.transitions
        known = [name for name in names if name in self._nodes and name != node.name]
        return tuple(dict.fromkeys(known))

    @property
    def nodes(self) -> tuple[PhaseNode, ...]:
        """The phases, in the order given."""
        return tuple(self._nodes.values())

    @property
    def initial(self) -> PhaseNode:
        """Where a new resource enters.

        Raises:
            StopIteration: There is none, which is among the problems.
        """
        return next(node for node in self._nodes.values() if node.initial)

    def node(self, name: str) -> PhaseNode | None:
        """The phase of that name, or None."""
        return self._nodes.get(name)

    def legal(self, source: str, target: str) -> bool:
        """Whether a resource in one phase may enter the other; remaining is no transition."""
        return bool(self._machine.get_transitions(_ENTER + target, source, target))

    def targets(self, source: str) -> tuple[str, ...]:
        """Where a phase may go, in the order in which it names them."""
        return tuple(str(t.dest) for t in self._machine.get_transitions(source=source))

    def unreachable(self) -> tuple[str, ...]:
        """Phases that no way leads to from the initial one."""
        seen: set[str] = set()
        ahead = [node.name for node in self._nodes.values() if node.initial]
        while ahead:
            name = ahead.pop()
            if name not in seen:
                seen.add(name)
                ahead.extend(self.targets(name))
        return tuple(name for name in self._nodes if name not in seen)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the table, each as a sentence; empty when nothing is."""
        lost = (f"phase {name} can't be reached" for name in self.unreachable())
        return (*self._problems, *lost)


def _problems(phases: Sequence[PhaseNode]) -> list[str]:
    names = [node.name for node in phases]
    found = [
        f"phase {name} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    initial = [node.name for node in phases if node.initial]
    if len(initial) != 1:
        found.append(f"exactly one phase is initial, not {len(initial)}")
    for node in phases:
        for target in node.transitions or ():
            if target not in names:
                found.append(f"phase {node.name} goes to {target}, which isn't there")
        if node.final and node.transitions:
            found.append(f"phase {node.name} is final, so it goes nowhere")
    return found
