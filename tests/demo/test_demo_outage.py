"""The record of an outage, and the proof that a route is as it was."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import yaml

from autopilot.sandbox.demo import proof, shop
from autopilot.sandbox.demo.failover_flight import step_of
from autopilot.sandbox.demo.outage import RETURNED, UNAIDED, UNFINISHED, OutageRecord, summary
from autopilot.sandbox.demo.record import Check, Mark
from autopilot.sandbox.load.stats import Record

Body = dict[str, Any]
TIMES = (0.0, 4.0, 10.0, 12.0, 22.0, 31.0)


def answers(begin: float, end: float, workload: str, status: int = 200) -> list[Record]:
    """Ten a second."""
    count = round((end - begin) * 10)
    return [Record(100 + begin + i / 10, 0.01, status, workload) for i in range(count)]


def flight(**more: Any) -> OutageRecord:
    record = OutageRecord("checkout", "checkout", route=shop.PHASES, began=100.0, seconds=34.0)
    record.phases += [Mark(at, name) for at, name in zip(TIMES, shop.PHASES, strict=True)]
    record.weights += [Mark(0.0, 0), Mark(4.0, 100)]
    record.requests = [
        *answers(0, 2, "checkout"),
        *answers(2, 4, "checkout", 500),
        *answers(4, 10, "checkout-standby"),
        *answers(10, 12, "checkout", 500),
        *answers(12, 34, "checkout-standby"),
    ]
    return dataclasses.replace(record, **more)


def test_the_reaction_ends_with_the_last_request_before_the_first_trial() -> None:
    assert flight().encode()["reaction_seconds"] == pytest.approx(1.89, abs=0.011)


def test_the_price_of_each_trial_is_told() -> None:
    assert flight().encode()["trials"] == [
        {"at": 10.0, "answered": 20, "failed": 20},
        {"at": 22.0, "answered": 0, "failed": 0},
    ]


def test_seconds_with_more_than_five_percent_of_failures_are_bad_ones() -> None:
    assert flight().bad_seconds == 4
    one = [*answers(0, 1, "cart", 200)[:9], *answers(0.9, 1, "cart", 500)]
    assert flight(requests=one).bad_seconds == 1
    assert flight(requests=answers(0, 3, "cart")).bad_seconds == 0


def test_the_phases_decide_the_outcome() -> None:
    assert flight().outcome == RETURNED
    assert flight(phases=flight().phases[:-1]).outcome == UNFINISHED
    assert not flight(phases=flight().phases[:-1]).as_expected
    assert flight(route=(), phases=[]).outcome == UNAIDED


def test_a_decision_that_moves_neither_phase_nor_traffic_is_left_out() -> None:
    line = {"phase": "Trial", "next": "Trial", "reason": "Trial", "message": ""}
    assert step_of(1.0, {**line, "changes": ["status: signals"]}) is None
    climbed = step_of(1.0, {**line, "changes": ["status: ladder", "VirtualService: 5→25"]})
    assert climbed is not None
    assert climbed.changes == ("VirtualService: 5→25",)
    assert climbed.message == "the ladder's next rung"
    left = step_of(2.0, {**line, "next": "Normal", "reason": "ConditionMet", "message": "good"})
    assert left is not None
    assert (left.phase, left.following, left.message) == ("Trial", "Normal", "good")


def test_a_flight_without_phases_has_a_record_as_well() -> None:
    unaided = flight(route=(), phases=[], weights=[])
    assert unaided.encode()["trials"] == []
    assert unaided.encode()["reaction_seconds"] is None
    assert summary(unaided) == "40 of 340 requests failed · 4 of 34 s bad"


def test_a_check_that_did_not_hold_spoils_the_outage_flight() -> None:
    assert flight().as_expected
    assert not flight(checks=[Check("as before", held=False)]).as_expected


def test_the_record_has_the_documented_keys() -> None:
    assert set(flight().encode()) == {
        *("name", "outcome", "phases", "weights", "faults", "decisions", "trials", "checks"),
        *("requests", "bad_seconds", "reaction_seconds"),
    }
    assert flight().encode()["weights"][-1] == {"at": 4.0, "standby": 100}


def test_the_summary_tells_failures_reaction_and_trials() -> None:
    assert summary(flight()) == (
        "40 of 340 requests failed · 4 of 34 s bad · breach → traffic away 1.9 s"
        " · trial 1: 20 of 20 failed · trial 2: 0 of 0 failed"
    )


def test_the_share_of_the_standby_is_read_from_the_route() -> None:
    pair, body = shop.AIDED, shop.AIDED.virtual_service()
    route = body["spec"]["http"][0]["route"]
    assert pair.standby_share(body) == 0
    route[0]["weight"] = 95
    route.append({"destination": {"host": "checkout-standby.shop.svc.cluster.local"}, "weight": 5})
    assert pair.standby_share(body) == 5
    body["spec"]["http"][0]["route"] = route[1:]
    assert pair.standby_share(body) == 100
    assert pair.standby_share({}) is None


def test_the_rule_of_the_demo_is_about_its_own_services() -> None:
    rule = yaml.safe_load(shop.RULE_YAML)
    assert rule["metadata"] == {"name": shop.RULE, "namespace": "shop"}
    assert rule["spec"]["target"] == {"service": shop.AIDED.primary}
    assert rule["spec"]["failover"]["to"] == shop.AIDED.standby


def route() -> Body:
    body = shop.AIDED.virtual_service()
    owner = {"manager": "kubectl", "operation": "Apply", "time": "1", "fieldsV1": {"f:spec": {}}}
    body["metadata"] |= {"managedFields": [owner], "resourceVersion": "1"}
    return body


def test_a_route_that_was_put_back_differs_in_nothing_that_counts() -> None:
    after = copy.deepcopy(route())
    after["metadata"]["resourceVersion"] = "9"
    after["metadata"]["managedFields"][0]["time"] = "2"
    assert proof.differences(route(), after) == []
    assert proof.owners(after) == ["kubectl"]


@pytest.mark.parametrize("part", proof.PARTS)
def test_what_is_left_behind_is_named(part: str) -> None:
    after = copy.deepcopy(route())
    if part == "spec":
        after["spec"]["http"][0]["timeout"] = "3s"
    elif part == "field owners":
        after["metadata"]["managedFields"].append({"manager": "autopilot", "operation": "Update"})
    else:
        after["metadata"][part]["autopilot.mesh/held"] = "yes"
    found = proof.differences(route(), after)
    assert len(found) == 1
    assert found[0].startswith(f"{part}: ")
