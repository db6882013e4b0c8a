"""A rule flown in virtual time, which jumps from one change of a signal or timer to the next.

What it does between two of them is known, so nothing ticks: a week costs as much as what happens
in it. The rule looks as the worker does: at each sample that differs, at each timer, and, while
`times` still counts, at each sample. A sample comes at each multiple of the rule's interval, and
whenever a signal changes. The rule's own guardrails hold; nothing is read and nothing written.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.rules.cause import event
from autopilot.rules.engine import advance, wanted
from autopilot.rules.program import LADDER_DONE
from autopilot.rules.simulate_rails import Rails
from autopilot.rules.simulate_tracks import NEVER, Cursor, Script, Track
from autopilot.rules.state import State
from autopilot.verdict.transition import Moment, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autopilot.mesh.actions import Overlaid
    from autopilot.rules.engine import Advanced
    from autopilot.rules.program import PhasePlan, Program

__all__ = ["Flight", "Script", "Step", "Track", "simulate"]

INITIALIZED = "Initialized"

_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened.

    Attributes:
        at: Seconds from the beginning.
        program: Which rule.
        state: From then on.
        found: The look that brought it; None for the beginning.
        moved: Whether a phase was entered.
        refused: The Event of a guardrail that held it up, so that all stays as it was.
    """

    at: float
    program: Program
    state: State
    found: Advanced | None = None
    moved: bool = False
    refused: tuple[str, str] | None = None

    @property
    def phase(self) -> str:
        """The phase from then on."""
        return self.state.phase

    @property
    def rung(self) -> int:
        """Where its ladders stand from then on, from 0."""
        return self.state.rung

    @property
    def wanted(self) -> tuple[Overlaid, ...]:
        """What is wanted of the mesh from then on."""
        return wanted(self.program, self.state)

    @property
    def event(self) -> tuple[str, str]:
        """Reason and text, as the worker's Event has them."""
        if self.refused is not None:
            return self.refused
        if self.found is None:
            return INITIALIZED, f"begins in {self.phase}"
        return event(self.found)


@dataclass(frozen=True, slots=True)
class Flight:
    """What a rule did.

    Attributes:
        program: Which rule.
        until: Seconds that it lasted.
        steps: All that happened, the beginning first.
        looks: How often the engine was asked.
        peeks: What a look would have found at the moments that were asked for.
    """

    program: Program
    until: float
    steps: tuple[Step, ...]
    looks: int = 0
    peeks: dict[float, Advanced] = field(default_factory=dict)

    def at(self, seconds: float) -> Step:
        """The last thing that had happened at a time; what happens right then has happened."""
        index = bisect_right(self.steps, seconds + _HAIR, key=lambda step: step.at)
        return self.steps[max(0, index - 1)]

    def between(self, after: float, until: float) -> list[Step]:
        """What happened after a time, up to another."""
        return [step for step in self.steps if after + _HAIR < step.at <= until + _HAIR]

    def stays(self) -> Iterator[tuple[str, float, float]]:
        """Each visit of a phase: its name, when it began and when it ended."""
        moves = [step for step in self.steps if step.moved or step.found is None]
        ends = [*(step.at for step in moves[1:]), self.until]
        for step, end in zip(moves, ends, strict=True):
            yield step.phase, step.at, end


def simulate(program: Program, script: Script, peeks: Sequence[float] = ()) -> Flight:
    """Fly a rule.

    Args:
        program: The rule.
        script: What its signals say, who approves, how long.
        peeks: Moments at which to note what a look would find; they change nothing.
    """
    return _Pilot(program, script, peeks).fly()


