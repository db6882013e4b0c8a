"""What a process remembers of a rule between two looks."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    held: State
    at: float
    pending: State | None = None
    opened: frozenset[str] = frozenset()
    observing: bool = False
    shown: float | None = None

    def settled(self, phase: str, machine: object) -> State:
        """The state to go on from, now that the status shows this much."""
        pending = self.pending
        shown = State.from_status(machine, phase)
        if pending is not None and (pending.phase, pending.rung) == (phase, shown.rung):
            return pending
        return self.held.within(phase)


def gap_of(program: Program) -> float:
    """The longest time between two looks that counts as watched, in seconds."""
    return max(3 * program.interval.total_seconds(), 15.0)


def next_look(program: Program, found: Advanced) -> timedelta:
    """When to look again, if nothing wakes it before."""
    if found.next_in is None:
        return program.interval
    return min(program.interval, timedelta(seconds=found.next_in))
