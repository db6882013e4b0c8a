"""A rule's own guardrails in virtual time; those of an installation nobody knows there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from autopilot.mesh.actions import Shift
from autopilot.rules.engine import wanted
from autopilot.rules.simulate_tracks import NEVER
from autopilot.rules.words import describe
from autopilot.runtime.guardrails.judge import Forward, Latch, Move, Record, judge
from autopilot.runtime.guardrails.limits import Limits

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.rules.engine import Advanced
    from autopilot.rules.program import Program


class Rails:
    """Judges the moves of one flight.

    Args:
        program: The rule.
        epoch: When the flight begins.
    """

    def __init__(self, program: Program, epoch: datetime) -> None:
        self._limits = Limits().within(program.limits)
        self._program = program
        self._epoch = epoch
        self._entered: list[datetime] = []
        self._since = epoch
        self._latch: Latch | None = None
        self.news: tuple[str, str] | None = None
        """The Event of a latch that has just tripped."""
        self.clears = NEVER
        """When what was refused may be decided anew."""

    def refuses(self, found: Advanced, now: float) -> bool:
        """Whether what was found must not be done; what may be is counted."""
        at = self._epoch + timedelta(seconds=now)
        record = Record(
            at,
            self._since,
            tuple(self._entered),
            self._latch,
            clears=f"`autopilot approve rule/{self._program.name} --latch`",
        )
        # A rule that observes has no guardrail to run into: it moves nothing.
        trip = None if self._program.observe else judge(self._move(found), self._limits, record)
        self.news, self.clears = None, NEVER
        if trip is None:
            if found.entered is not None:
                self._entered.append(at)
                self._since = at
            return False
        if trip.latches and self._latch is None:
            self._latch = Latch(trip.reason, trip.message)
            self.news = (trip.reason, trip.message)
        if trip.until is not None:
            self.clears = (trip.until - self._epoch).total_seconds()
        return True

    def _move(self, found: Advanced) -> Move:
        initial = found.held.phase == self._program.initial
        back = found.back and not initial
        return Move(found.held.phase, found.entered, back, initial, tuple(_forward(found)))


def _forward(found: Advanced) -> list[Forward]:
    """The shares that it would move away from where requests belong."""
    stood = {
        action.where: _away(action)
        for action in wanted(found.program, found.held)
        if isinstance(action, Shift)
    }
    moves = (
        (action, _away(action) - stood.get(action.where, 0))
        for action in found.wanted
        if isinstance(action, Shift)
    )
    return [Forward(describe(action), "", float(moved)) for action, moved in moves if moved > 0]


def _away(action: Shift) -> int:
    return 100 - action.weights[action.stable]
