"""The record of a demo's flights."""

from autopilot.sandbox.demo.record import (
    PROMOTED,
    ROLLED_BACK,
    Check,
    Decision,
    FlightRecord,
    Mark,
    summary,
)
from autopilot.sandbox.load.stats import Record


def flight(expected: str, requests: list[Record], **more: object) -> FlightRecord:
    record = FlightRecord("v3", expected, canary="web-canary", outcome=expected, **more)  # type: ignore[arg-type]
    record.requests = requests
    return record


def test_reaction_runs_from_the_first_bad_answer_to_the_last_request_that_the_canary_answered() -> (
    None
):
    requests = [
        Record(10.0, 0.01, 200, "web-canary"),
        Record(11.0, 0.01, 500, "web-canary"),
        Record(11.5, 0.01, 500, "web-primary"),
        Record(12.4, 0.01, 200, "web-canary"),
        Record(20.0, 0.01, 200, "web-primary"),
    ]
    assert flight(ROLLED_BACK, requests).encode()["reaction_seconds"] == 1.39


def test_an_answer_slower_than_the_limit_is_a_bad_answer() -> None:
    requests = [
        Record(1.0, 0.5, 200, "web-canary"),
        Record(2.0, 0.01, 200, "web-canary"),
    ]
    assert flight(ROLLED_BACK, requests, limit=0.2).encode()["reaction_seconds"] == 0.5
    assert flight(ROLLED_BACK, requests).encode()["reaction_seconds"] is None


def test_a_promotion_with_a_failed_request_is_not_as_expected() -> None:
    good = Record(1.0, 0.01, 200, "web-canary")
    assert flight(PROMOTED, [good]).as_expected
    assert not flight(PROMOTED, [good, Record(1.1, 0.01, 503, "")]).as_expected


def test_a_check_that_did_not_hold_spoils_the_flight() -> None:
    assert not flight(PROMOTED, [], checks=[Check("repaired once", held=False)]).as_expected


def test_the_encoded_record_has_the_documented_keys() -> None:
    record = flight(ROLLED_BACK, [Record(1.0, 0.01, 500, "web-canary")])
    record.phases.append(Mark(0.12345, "Evaluating"))
    record.weights.append(Mark(1.0, 10))
    record.decisions.append(Decision(1.5, "sum(x)", 0.05, "true"))
    assert record.encode() == {
        "name": "v3",
        "outcome": "rolledBack",
        "phases": [{"phase": "Evaluating", "at": 0.123}],
        "weights": [{"at": 1.0, "canary": 10}],
        "decisions": [{"at": 1.5, "query": "sum(x)", "value": 0.05, "verdict": "true"}],
        "requests": {"total": 1, "failed": 1},
        "reaction_seconds": 0.0,
    }


def test_the_summary_counts_failures_and_tells_the_reaction() -> None:
    requests = [Record(0.1 * i, 0.01, 500 if i == 5 else 200, "web-canary") for i in range(20)]
    assert summary(flight(ROLLED_BACK, requests)) == (
        "1 of 20 requests failed · breach → traffic back 1.4 s"
    )
