"""The work queue: runs keys one at a time each, a bounded number at once, fairly."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.runtime.schedule import Schedule, Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from autopilot.base.clock import Clock

_log = logging.getLogger("autopilot.queue")

K = TypeVar("K", bound="Hashable")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended.

    Attributes:
        failed: Whether another run follows after a wait.
        owed: After a failure: whether the tick of this run is still owed.
        after: After a failure: seconds to wait; None for the back-off.
        at_most: After a failure: the longest wait, whatever is asked for.
    """

    failed: bool = False
    owed: bool = False
    after: float | None = None
    at_most: float | None = None


class WorkQueue(Generic[K]):
    """Runs keys in the order in which they were asked for.

    Args:
        run: Does one turn; an exception counts as a failure whose tick is still owed.
        clock: Timers and waits are measured on its monotonic time.
        workers: How many run at once.
    """

    def __init__(
        self,
        run: Callable[[Turn[K]], Awaitable[Ran]],
        *,
        clock: Clock,
        workers: int = 8,
    ) -> None:
        self._run = run
        self._clock = clock
        self._workers = workers
        self.schedule: Schedule[K] = Schedule()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, key: K, *, due: bool = False, fresh: bool = False) -> None:
        """Ask for a run; see `Schedule.wake`."""
        self.schedule.wake(key, due=due, fresh=fresh)
        self._touch()

    def tick_at(self, key: K, when: float | None) -> None:
        """Set the key's timer, on the clock's monotonic time."""
        self.schedule.tick_at(key, when)
        self._touch()

    def block(self, key: K) -> None:
        """See `Schedule.block`."""
        self.schedule.block(key)
        self._touch()

    def unblock(self, key: K) -> None:
        """See `Schedule.unblock`."""
        self.schedule.unblock(key)
        self._touch()

    def forget(self, key: K) -> None:
        """See `Schedule.forget`."""
        self.schedule.forget(key)
        self._touch()

    async def settled(self) -> None:
        """Wait until nobody waits or runs; timers, back-offs and blocked keys don't count."""
        while not self.idle:
            # A timer that is up is taken by the next turn of the event loop.
            await (asyncio.sleep(0) if self._idle.is_set() else self._idle.wait())

    @property
    def idle(self) -> bool:
        """Whether nobody waits or runs."""
        up = self.schedule.next_time()
        return self._idle.is_set() and (up is None or up > self._clock.monotonic())

    async def serve(self, stop: asyncio.Event) -> None:
        """Run keys until told to stop, then wait for those that run; the caller bounds the wait."""
        stopping: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._changed.clear()
                self._start_turns()
                await self._pause(stopping)
        finally:
            stopping.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def abandon(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        await cancel_and_wait(*self._tasks)

    def _touch(self) -> None:
        self._changed.set()
        if self.schedule.depth:
            self._idle.clear()

    def _start_turns(self) -> None:
        while len(self._tasks) < self._workers:
            turn = self.schedule.take(self._clock.monotonic())
            if turn is None:
                break
            self._idle.clear()
            task = asyncio.create_task(self._turn(turn), name=f"sync {turn.key}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        if not self._tasks and not self.schedule.depth:
            self._idle.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    async def _turn(self, turn: Turn[K]) -> None:
        try:
            ran = await self._run(turn)
        except Exception:
            _log.exception("sync failed unexpectedly", extra=fields(key=str(turn.key)))
            ran = Ran(failed=True, owed=turn.due)
        except BaseException:
            # Cancelled: the process leaves. The key must not stay marked as running.
            self.schedule.failed(turn.key, self._clock.monotonic(), due=turn.due)
            raise
        if ran.failed:
            now = self._clock.monotonic()
            self.schedule.failed(turn.key, now, due=ran.owed, after=ran.after, at_most=ran.at_most)
        else:
            self.schedule.done(turn.key)

    async def _pause(self, stopping: asyncio.Task[Any]) -> None:
        changed: asyncio.Task[Any] = asyncio.create_task(self._changed.wait())
        waits = {changed, stopping}
        timer: asyncio.Task[Any] | None = None
        up = self.schedule.next_time()
        if up is not None and len(self._tasks) < self._workers:
            timer = asyncio.create_task(self._until(up))
            waits.add(timer)
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            if timer is not None:
                timer.cancel()

    async def _until(self, when: float) -> None:
        # Reckoned when it begins to wait: on virtual time the clock may have moved meanwhile.
        while (left := when - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)
