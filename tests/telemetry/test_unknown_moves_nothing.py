"""What a source says only in part, or as no number, is never taken for knowledge."""

import math

import pytest

from autopilot.telemetry.judge import Asked, judge
from autopilot.telemetry.query import Parts, plain_parts
from autopilot.telemetry.sample import Sample
from autopilot.telemetry.source import Series

NOW = 1_800_000_000.0
NO_NUMBERS = [math.nan, math.inf, -math.inf]


def judged(**parts: object) -> Sample:
    return judge(
        Parts(**{"at": NOW - 1, "evaluated": NOW, **parts}),  # type: ignore[arg-type]
        Asked("errors", "q", timed=True, stale_after=15.0),
    )


@pytest.mark.parametrize("count", [*NO_NUMBERS, -1.0])
def test_a_count_of_requests_that_is_no_number_is_not_enough(count: float) -> None:
    sample = judged(values=(0.5,), requests=count, of=100.0)
    assert sample.requests is None
    assert sample.above(0.1, min_requests=10).is_unknown
    assert sample.silent(0.5, min_requests=10).is_unknown


@pytest.mark.parametrize("count", [*NO_NUMBERS, -1.0])
def test_a_route_whose_count_is_no_number_makes_nobody_silent(count: float) -> None:
    sample = judged(values=(), requests=None, of=count)
    assert sample.of is None
    assert sample.silent(0.5, min_requests=10).is_unknown


def test_who_has_a_value_is_not_silent_for_want_of_a_count() -> None:
    sample = judged(values=(0.01,), requests=None, of=100.0)
    assert sample.silent(0.5, min_requests=10).is_unknown
    assert sample.above(0.005, min_requests=10).is_unknown


def test_who_has_neither_value_nor_count_beside_a_busy_route_is_silent() -> None:
    sample = judged(values=(), requests=None, of=100.0)
    assert sample.silent(0.5, min_requests=10).is_true


def test_several_counts_are_not_enough() -> None:
    series = [
        Series({"part": "value"}, 0.5, NOW),
        Series({"part": "at"}, NOW - 1, NOW),
        Series({"part": "requests", "pod": "a"}, 500.0, NOW),
        Series({"part": "requests", "pod": "b"}, 1.0, NOW),
    ]
    sample = judge(plain_parts(series), Asked("errors", "q", timed=True, stale_after=15.0))
    assert sample.above(0.1, min_requests=10).is_unknown


@pytest.mark.parametrize("at", [math.nan, math.inf, -1.0, NOW * 1000, NOW + 60])
def test_a_time_of_scrape_that_can_not_be_one_is_stale(at: float) -> None:
    sample = judged(values=(0.5,), requests=100.0, at=at)
    assert sample.value is None
    assert sample.above(0.1).is_unknown


@pytest.mark.parametrize("limit", NO_NUMBERS[:1])
def test_a_limit_that_is_no_number_tells_nothing(limit: float) -> None:
    sample = judged(values=(0.5,), requests=100.0)
    assert sample.above(limit).is_unknown
    assert sample.below(limit).is_unknown
