"""The record of an experiment in the demo."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml

from autopilot.sandbox.demo import bookshop
from autopilot.sandbox.demo.chaos_story import lasted
from autopilot.sandbox.demo.record import Check, Mark
from autopilot.sandbox.demo.trial import UNFINISHED, TrialRecord, summary
from autopilot.sandbox.load.stats import Record


def flight(*phases: str, expected: str = "Failed") -> TrialRecord:
    return TrialRecord(
        "ratings abort",
        "ratings-down",
        expected,
        began=100.0,
        seconds=10.0,
        phases=[Mark(float(number), phase) for number, phase in enumerate(phases)],
        laid=2.0,
        gone=6.5,
        carried=Counter({("ratings", "FI"): 4}),
        requests=[Record(101.0, 0.1, 200), Record(103.0, 0.1, 500)],
    )


def test_a_run_is_over_in_a_verdict_only() -> None:
    assert flight().outcome == UNFINISHED
    assert flight("Pending", "Running").outcome == UNFINISHED
    assert flight("Pending", "RecoveryFailed").outcome == UNFINISHED
    assert flight("Pending", "Failed").as_expected
    assert not flight("Pending", "Succeeded").as_expected


def test_a_run_that_ended_rightly_with_a_check_that_did_not_hold_is_not_as_expected() -> None:
    found = flight("Failed")
    found.checks.append(Check("nothing left", held=False))
    assert not found.as_expected


@pytest.mark.parametrize(
    ("laid", "gone", "most", "held"),
    [(2.0, 6.0, 5.0, True), (2.0, 8.0, 5.0, False), (2.0, None, 5.0, False)],
)
def test_how_long_a_fault_may_be_on_is_checked(
    laid: float, gone: float | None, most: float, held: bool
) -> None:
    found = flight("Failed")
    found.laid, found.gone = laid, gone
    lasted(found, at_most=most)
    assert [check.held for check in found.checks] == [held]


def test_a_fault_that_went_too_soon_is_told() -> None:
    found = flight("Succeeded", expected="Succeeded")
    lasted(found, at_least=15.0)
    assert not found.as_expected


def test_the_record_is_json_and_the_summary_a_line() -> None:
    found = flight("Pending", "Failed")
    found.cause = "page-answers: 12 % < 80 %"
    told = json.loads(json.dumps(found.encode()))
    assert told["fault_seconds"] == 4.5
    assert told["carried"] == [{"service": "ratings", "flag": "FI", "requests": 4}]
    assert told["requests"] == {"total": 2, "failed": 1}
    line = "1 of 2 requests failed · fault on for 4.5 s · page-answers: 12 % < 80 %"
    assert summary(found) == line


def test_what_the_demo_applies_is_what_it_shows() -> None:
    for text, kind in (
        (bookshop.RATINGS_YAML, "Experiment"),
        (bookshop.PAYMENTS_YAML, "Experiment"),
        (bookshop.RULE_YAML, "Rule"),
    ):
        assert yaml.safe_load(text)["kind"] == kind
