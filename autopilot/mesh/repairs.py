"""How often a held field was set back, and when to stop."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from autopilot.mesh.errors import Contested

if TYPE_CHECKING:
    from autopilot.base.clock import Clock

TIMES = 3
MINUTES = 10.0


class Repairs:
    """Counts repairs by field: at most 3 in 10 minutes, then hands off.

    Hands stay off until something else is wanted, or until the field is as wanted again. The
    count lives in memory: a restart begins anew.

    Args:
        clock: Counted on its monotonic side.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}
        self._latched: dict[str, object] = {}

    def allow(self, what: str, wanted: object) -> None:
        """Ask whether one more repair may be made.

        Raises:
            Contested: It would be one too many.
        """
        if self._latched.get(what, _NOTHING) == wanted:
            raise Contested(f"replicas of {what}", TIMES, MINUTES)
        now = self._clock.monotonic()
        times = self._times.get(what, deque())
        while times and now - times[0] >= MINUTES * 60:
            times.popleft()
        if len(times) >= TIMES:
            self._latched[what] = wanted
            raise Contested(f"replicas of {what}", TIMES, MINUTES)
        self._latched.pop(what, None)

    def made(self, what: str) -> None:
        """Count a repair that was made: a write that the API refused contests nothing."""
        self._times.setdefault(what, deque()).append(self._clock.monotonic())

    def settled(self, what: str) -> None:
        """The field is as wanted: whoever contested it has given in."""
        if self._latched.pop(what, _NOTHING) is not _NOTHING:
            self._times.pop(what, None)

    def forget(self, what: str) -> None:
        """The field is no longer held."""
        self._latched.pop(what, None)
        self._times.pop(what, None)


_NOTHING = object()
