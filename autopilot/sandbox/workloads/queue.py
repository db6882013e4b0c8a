"""A small work queue: a key waits once, is worked on by one worker at a time, and backs off."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from autopilot.base.errors import RetryLater
from autopilot.base.logs import fields
from autopilot.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autopilot.base.clock import Clock

log = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""The controller, the namespace and the name."""

FIRST_RETRY = 0.01
LONGEST_RETRY = 5.0


class WorkQueue:
    """Runs `sync(key)` for every key added.

    Args:
        sync: Brings one key up to date; returns seconds until the next look, None for no need.
        clock: Where delays come from.
        workers: How many keys are worked on at once.
    """

    def __init__(
        self, sync: Callable[[Key], Awaitable[float | None]], clock: Clock, *, workers: int = 8
    ) -> None:
        self._sync = sync
        self._clock = clock
        self._workers = workers
        self._waiting: deque[Key] = deque()
        self._known: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, tuple[float, asyncio.Task[None]]] = {}
        self._wake = asyncio.Semaphore(0)

    def add(self, key: Key) -> None:
        """Have a key looked at as soon as possible."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._known:
            self._known.add(key)
            self._waiting.append(key)
            self._wake.release()

    def add_after(self, key: Key, seconds: float) -> None:
        """Have a key looked at in so many seconds, or earlier if something else asks for it."""
        due = self._clock.monotonic() + seconds
        earlier = self._timers.get(key)
        if earlier is not None:
            if earlier[0] <= due:
                return
            earlier[1].cancel()
        self._timers[key] = (due, asyncio.create_task(self._later(key, seconds)))

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            for _, task in self._timers.values():
                task.cancel()
            self._timers.clear()

    async def _later(self, key: Key, seconds: float) -> None:
        await self._clock.sleep(seconds)
        del self._timers[key]
        self.add(key)

    async def _work(self) -> None:
        while True:
            await self._wake.acquire()
            key = self._waiting.popleft()
            self._known.discard(key)
            self._running.add(key)
            try:
                await self._once(key)
            finally:
                self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _once(self, key: Key) -> None:
        try:
            after = await self._sync(key)
        except (ApiError, RetryLater) as error:
            log.debug("sync put off", extra=fields(key=key, error=str(error)))
            self._retry(key)
        except Exception:
            log.exception("sync failed", extra=fields(key=key))
            self._retry(key)
        else:
            self._failures.pop(key, None)
            if after is not None:
                self.add_after(key, after)

    def _retry(self, key: Key) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures, 20)))
