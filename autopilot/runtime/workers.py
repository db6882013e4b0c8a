"""Runs an author's function, plain or async, and gives it up at its deadline.

A plain function can't be stopped. One that overruns is abandoned: its answer is dropped, and its
key stays blocked until it returns, so that it never runs twice at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.base.clock import Clock
    from autopilot.runtime.definition import Worker

LOST_LIMIT = 4
"""So many abandoned workers at once, and the process no longer counts as ready."""

GRACE = 1.0
"""Seconds that a cancelled async worker has to end."""


class Overran(RetryLater):
    """A worker took longer than it may; its answer is dropped.

    Args:
        message: For a person.
        still: What is still running, done when it has ended; None when nothing is.
    """

    def __init__(self, message: str, still: asyncio.Future[Any] | None) -> None:
        super().__init__(message)
        self.still = still


class Workers:
    """Where workers run.

    Args:
        clock: Deadlines are measured on its monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lost: set[asyncio.Future[Any]] = set()

    @property
    def lost(self) -> int:
        """How many abandoned workers still run."""
        return len(self._lost)

    async def call(self, worker: Worker, arguments: tuple[Any, Any, Any], seconds: float) -> Any:
        """Call a worker.

        Args:
            worker: Plain or async.
            arguments: Resource, inputs and context.
            seconds: How long it may take.

        Raises:
            Overran: It took longer.
        """
        if is_async(worker):
            running: asyncio.Future[Any] = asyncio.ensure_future(_await(worker, arguments))
        else:
            running = _in_thread(worker, arguments)
        timer: asyncio.Future[Any] = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({running, timer}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            timer.cancel()
        if running.cancelled():
            raise RuntimeError("the worker was cancelled from within")
        if running.done():
            return running.result()
        raise Overran(
            f"the worker took longer than {seconds:g} s; its answer is dropped",
            await self._abandon(running, cancel=is_async(worker)),
        )

    async def _abandon(
        self, running: asyncio.Future[Any], *, cancel: bool
    ) -> asyncio.Future[Any] | None:
        if cancel:
            running.cancel()
            await asyncio.wait({running}, timeout=GRACE)
            if running.done():
                _silence(running)
                return None
        self._lost.add(running)
        running.add_done_callback(self._returned)
        return running

    def _returned(self, running: asyncio.Future[Any]) -> None:
        self._lost.discard(running)
        _silence(running)


def is_async(worker: Worker) -> bool:
    """Whether a worker is `async def` (also through a callable object)."""
    return inspect.iscoroutinefunction(worker) or inspect.iscoroutinefunction(
        getattr(worker, "__call__", None)  # noqa: B004 -- callable() doesn't tell async ones
    )


async def _await(worker: Callable[..., Any], arguments: tuple[Any, Any, Any]) -> Any:
    try:
        return await worker(*arguments)
    except (SystemExit, KeyboardInterrupt) as raised:
        # In a task these would end the whole process.
        raise RuntimeError(f"the worker raised {type(raised).__name__}") from raised


def _in_thread(worker: Callable[..., Any], arguments: tuple[Any, Any, Any]) -> asyncio.Future[Any]:
    """A daemon thread of its own: a pool's would hold up the process's end for ever."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def tell(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(worker, *arguments)
        except Exception as raised:
            error = raised
        except BaseException as raised:
            error = RuntimeError(f"the worker raised {type(raised).__name__}")
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=work, name="worker", daemon=True).start()
    return future


def _silence(done: asyncio.Future[Any]) -> None:
    """Look at an exception that nobody waits for, so that asyncio doesn't complain of it."""
    if not done.cancelled():
        done.exception()
