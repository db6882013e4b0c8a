import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.kube.retry import AtOnce, Backoff


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


def test_a_conflict_is_tried_again_at_once_five_times() -> None:
    policy, dice = AtOnce(), random.Random(1)
    assert policy.attempts == 5
    assert sum(policy.delay(number, dice) for number in range(policy.attempts)) < 0.5
