"""What the benchmarks make of measured values: the pure part."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.sandbox.load.stats import Record
from benchmarks.figures import (
    Figure,
    Outcome,
    arrivals,
    first_bad_of_version,
    last_of_version,
    median,
    quantile,
)

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("values", "middle"), [([3.0], 3.0), ([5.0, 1.0, 3.0], 3.0), ([4.0, 1.0, 2.0, 3.0], 2.5)]
)
def test_the_median_is_the_middle_of_the_ordered_values(values: list[float], middle: float) -> None:
    assert median(values) == middle


def test_nothing_measured_is_no_number() -> None:
    assert math.isnan(median([]))
    assert math.isnan(quantile([], 0.99))


def test_the_99th_percentile_of_a_hundred_values_leaves_out_the_worst() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert quantile(values, 0.99) == 99
    assert quantile(values, 1.0) == 100


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_and_grows(values: list[float], q: float) -> None:
    assert min(values) <= quantile(values, q) <= quantile(values, 1.0) == max(values)
    assert quantile(values, q) in values


@given(VALUES)
def test_half_of_the_values_lie_on_each_side_of_the_median(values: list[float]) -> None:
    middle = median(values)
    assert sum(value < middle for value in values) <= len(values) / 2
    assert sum(value > middle for value in values) <= len(values) / 2


def test_a_figure_in_json_has_its_summary_and_its_values() -> None:
    told = Figure("write", "ms", (1.0, 3.0, 2.0), "≤ 50 ms").encode()
    assert told == {
        "name": "write",
        "unit": "ms",
        "n": 3,
        "median": 2.0,
        "p99": 3.0,
        "max": 3.0,
        "aim": "≤ 50 ms",
        "values": [1.0, 3.0, 2.0],
    }


def test_a_figure_without_values_says_so_in_json() -> None:
    outcome = Outcome("none")
    outcome.add("nothing", "s")
    [told] = outcome.encode()["figures"]
    assert (told["n"], told["median"], told["max"]) == (0, None, None)


RECORDS = [
    Record(1.0, 0.1, 200, "web", "v1"),
    Record(2.0, 0.5, 500, "web-canary", "v2"),
    Record(2.1, 0.1, 500, "web-canary", "v2"),
    Record(2.2, 0.1, 500, "web", "v1"),
    Record(3.0, 0.1, 200, "web-canary", "v2"),
    Record(4.0, 5.0, 0, error="timeout"),
]


def test_the_first_bad_answer_is_the_one_that_was_complete_first() -> None:
    first = first_bad_of_version(RECORDS, "v2")
    assert first is not None
    assert first.at == 2.1


def test_a_version_that_never_failed_has_no_bad_answer() -> None:
    assert first_bad_of_version(RECORDS[:1], "v1") is None


def test_the_last_request_of_a_version_is_the_one_sent_last() -> None:
    last = last_of_version(RECORDS, "v2", since=0)
    assert last is not None
    assert last.at == 3.0


def test_requests_sent_before_the_moment_asked_for_do_not_count() -> None:
    assert last_of_version(RECORDS, "v1", since=2.5) is None


def test_samples_of_several_series_at_one_scrape_arrive_once() -> None:
    series = [
        {"metric": {"response_code": "500"}, "values": [[10.5, "1"], [11.0, "2"]]},
        {"metric": {"response_code": "503"}, "values": [[11.0, "1"], [11.5, "4"]]},
    ]
    assert arrivals(series) == [10.5, 11.0, 11.5]
