import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from autopilot.base.clock import SystemClock, VirtualClock


def test_the_system_clock_is_aware_and_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


async def test_the_system_clock_sleeps_no_less_than_asked_and_only_yields_for_nothing() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    await clock.sleep(-5)
    await clock.sleep(0.02)
    assert clock.monotonic() - began >= 0.02


def test_a_virtual_clock_refuses_a_naive_start() -> None:
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(datetime(2026, 1, 1))


async def test_a_virtual_clock_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock(datetime(2026, 5, 1, tzinfo=UTC))
    sleeper = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    await clock.advance(9.9)
    assert not sleeper.done()
    await clock.advance(0.1)
    await sleeper
    assert clock.now() == datetime(2026, 5, 1, 0, 0, 10, tzinfo=UTC)
    assert clock.monotonic() == 10


async def test_sleepers_wake_in_the_order_of_their_times_and_see_their_own_time() -> None:
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            seen.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper("slow", 3)), asyncio.create_task(sleeper("fast", 1, 1))]
    await asyncio.sleep(0)
    await clock.advance(5)
    await asyncio.gather(*tasks)
    assert seen == [("fast", 1), ("fast", 2), ("slow", 3)]
    assert clock.monotonic() == 5


async def test_a_cancelled_sleeper_is_no_next_wake() -> None:
    clock = VirtualClock()
    first = asyncio.create_task(clock.sleep(1))
    second = asyncio.create_task(clock.sleep(7))
    await asyncio.sleep(0)
    assert clock.next_wake() == 1
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert clock.next_wake() == 7
    await clock.advance(7)
    await second
    assert clock.next_wake() is None


async def test_a_jump_of_the_wall_clock_moves_no_duration() -> None:
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    sleeper = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    clock.shift_wall(timedelta(hours=1))
    await asyncio.sleep(0)
    assert not sleeper.done()
    assert clock.monotonic() == 0
    assert clock.now() == datetime(2026, 1, 1, 1, tzinfo=UTC)
    await clock.advance(60)
    await sleeper


def test_a_virtual_clock_never_goes_back() -> None:
    with pytest.raises(ValueError, match="shift_wall"):
        VirtualClock().move(-1)
