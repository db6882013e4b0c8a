"""What the tests of telemetry share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autopilot.base.clock import VirtualClock


async def settle() -> None:
    """Let everything run that doesn't wait for time."""
    for _ in range(30):
        await asyncio.sleep(0)


async def advance(clock: VirtualClock, seconds: float) -> None:
    """Move the clock, timer by timer, letting all settle at each."""
    await settle()
    end = clock.monotonic() + seconds
    while (wait := clock.next_wake()) is not None and clock.monotonic() + wait <= end + 1e-9:
        clock.move(wait)
        await settle()
    clock.move(max(0.0, end - clock.monotonic()))
    await settle()
