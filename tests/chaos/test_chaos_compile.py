"""What an experiment may say, and what it is told of what it may not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from chaos_kit import ABORT, ERRORS, experiment

from autopilot.base.errors import InvalidInput
from autopilot.operators.chaos.compile import compile_experiment


def refused(**spec: Any) -> str:
    with pytest.raises(InvalidInput) as error:
        compile_experiment(experiment(**spec)["spec"], "shop")
    return str(error.value)


def test_defaults_are_those_of_the_documentation() -> None:
    raw = {"target": {"service": "ratings"}, "faults": [ABORT], "failureConditions": [ERRORS]}
    program = compile_experiment(raw, "shop")
    spec = program.spec
    assert (spec.duration, spec.poll_interval) == (timedelta(minutes=10), timedelta(seconds=5))
    assert (spec.max_errors, spec.history_limit, spec.baseline.samples) == (3, 20, 1)
    (one,) = program.conditions
    assert (one.operator, one.threshold, one.for_polls, one.on_no_data) == (
        ">",
        0.1,
        1,
        "inconclusive",
    )
    assert program.fault is not None
    assert (program.fault.abort_status, program.fault.abort_percentage) == (500, 100.0)


@pytest.mark.parametrize(
    ("trigger", "threshold", "operator"),
    [
        ({"promql": "up"}, 1, "<"),
        ({"successRate": {}}, "95%", "<"),
        ({"errorRate": {}}, "5%", ">"),
        ({"latency": {}}, "800ms", ">"),
    ],
)
def test_operators_by_default(trigger: Any, threshold: Any, operator: str) -> None:
    conditions = [{"trigger": trigger, "threshold": threshold}]
    raw = experiment(failureConditions=conditions)["spec"]
    (one,) = compile_experiment(raw, "shop").conditions
    assert one.operator == operator


def test_names_are_made_up_from_the_index() -> None:
    conditions = [
        {"trigger": {"promql": "up"}, "threshold": 1},
        {"trigger": {"promql": "down"}, "threshold": 1},
    ]
    found = compile_experiment(experiment(failureConditions=conditions)["spec"], "shop")
    assert [one.name for one in found.conditions] == ["promql-0", "promql-1"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"failureConditions": []}, "faults that nobody watches"),
        ({"faults": []}, "add one, or observeOnly"),
        ({"observeOnly": True}, "a control run injects nothing"),
        ({"faults": [ABORT, ABORT]}, "two of the kind abort"),
        ({"faults": [{}]}, "has either a delay or an abort"),
        ({"faults": [{"abort": {}}]}, "httpStatus or grpcStatus"),
        ({"faults": [{"abort": {"httpStatus": 500, "percentage": 0}}]}, "is no fault"),
        ({"faults": [{"abort": {"httpStatus": 500, "percentage": 101}}]}, "less than or equal"),
        ({"faults": [{"abort": {"grpcStatus": "FOO"}}]}, "Input should be 'CANCELLED'"),
        ({"faults": [{"delay": {"duration": "0s"}}]}, "a delay of no length"),
        ({"duration": "0s"}, "a run of no length"),
        ({"duration": "0"}, "is no duration"),
        ({"duration": "-1s"}, "is no duration"),
        ({"pollInterval": "100ms"}, "500ms or more"),
        ({"pollInterval": "2m"}, "longer than the run"),
        ({"target": {}}, "Field required"),
        ({"target": {"service": ""}}, "String should match"),
        ({"failureConditions": [{**ERRORS, "threshold": None}]}, "threshold is missing"),
        ({"failureConditions": [{**ERRORS, "threshold": 0.5}]}, "less than one percent"),
        ({"failureConditions": [{**ERRORS, "threshold": "120%"}]}, "outside 0% to 100%"),
        ({"failureConditions": [{**ERRORS, "operator": "=>"}]}, "Input should be"),
        ({"failureConditions": [{**ERRORS, "forPolls": 13}]}, "13 polls don't fit into the run"),
        ({"failureConditions": [{**ERRORS, "trigger": {}}]}, "has one of promql"),
        ({"failureConditions": [ERRORS, ERRORS]}, "two are named errors"),
        (
            {"failureConditions": [{"trigger": {"latency": {}}, "threshold": 800}]},
            "write it like 800ms",
        ),
        (
            {"failureConditions": [{"trigger": {"promql": "up"}, "threshold": float("nan")}]},
            "is no number",
        ),
        (
            {"failureConditions": [{"trigger": {"webhook": {"url": "ftp://x"}}}]},
            "no http or https URL",
        ),
        (
            {"failureConditions": [{"trigger": {"webhook": {"url": "http://x"}}, "threshold": 1}]},
            "neither operator nor threshold",
        ),
        ({"expects": [{"phase": "Standby"}]}, "names one of rule, canary and kind"),
        ({"expects": [{"kind": "Thing", "name": "a", "phase": "B"}]}, "needs apiVersion"),
        ({"expects": [{"rule": "a", "phase": "B", "within": "2h"}]}, "within the duration"),
        ({"expects": [{"rule": "a", "phase": "B", "within": "0s"}]}, "within the duration"),
        (
            {"failureConditions": [{"trigger": {"promql": "up"}, "threshold": 10**400}]},
            "too large",
        ),
        ({"typo": 1}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_told_with_what_would(spec: Any, told: str) -> None:
    assert told in refused(**spec)


def test_all_problems_are_told_at_once() -> None:
    found = refused(duration="0s", failureConditions=[{**ERRORS, "threshold": None}])
    assert "spec.duration" in found
    assert "spec.failureConditions[0]" in found


def test_a_percentage_may_be_less_than_one() -> None:
    raw = experiment(faults=[{"abort": {"grpcStatus": "UNAVAILABLE", "percentage": 0.1}}])["spec"]
    program = compile_experiment(raw, "shop")
    assert program.fault is not None
    assert (program.fault.abort_grpc, program.fault.abort_percentage) == ("UNAVAILABLE", 0.1)
    assert program.share == 0.1


def test_as_many_polls_as_fit_into_a_run_may_be_asked_for() -> None:
    found = compile_experiment(
        experiment(failureConditions=[{**ERRORS, "forPolls": 12}])["spec"], "shop"
    )
    assert found.conditions[0].for_polls == 12


def test_a_query_is_asked_as_often_as_its_condition_is_looked_at() -> None:
    (one,) = compile_experiment(experiment(pollInterval="500ms")["spec"], "shop").conditions
    assert one.query is not None
    assert one.query.interval == 0.5
