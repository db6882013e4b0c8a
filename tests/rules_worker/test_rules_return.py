"""A failover's way back: trials, a doubling wait, approval, restarts in between."""

from __future__ import annotations

from typing import Any

from worker_kit import (
    NS,
    PRIMARY,
    SOURCE,
    condition,
    endpoints,
    events,
    phase,
    route,
    rule,
    short,
    status,
    weights,
    world,
    writes,
)

from autopilot.kube.marks import APPROVE
from autopilot.testing.kills import fly_dying

Fly = Any
KINDS = ("Rule", "VirtualService")
GOOD = "primary_errors < 1% && primary_p99 < 400ms"


def callers(f: Any, errors: float) -> None:
    """What callers get, whoever answers."""
    f.samples.set("error-rate", errors, **SOURCE)
    f.samples.set("latency", 80.0, **SOURCE)


def primary(f: Any, errors: float, requests: float = 1000.0) -> None:
    """What the primary itself answered."""
    f.samples.set("error-rate", errors, requests=requests, **PRIMARY)
    f.samples.set("latency", 80.0, requests=requests, **PRIMARY)


async def to_standby(f: Any, **failover: Any) -> None:
    world(f)
    callers(f, 0.3)
    primary(f, 0.3)
    f.apply(short(**failover))
    await f.advance("15s")
    assert phase(f) == "Standby"
    callers(f, 0.0)


async def test_a_failed_trial_doubles_the_wait_and_a_good_one_climbs_back(fly: Fly) -> None:
    async with fly() as f:
        await to_standby(f)
        await f.advance("50s")
        assert phase(f) == "Standby"
        await f.advance("20s")
        assert phase(f) == "Standby", "the primary fails still: its trial was short"
        assert [entry["phase"] for entry in status(f)["phaseHistory"]] == [
            "Normal",
            "Standby",
            "Trial",
            "Standby",
        ]
        primary(f, 0.0)
        await f.advance("100s")
        assert phase(f) == "Standby"
        await f.advance("25s")
        assert phase(f) == "Trial"
        assert weights(f) == {"checkout": 1, "checkout-standby": 99}
        assert status(f)["ladder"] == "rung 1 of 3"
        await f.advance("31s")
        assert weights(f) == {"checkout": 10, "checkout-standby": 90}
        assert any("rung 2 of 3" in text for text in events(f, "Climbed"))
        await f.advance("31s")
        assert weights(f) == {"checkout": 50, "checkout-standby": 50}
        await f.advance("32s")
        assert phase(f) == "Normal"
        assert f.get("VirtualService", "checkout", NS).thaw()["spec"] == route()["spec"]


async def test_too_little_traffic_extends_the_dwell(fly: Fly) -> None:
    async with fly() as f:
        await to_standby(f)
        primary(f, 0.0, requests=3)
        await f.advance("65s")
        assert phase(f) == "Trial"
        await f.advance("60s")
        assert status(f)["ladder"] == "rung 1 of 3"
        assert weights(f)["checkout"] == 1


async def test_without_ready_pods_nobody_is_sent_back(fly: Fly) -> None:
    async with fly() as f:
        await to_standby(f)
        primary(f, 0.0)
        f.apply(endpoints("checkout", 0))
        await f.advance("5m")
        assert phase(f) == "Standby"
        f.apply(endpoints("checkout", 3), endpoints("checkout", 3, kind="IPv6"))
        await f.settle()
        assert phase(f) == "Trial"
        assert [one["value"] for one in status(f)["signals"] if "ready" in one["name"]] == [
            "3",
            "3",
        ]


async def test_a_manual_return_waits_for_a_person_and_uses_the_approval_up(fly: Fly) -> None:
    async with fly() as f:
        await to_standby(f, **{"return": {"gate": "manual", "good": GOOD}})
        primary(f, 0.0)
        await f.advance("10m")
        assert phase(f) == "Standby"
        opened = {**short(), "spec": {}}
        opened["metadata"] = {**opened["metadata"], "annotations": {APPROVE: "Trial"}}
        f.apply(opened)
        await f.settle()
        assert phase(f) == "Trial"
        assert APPROVE not in (f.resource("failover", NS).thaw()["metadata"].get("annotations", {}))


ACTS = [{"failover": {"to": "checkout-standby"}}]
CHASE = [
    {"name": "Normal", "initial": True, "transitions": [{"to": "Away", "when": "knob == 1"}]},
    {"name": "Away", "actions": ACTS, "transitions": [{"to": "Gate", "when": "knob == 1"}]},
    {"name": "Gate", "actions": ACTS, "transitions": [{"to": "Normal", "approve": True}]},
]


