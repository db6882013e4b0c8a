import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.base.clock import VirtualClock
from autopilot.kube.client import AlreadyExists, Conflict, FieldConflict
from autopilot.kube.retry import AtOnce, Backoff, retry_conflicts


class Instant(VirtualClock):
    """A clock on which nobody waits, but every wait is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_waits_grow_up_to_the_maximum() -> None:
    backoff = Backoff(initial=0.5, maximum=30, jitter=0)
    dice = random.Random(1)
    assert [backoff.delay(n, dice) for n in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@given(attempt=st.integers(0, 10**9), seed=st.integers(), jitter=st.floats(0, 1))
def test_a_wait_stays_within_its_bounds(attempt: int, seed: int, jitter: float) -> None:
    backoff = Backoff(initial=0.5, maximum=30, jitter=jitter)
    whole = Backoff(initial=0.5, maximum=30, jitter=0).delay(attempt, random.Random(seed))
    drawn = backoff.delay(attempt, random.Random(seed))
    assert whole * (1 - jitter) - 1e-9 <= drawn <= whole <= 30


def test_the_same_seed_draws_the_same_waits() -> None:
    draws = [[Backoff().delay(n, dice) for n in range(5)] for dice in map(random.Random, (7, 7, 8))]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    "wrong", [{"initial": 0}, {"initial": 40}, {"factor": 0.5}, {"jitter": 1.5}, {"jitter": -1}]
)
def test_a_back_off_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="back-off"):
        Backoff(**wrong)


async def test_a_conflict_of_versions_is_retried_at_once_five_times() -> None:
    clock, calls = Instant(), []

    async def always() -> None:
        calls.append(1)
        raise Conflict(409, "Conflict", "modified")

    with pytest.raises(Conflict):
        await retry_conflicts(always, clock=clock, rng=random.Random(1))
    assert len(calls) == 6
    assert len(clock.slept) == 5
    assert sum(clock.slept) < 0.5


async def test_a_conflict_that_goes_away_is_no_error() -> None:
    calls = []

    async def third_time() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise Conflict(409, "Conflict", "modified")
        return "done"

    done = await retry_conflicts(
        third_time, clock=Instant(), rng=random.Random(1), policy=AtOnce(attempts=2)
    )
    assert done == "done"


@pytest.mark.parametrize("kind", [AlreadyExists, FieldConflict])
async def test_a_question_of_ownership_is_not_retried(kind: type[AlreadyExists]) -> None:
    calls = []

    async def refused() -> None:
        calls.append(1)
        raise kind(409, "Conflict", "held")

    with pytest.raises(kind):
        await retry_conflicts(refused, clock=Instant(), rng=random.Random(1))
    assert len(calls) == 1
