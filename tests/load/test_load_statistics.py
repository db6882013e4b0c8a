"""Records in, numbers out."""

from __future__ import annotations

import pytest

from autopilot.sandbox.load.stats import (
    Record,
    first_bad,
    last_answered,
    quantile,
    reaction,
    timeline,
    totals,
    window,
)


def ok(at: float, workload: str = "web", version: str = "v1", duration: float = 0.01) -> Record:
    return Record(at, duration, 200, workload, version)


def bad(at: float, workload: str = "canary", status: int = 500, duration: float = 0.01) -> Record:
    return Record(at, duration, status, workload, "v2", "" if status else "timeout")


def test_a_5xx_and_a_missing_answer_are_failures_and_a_404_is_not() -> None:
    counted = totals([ok(1), bad(2), bad(3, status=0), Record(4, 0.01, 404)])
    assert (counted.requests, counted.failed) == (4, 2)
    assert counted.by_status == {200: 1, 500: 1, 0: 1, 404: 1}
    assert counted.success_rate == 0.5


def test_no_requests_have_no_success_rate_and_no_quantile() -> None:
    assert totals([]).success_rate is None
    assert quantile([], 0.99) is None
    assert timeline([]) == []


@pytest.mark.parametrize(("q", "expected"), [(0.5, 0.050), (0.99, 0.099), (1.0, 0.1), (0.0, 0.001)])
def test_a_quantile_is_the_value_of_its_nearest_rank(q: float, expected: float) -> None:
    records = [ok(0, duration=n / 1000) for n in range(100, 0, -1)]
    assert quantile(records, q) == pytest.approx(expected)


def test_a_window_holds_its_beginning_and_not_its_end() -> None:
    assert [r.at for r in window([ok(1), ok(2), ok(3)], 1, 3)] == [1, 2]


def test_the_first_bad_answer_is_the_one_that_was_complete_first() -> None:
    late = bad(1, duration=2)
    early = bad(2, duration=0.1)
    assert first_bad([late, early], "canary") == early


def test_with_a_limit_a_slow_answer_is_bad_too() -> None:
    slow = ok(5, "canary", "v4", duration=0.31)
    records = [ok(4, "canary", "v4", duration=0.29), slow]
    assert first_bad(records, "canary") is None
    assert first_bad(records, "canary", slower_than=0.3) == slow


def test_bad_answers_of_another_workload_count_for_nothing() -> None:
    assert first_bad([bad(1, "web")], "canary") is None
    assert reaction([bad(1, "web")], "canary") is None


def test_the_reaction_runs_to_the_last_request_that_the_workload_answered() -> None:
    records = [bad(10), ok(11, "canary"), ok(11.5, "canary"), ok(20, "web")]
    last = last_answered(records, "canary")
    assert last is not None
    assert last.at == 11.5
    assert reaction(records, "canary") == pytest.approx(11.5 - 10.01)


def test_a_reaction_to_the_very_last_answer_is_zero() -> None:
    assert reaction([bad(10)], "canary") == 0.0


def test_a_time_line_shows_empty_seconds_and_counts_by_version() -> None:
    line = timeline([ok(100.1), ok(100.2), bad(102.5)])
    assert [second.requests for second in line] == [2, 0, 1]
    assert line[0].by_version == {"v1": 2}
    assert line[1].success_rate is None
    assert line[1].p99 is None
    assert line[2].failed == 1
    assert line[2].at == 2.0