async def test_phases_that_chase_each_other_take_an_interval_each_and_one_approval_opens_one_gate(
    fly: Fly,
) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("knob", 1.0)
        chase = rule(signals={"knob": {"query": "knob", "unit": "count"}}, phases=CHASE)
        f.apply({**chase, "spec": {**chase["spec"], "interval": "5s"}})
        await f.advance("30s")
        assert phase(f) == "Gate"
        opened = {**chase, "spec": {}}
        opened["metadata"] = {**opened["metadata"], "annotations": {APPROVE: "Normal"}}
        f.apply(opened)
        await f.advance("1m")
        assert phase(f) == "Gate"
        history = [one["phase"] for one in status(f)["phaseHistory"]]
        assert sorted(history) == ["Away", "Away", "Gate", "Gate", "Normal", "Normal"]
        assert len(events(f, "ConditionMet")) <= 5


async def test_phases_whose_ways_out_are_all_true_do_not_flood_the_mesh(fly: Fly) -> None:
    loop = [CHASE[0], {**CHASE[1], "transitions": [{"to": "Normal", "when": "knob == 1"}]}]
    async with fly() as f:
        world(f)
        f.samples.set("knob", 1.0)
        f.apply(rule(signals={"knob": {"query": "knob", "unit": "count"}}, phases=loop))
        await f.settle()
        before = writes(f)
        await f.advance("60s")
        # Each of 12 intervals has one way there and back.
        assert writes(f) - before <= 12 * 2 * 5


async def test_a_restart_loses_no_phase_no_rung_and_no_failed_visit(fly: Fly) -> None:
    async with fly() as f:
        await to_standby(f)
        await f.advance("75s")
        failed = status(f)["machine"]["failed"]
        assert sum(failed.values()) == 1
        primary(f, 0.0)
        await f.restart()
        assert phase(f) == "Standby"
        await f.until(lambda: phase(f) == "Trial", within="4m")
        await f.until(lambda: status(f).get("ladder") == "rung 2 of 3", within="1m")
        await f.restart()
        await f.advance("5s")
        assert weights(f) == {"checkout": 10, "checkout-standby": 90}
        await f.until(lambda: phase(f) == "Normal", within="3m")


async def test_killed_between_any_two_writes_a_failover_and_its_return_go_on(fly: Fly) -> None:
    quick = {"trial": ["1%", "10%", "50%"], "dwell": "3s", "backoff": "5s..1m", "good": GOOD}
    async with fly() as f:
        world(f)
        callers(f, 0.3)
        primary(f, 0.3)
        made = short(**{"for": "3s", "return": quick})
        made["spec"]["signals"] = {
            "primary_errors": {"builtin": "errorRate", "backend": "checkout", "window": "4s"},
            "primary_p99": {"builtin": "latency", "backend": "checkout", "window": "4s"},
        }
        f.apply(made)
        seen: list[dict[str, int]] = []

        def note() -> None:
            if not seen or seen[-1] != weights(f):
                seen.append(weights(f))

        f.server.store.on_change(lambda _: note())
        kills = await fly_dying(f, lambda: phase(f) == "Standby", note, KINDS)
        callers(f, 0.0)
        primary(f, 0.0)
        kills += await fly_dying(f, lambda: phase(f) == "Normal", note, KINDS)
        assert kills >= 8
        assert seen == [
            {"checkout": 100},
            {"checkout": 0, "checkout-standby": 100},
            {"checkout": 1, "checkout-standby": 99},
            {"checkout": 10, "checkout-standby": 90},
            {"checkout": 50, "checkout-standby": 50},
            {"checkout": 100},
        ], "to and fro is never flown"
        found = f.get("VirtualService", "checkout", NS).thaw()
        assert found["spec"] == route()["spec"]
        assert not found["metadata"].get("annotations")
        assert found["metadata"]["labels"] == {"team": "shop"}


async def test_while_the_source_is_down_nothing_moves(fly: Fly) -> None:
    async with fly() as f:
        await to_standby(f)
        f.samples.down()
        await f.advance("10m")
        assert phase(f) in {"Standby", "Trial"}
        assert condition(f, "Ready")["status"] == "True"
        assert "source down" in status(f)["signals"][0]["why"]
        told = events(f, "SignalsUnanswered")
        assert told
        assert "source down" in told[0]
        assert "moves nothing" in told[0]


async def test_a_source_that_is_down_from_the_start_takes_no_transition(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.down()
        f.apply(short())
        await f.advance("10m")
        assert phase(f) == "Normal"
        assert weights(f) == {"checkout": 100}
        assert len(events(f, "SignalsUnanswered")) == 1, "once, not at each look"
