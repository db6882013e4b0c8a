"""How often an overlaid field was set back, and when to stop: pure but for its memory."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from autopilot.overlay.errors import Contested
from autopilot.overlay.values import ABSENT, same

if TYPE_CHECKING:
    from typing import Any

    from autopilot.base.clock import Clock

TIMES = 3
MINUTES = 10.0


class Drift:
    """Counts repairs by overlay: at most 3 in 10 minutes, then hands off.

    Hands stay off until something else is wanted, or until the fields are as wanted again. The
    count lives in memory: a restart begins anew.

    Args:
        clock: Counted on its monotonic side.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}
        self._latched: dict[str, Any] = {}

    def allow(self, key: str, wanted: Any, what: str) -> None:
        """Ask whether one more repair may be made.

        Args:
            key: The overlay's, as `key_of` has it.
            wanted: What is wanted now; another wish is a new start.
            what: For people.

        Raises:
            Contested: It would be one too many.
        """
        if same(self._latched.get(key, ABSENT), wanted):
            raise Contested(what, TIMES, MINUTES)
        if key in self._latched:
            self.forget(key)
        now = self._clock.monotonic()
        times = self._times.get(key, deque())
        while times and now - times[0] >= MINUTES * 60:
            times.popleft()
        if len(times) >= TIMES:
            self._latched[key] = wanted
            raise Contested(what, TIMES, MINUTES)

    def made(self, key: str) -> None:
        """Count a repair that was made: a write that the API refused contests nothing."""
        self._times.setdefault(key, deque()).append(self._clock.monotonic())

    def settled(self, key: str) -> None:
        """The fields are as wanted: whoever contested them has given in."""
        if self._latched.pop(key, ABSENT) is not ABSENT:
            self._times.pop(key, None)

    def forget(self, key: str) -> None:
        """The overlay is gone, or another is wanted."""
        self._latched.pop(key, None)
        self._times.pop(key, None)


def key_of(target: str, overlay: str) -> str:
    """The key of an overlay: the object's uid and the overlay's id."""
    return f"{target}/{overlay}"