class _Pilot:
    """One flight."""

    def __init__(self, program: Program, script: Script, peeks: Sequence[float]) -> None:
        self._program = program
        self._script = script
        self._interval = max(program.interval.total_seconds(), 0.001)
        self._cursors = {name: Cursor(script.tracks.get(name, Track())) for name in program.signals}
        self._approvals = sorted(script.approvals, key=lambda one: one[0])
        self._opened = frozenset(program.phases) if program.observe else frozenset[str]()
        self._rails = Rails(program, script.epoch)
        self._reads = {name: _reads(plan) for name, plan in program.phases.items()}
        self._counts = {
            name: any(way.times is not None for way in plan.judged.transitions)
            for name, plan in program.phases.items()
        }
        self._counts_ladder = {
            name
            for name, plan in program.phases.items()
            if any(
                way.times is not None and way.when is not None and LADDER_DONE in way.when.reads
                for way in plan.judged.transitions
            )
        }
        self._peeks = sorted({moment for moment in peeks if moment <= script.until}, reverse=True)
        self._peeked: dict[float, Advanced] = {}
        self._state = State.begin(program).within(script.start or program.initial)
        self._last: float | None = None
        self._looks = 0
        self._steps = [Step(0.0, program, self._state)]

    def fly(self) -> Flight:
        now = 0.0
        while now <= self._script.until:
            self._peek_before(now)
            now = self._look(now)
        self._peek_before(math.inf)
        return Flight(
            self._program, self._script.until, tuple(self._steps), self._looks, self._peeked
        )

    def _look(self, now: float) -> float:
        """One look; returns when the next one is."""
        found = self._found(now)
        self._looks += 1
        self._last = now
        if self._peeks and self._peeks[-1] <= now:
            self._peeked[self._peeks.pop()] = found
        refused = False
        if found.entered is not None or found.climbed:
            refused = self._rails.refuses(found, now)
            self._tell(found, now, refused)
        self._state = found.held if refused else found.state
        if found.entered is not None and not refused:
            self._use_up()
            return min(self._next_sample(now), self._next_change(now, [*self._cursors]))
        following = min(self._next_news(now), self._timer(found, now, refused))
        if self._state.phase in self._counts_ladder:
            # A ladder's end has no sample of its own: each one is counted as the ladder then was.
            before = self._sample_before(following)
            following = before if before > now else following
        return following

    def _timer(self, found: Advanced, now: float, refused: bool) -> float:
        """When the same values bring something."""
        next_in, times = found.next_in, [NEVER]
        if refused:
            # It is decided anew when the guardrail lets go, or when another way is ready.
            ways = (standing.next_in for standing in found.judged.standings)
            next_in = min((left for left in ways if left), default=None)
            times.append(self._rails.clears)
        if next_in is not None:
            times.append(now + next_in)
        if found.judged.hungry:
            times.append(self._next_sample(now))
        if self._approvals:
            times.append(self._approvals[0][0])
        return min(times)

    def _found(self, now: float) -> Advanced:
        self._approve(now)
        phase = self._state.phase
        why: dict[str, str] = {}
        readings: dict[str, Reading] = {}
        grid = _floor(now, self._interval) if self._counts[phase] else None
        for name in self._reads[phase]:
            cursor = self._cursors[name]
            value, since = cursor.to(now)
            readings[name] = Reading(value, None if grid is None else max(grid, since))
            if value is None and cursor.why:
                why[name] = cursor.why
        elapsed = None if self._last is None else now - self._last
        moment = Moment(readings, elapsed, self._opened)
        return advance(self._program, self._state, moment, why)

    def _approve(self, now: float) -> None:
        while self._approvals and self._approvals[0][0] <= now + _HAIR:
            _, phase = self._approvals.pop(0)
            if not self._program.observe:
                # An annotation holds one phase; a later approval takes its place.
                self._opened = frozenset({phase})

    def _use_up(self) -> None:
        if not self._program.observe:
            self._opened = frozenset()

    def _tell(self, found: Advanced, now: float, refused: bool) -> None:
        program = self._program
        if not refused:
            moved = found.entered is not None
            self._steps.append(Step(now, program, found.state, found, moved))
        elif self._rails.news is not None:
            self._steps.append(Step(now, program, found.held, found, refused=self._rails.news))

    def _next_sample(self, now: float) -> float:
        return _floor(now, self._interval) + self._interval

    def _sample_before(self, at: float) -> float:
        """The last multiple of the interval before a time."""
        if at == NEVER:
            return -1.0
        grid = _floor(at, self._interval)
        return grid if grid < at else grid - self._interval

    def _next_news(self, now: float) -> float:
        """When a signal that the phase reads changes.

        A condition that becomes unknown, as one can that reads an unknown signal, stops clocks,
        which have then counted up to the sample before.
        """
        names = self._reads[self._state.phase]
        change = self._next_change(now, names)
        if change < NEVER and any(self._cursors[name].unknown_at(change) for name in names):
            grid = self._sample_before(change)
            before = max(grid, *(cursor.before(change) for cursor in self._cursors.values()))
            return before if before > now else change
        return change

    def _next_change(self, now: float, names: Sequence[str]) -> float:
        return min((self._cursors[name].after(now) for name in names), default=NEVER)

    def _peek_before(self, now: float) -> None:
        """The peeks that lie before the next look; the state stays as it is."""
        while self._peeks and self._peeks[-1] < now:
            moment = self._peeks.pop()
            self._peeked[moment] = self._found(moment)


def _reads(plan: PhasePlan) -> tuple[str, ...]:
    """The signals that a phase reads."""
    conditions = [way.when for way in plan.judged.transitions if way.when] + (
        [plan.climbs] if plan.climbs else []
    )
    names = dict.fromkeys(name for one in conditions for name in one.reads)
    return tuple(name for name in names if name != LADDER_DONE)


def _floor(now: float, interval: float) -> float:
    return math.floor(now / interval + 1e-9) * interval
