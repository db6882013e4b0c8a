"""Time, injected.

Decisions read the time only from here, so that a test can run a day in milliseconds.
Wall-clock time goes into what people read (status, Events); durations inside a process are
measured on the monotonic clock, which no administrator can set back.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a part gets its time from."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds of this clock; zero or less only yields."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since boot, or thereabouts."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for this many real seconds."""
        await asyncio.sleep(max(0.0, seconds))


class VirtualClock:
    """A clock that moves only when told to, for tests and replays.

    Args:
        start: The wall clock's first reading; must be aware.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        if self._now.tzinfo is None:
            raise ValueError("a clock starts at an aware datetime; give it a time zone")
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The virtual wall clock."""
        return self._now

    def monotonic(self) -> float:
        """Virtual seconds since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the clock this far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    def next_wake(self) -> float | None:
        """Seconds from now until the earliest sleeper wakes; None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return max(0.0, self._sleepers[0][0] - self._elapsed) if self._sleepers else None

    def shift_wall(self, delta: timedelta) -> None:
        """Make the wall clock jump, as an administrator or NTP does; durations don't move."""
        self._now += delta

    def move(self, seconds: float) -> None:
        """Move both clocks forward and wake whoever is due, in order of their times.

        Waking only schedules the sleepers: await something afterwards to let them run.
        """
        if seconds < 0:
            raise ValueError("a clock never goes back; use shift_wall for a jump of the wall clock")
        self._elapsed += seconds
        self._now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._elapsed + 1e-9:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    async def advance(self, seconds: float) -> None:
        """Move forward timer by timer, letting each sleeper run before the next one wakes."""
        end = self._elapsed + seconds
        while (wait := self.next_wake()) is not None and self._elapsed + wait <= end:
            self.move(wait)
            for _ in range(5):
                await asyncio.sleep(0)
        self.move(max(0.0, end - self._elapsed))
        await asyncio.sleep(0)
