"""Virtual time in steps: from timer to timer, and all that follows from one before the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from autopilot.base.clock import VirtualClock

_TURNS = 12
"""Turns of the event loop from a timer to what follows: through a task that waits for a task."""


async def advance(
    clock: VirtualClock, seconds: float, settle: Callable[[], Awaitable[None]]
) -> None:
    """Let time go by, timer for timer.

    Args:
        clock: Moved by `seconds` in all.
        seconds: How long.
        settle: Waits until everything has happened that follows at once.
    """
    end = clock.monotonic() + seconds
    await settle()
    while (wait := clock.next_wake()) is not None and clock.monotonic() + wait <= end:
        await move(clock, wait)
        await settle()
    clock.move(max(0.0, end - clock.monotonic()))
    await settle()


async def move(clock: VirtualClock, seconds: float) -> None:
    """Move the clock, and let those who slept do what they woke for.

    What they start can be waited for then; that they have woken at all shows nowhere.
    """
    clock.move(seconds)
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def unless_ended(work: Coroutine[Any, Any, None], server: asyncio.Task[None]) -> None:
    """Wait for some work that only gets done while a server runs.

    Raises:
        RuntimeError: The server has ended; where it failed, its own error.
    """
    waiting = asyncio.create_task(work)
    try:
        await asyncio.wait({waiting, server}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()
            return
    finally:
        waiting.cancel()
    server.result()
    raise RuntimeError("the operator has ended")
