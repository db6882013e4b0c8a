"""What a process remembers of a rule between two looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from autopilot.rules.state import State

if TYPE_CHECKING:
    from autopilot.rules.engine import Advanced
    from autopilot.rules.program import Program

SHOWN_EVERY = 60.0
"""Seconds between two writes for the sole sake of saying which signals are known."""


@dataclass(slots=True)
class Kept:
    """What the process remembers of a rule.

    Attributes:
        held: The state to go on from.
        at: Monotonic time of the last look.
        pending: The state that was decided on, until the status shows it.
        opened: Approvals that the pending decision rests on.
        observing: Whether it observed.
        shown: Monotonic time of the last write that was for people alone.
        entered: Monotonic time of the decision that led to the phase of `held`; None where this
            process saw none.
    """

    held: State
    at: float
    pending: State | None = None
    opened: frozenset[str] = frozenset()
    observing: bool = False
    shown: float | None = None
    entered: float | None = None

    def settled(self, phase: str, machine: object) -> State:
        """The state to go on from, now that the status shows this much."""
        done = self._done(phase, machine)
        return done if done is not None else self.held.within(phase)

    def still_opened(self, phase: str, machine: object) -> frozenset[str]:
        """Approvals of a decision that isn't finished; one that is has used them up."""
        unfinished = self.pending is not None and self._done(phase, machine) is None
        return self.opened if unfinished else frozenset()

    def since(self, phase: str, machine: object) -> float | None:
        """Monotonic time since when the phase lasts; None where nobody here saw it begin."""
        done = self._done(phase, machine)
        if done is not None and done.phase != self.held.phase:
            return self.at
        return self.entered if self.held.phase == phase else None

    def _done(self, phase: str, machine: object) -> State | None:
        """The state that was decided on, once the status shows it."""
        pending, shown = self.pending, State.from_status(machine, phase)
        if pending is not None and (pending.phase, pending.rung) == (phase, shown.rung):
            return pending
        return None


def paced(found: Advanced, since: float | None, now: float) -> Advanced:
    """What was found, but that a phase lasts for an interval before a move forward leaves it.

    A rule's own writes wake it. Without this, two phases whose ways out are both true would
    write to the mesh as fast as the API answers.

    Args:
        found: What the engine found.
        since: Monotonic time since when the phase lasts, where that is known.
        now: Monotonic time.
    """
    if found.entered is None or found.back or since is None:
        return found
    left = found.program.interval.total_seconds() - (now - since)
    if left <= 0:
        return found
    stays = replace(found.judged, move=None)
    return replace(found, state=found.held, judged=stays, next_in=left)


def gap_of(program: Program) -> float:
    """The longest time between two looks that counts as watched, in seconds."""
    return max(3 * program.interval.total_seconds(), 15.0)


def next_look(program: Program, found: Advanced) -> timedelta:
    """When to look again, if nothing wakes it before."""
    if found.next_in is None:
        return program.interval
    return min(program.interval, timedelta(seconds=found.next_in))
