"""One look of a rule at its signals: which way it goes, and what it wants of the mesh. Pure.

The same engine serves the controller, unit tests in virtual time and backtests. Guardrails, `halt`
and `observe` are their caller's.

A phase's ladders climb together. A rung has been stood on for a dwell once the phase's `while` was
known to be true for that long: false begins the dwell anew and climbs down nowhere, unknown stops
its clock. Then the next rung is taken, one per look. `ladder.done` is true once that holds of the
last rung; while nobody can say whether `while` is true, it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autopilot.rules import cause
from autopilot.rules.program import LADDER_DONE
from autopilot.rules.state import State
from autopilot.verdict.hold import For, Held
from autopilot.verdict.phase import Because, judge_phase
from autopilot.verdict.transition import Moment, Reading
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.mesh.actions import Overlaid
    from autopilot.rules.program import PhasePlan, Program
    from autopilot.verdict.phase import Judged, Move


@dataclass(frozen=True, slots=True)
class Advanced:
    """What a look found.

    Attributes:
        program: What was run.
        moment: What it was judged on, `ladder.done` included.
        state: What to remember when all of it is done.
        held: What to remember where a guardrail refuses the move or the climb.
        judged: Where each transition stood.
        climbs: What the ladders' `while` said.
        dwell_left: Seconds that the rung must still be stood on; 0 when a dwell has been spent.
        climbed: Whether the ladders went up one rung.
        next_in: Seconds after which the same values could bring a move or a climb; None when they
            never can. After a phase has been entered: the rule's interval, so that no two phases
            chase each other.
        why: Why signals aren't known, by name, for people.
    """

    program: Program
    moment: Moment
    state: State
    held: State
    judged: Judged
    climbs: Verdict
    dwell_left: float
    climbed: bool
    next_in: float | None
    why: Mapping[str, str]

    @property
    def move(self) -> Move | None:
        """Where it goes; None to stay."""
        return self.judged.move

    @property
    def entered(self) -> str | None:
        """The phase that is entered; None where none is."""
        return self.judged.move.to if self.judged.move else None

    @property
    def plan(self) -> PhasePlan:
        """The phase that was judged."""
        return self.program.phases[self.held.phase]

    @property
    def back(self) -> bool:
        """Whether the move brings traffic back, so that no guardrail holds it up.

        What goes blind goes where its author says it is safe.
        """
        move = self.judged.move
        if move is None:
            return False
        if move.to == self.program.initial or move.because is Because.WHEN_BLIND:
            return True
        return move.transition is not None and move.transition.key in self.plan.back

    @property
    def wanted(self) -> tuple[Overlaid, ...]:
        """The actions of the phase that is current then, at its rung."""
        return wanted(self.program, self.state)

    @property
    def reason(self) -> str:
        """Why, in CamelCase, for conditions and Events."""
        return cause.reason(self)

    @property
    def message(self) -> str:
        """Why, for people: with the values of a move or a climb; stable while nothing happens."""
        return cause.message(self)

    @property
    def lines(self) -> list[str]:
        """All that was judged with its values, a line each, for `explain` and failing tests."""
        return cause.lines(self)


def wanted(program: Program, state: State) -> tuple[Overlaid, ...]:
    """What a state wants of the mesh."""
    return tuple(action.at(state.rung) for action in program.phases[state.phase].actions)


def advance(
    program: Program, state: State, moment: Moment, why: Mapping[str, str] | None = None
) -> Advanced:
    """Look once.

    Args:
        program: The compiled rule.
        state: What is remembered, of a phase that the program has (see `State.within`).
        moment: The signals' values, and the time since the look before.
        why: Why signals aren't known, for people.
    """
    plan = program.phases[state.phase]
    if state.memory.phase != state.phase:
        moment = replace(moment, elapsed=None)
    top = plan.rungs - 1
    rung = min(max(state.rung, 0), top)
    says = plan.climbs.judge(moment.values) if plan.climbs else Verdict.TRUE
    rule = For(plan.dwell, moment.gap)
    dwelt, spent = rule.observe(state.dwelt, says, moment.elapsed)
    left = rule.left(dwelt)
    moment = _with_ladder(moment, rung == top, spent, left)
    judged = judge_phase(plan.judged, state.memory, moment)
    held = State(state.phase, judged.memory, rung, dwelt)
    climbed = judged.move is None and rung < top and spent is Verdict.TRUE
    after, next_in = held, judged.next_in
    if judged.move is not None:
        after = State(judged.move.to, judged.moved())
        next_in = program.interval.total_seconds()
    elif climbed:
        after = State(state.phase, judged.memory, rung + 1, Held(0.0, running=True))
        next_in = _sooner(next_in, plan.dwell.total_seconds())
    elif says is Verdict.TRUE and left > 0:
        next_in = _sooner(next_in, left)
    return Advanced(
        program=program,
        moment=moment,
        state=after,
        held=held,
        judged=judged,
        climbs=says,
        dwell_left=left,
        climbed=climbed,
        next_in=next_in,
        why=why or {},
    )


def _with_ladder(moment: Moment, at_top: bool, spent: Verdict, left: float) -> Moment:
    """The moment with `ladder.done` among its readings."""
    if not at_top or left > 0:
        done: float | None = 0.0
    else:
        done = {Verdict.TRUE: 1.0, Verdict.FALSE: 0.0}.get(spent)
    return replace(moment, readings={**moment.readings, LADDER_DONE: Reading(done)})


def _sooner(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)
