"""The machine's own clock, held still where its readings are checked."""

from datetime import UTC, datetime, timedelta

from freezegun import freeze_time

from autopilot.base.clock import SystemClock

# freezegun reads every attribute of every module; kubernetes would import all its models then,
# and pydantic can't make a schema of a frozen datetime.
LAZY = ["kubernetes"]


def test_the_wall_clock_is_the_machines_and_aware_of_utc() -> None:
    with freeze_time("2026-03-29 01:30:00", ignore=LAZY):
        assert SystemClock().now() == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_jump_of_the_wall_clock_shows_in_now() -> None:
    with freeze_time("2026-01-01 12:00:00", ignore=LAZY) as frozen:
        clock = SystemClock()
        before = clock.now()
        frozen.tick(timedelta(hours=-3))
        assert clock.now() - before == timedelta(hours=-3)


async def test_a_sleep_is_by_the_monotonic_clock_whatever_the_wall_clock_says() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    with freeze_time("2026-01-01 12:00:00", ignore=LAZY, real_asyncio=True):
        await clock.sleep(0.01)
    assert clock.monotonic() - began >= 0.01
