"""Guardrails at work: rules on an API in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from guard_kit import bad, condition, good, namespace, phase, reasons, rule, standby, world

Fly = Any


async def test_too_many_transitions_latch_the_phase_and_move_nothing(fly: Fly) -> None:
    async with fly(maxTransitions={"count": 2, "per": "1h"}) as f:
        world(f)
        good(f)
        f.apply(rule())
        for _ in range(2):
            bad(f)
            await f.advance("10s")
            good(f)
            await f.advance("10s")
        assert phase(f) == "Normal"
        bad(f)
        await f.advance("1m")
        assert (phase(f), standby(f)) == ("Normal", 0)
        held = condition(f, "Latched")
        assert (held["status"], held["reason"]) == ("True", "MaxTransitions")
        assert "maxTransitions is 2" in held["message"] and "--latch" in held["message"]
        assert condition(f, "Stalled")["status"] == "True"
        assert reasons(f).count("MaxTransitions") == 1


async def test_the_strictest_of_installation_and_resource_holds(fly: Fly) -> None:
    async with fly(maxTransitions={"count": 9, "per": "1h"}, minDwell="1s") as f:
        world(f)
        bad(f)
        limits = {"maxTransitions": {"count": 1, "per": "10m"}, "minDwell": "5s"}
        f.apply(rule(guardrails=limits))
        await f.advance("4s")
        assert phase(f) == "Normal"
        await f.advance("6s")
        assert phase(f) == "Standby"
        good(f)
        await f.advance("10s")
        bad(f)
        await f.advance("20s")
        assert phase(f) == "Normal"
        assert "maxTransitions is 1" in condition(f, "Latched")["message"]


async def test_a_latch_survives_a_restart_and_an_hour(fly: Fly) -> None:
    async with fly(maxStep="50%") as f:
        world(f)
        bad(f)
        f.apply(rule())
        await f.advance("10s")
        assert condition(f, "Latched")["reason"] == "MaxStep"
        await f.restart()
        await f.advance("2h")
        assert (phase(f), standby(f)) == ("Normal", 0)
        assert condition(f, "Latched")["status"] == "True"


async def test_a_rollback_and_the_way_to_the_initial_phase_pass_a_latch(fly: Fly) -> None:
    async with fly(maxTransitions={"count": 1, "per": "1h"}) as f:
        world(f)
        bad(f)
        f.apply(rule())
        await f.advance("10s")
        assert (phase(f), standby(f)) == ("Standby", 100)
        good(f)
        await f.advance("10s")
        assert (phase(f), standby(f)) == ("Normal", 0)
        bad(f)
        await f.advance("10s")
        assert condition(f, "Latched")["status"] == "True"
        assert (phase(f), standby(f)) == ("Normal", 0)


async def test_a_person_lets_go_of_a_latch_and_counts_begin_anew(fly: Fly) -> None:
    async with fly(maxTransitions={"count": 2, "per": "1h"}) as f:
        world(f)
        good(f)
        f.apply(rule())
        for value in (0.2, 0.0, 0.2):
            bad(f, value)
            await f.advance("10s")
        assert condition(f, "Latched")["status"] == "True"
        await f.advance("1m")
        f.server.store.merge(
            "rules.autopilot.mesh",
            "failover",
            {"metadata": {"annotations": {"autopilot.mesh/unlatch": "true"}}},
            "shop",
        )
        await f.advance("10s")
        assert (phase(f), standby(f)) == ("Standby", 100)
        held = condition(f, "Latched")
        assert (held["status"], held["reason"]) == ("False", "Approved")
        assert "autopilot.mesh/unlatch" not in f.resource("failover", "shop").at(
            "metadata.annotations", {}
        )
        for value in (0.0, 0.2):
            bad(f, value)
            await f.advance("10s")
        assert condition(f, "Latched")["status"] == "True"


async def test_an_approval_given_before_there_is_a_latch_opens_none_later(fly: Fly) -> None:
    async with fly(maxStep="50%") as f:
        world(f)
        good(f)
        made = rule()
        made["metadata"]["annotations"] = {"autopilot.mesh/unlatch": "true"}
        f.apply(made)
        await f.advance("10s")
        assert not f.resource("failover", "shop").at("metadata.annotations", {})
        bad(f)
        await f.advance("1m")
        assert condition(f, "Latched")["status"] == "True"


async def test_a_change_of_the_spec_lets_go_of_a_latch(fly: Fly) -> None:
    async with fly(maxStep="50%") as f:
        world(f)
        bad(f)
        f.apply(rule())
        await f.advance("10s")
        assert condition(f, "Latched")["status"] == "True"
        ladder = {"to": "checkout-standby", "share": ["50%", "100%"], "dwell": "10s"}
        f.apply(rule(actions=[{"failover": ladder}]))
        await f.advance("5s")
        assert (phase(f), standby(f)) == ("Standby", 50)
        assert condition(f, "Latched")["status"] == "False"
        await f.advance("1m")
        assert standby(f) == 100


async def test_a_rung_that_is_too_high_is_not_climbed(fly: Fly) -> None:
    async with fly(maxStep="25%") as f:
        world(f)
        bad(f)
        ladder = {"to": "checkout-standby", "share": ["10%", "30%", "100%"], "dwell": "10s"}
        f.apply(rule(actions=[{"failover": ladder}]))
        await f.advance("15s")
        assert standby(f) == 30
        await f.advance("2m")
        assert standby(f) == 30
        assert condition(f, "Latched")["reason"] == "MaxStep"
        assert "70 %" in condition(f, "Latched")["message"]
        # What is held is held on: a foreign change is set back though the phase is latched.
        f.server.store.merge(
            "virtualservices.networking.istio.io",
            "checkout",
            {
                "spec": {
                    "http": [{"name": "main", "route": [{"destination": {"host": "checkout"}}]}]
                }
            },
            "shop",
        )
        await f.advance("10s")
        assert standby(f) == 30
        good(f)
        await f.advance("10s")
        assert (phase(f), standby(f)) == ("Normal", 0)


async def test_the_smallest_dwell_waits_and_does_not_latch(fly: Fly) -> None:
    async with fly(minDwell="1m") as f:
        world(f)
        bad(f)
        f.apply(rule())
        await f.advance("50s")
        assert (phase(f), standby(f)) == ("Normal", 0)
        assert condition(f, "Ready")["reason"] == "MinDwell"
        assert not condition(f, "Latched")
        await f.advance("20s")
        assert (phase(f), standby(f)) == ("Standby", 100)
        good(f)
        await f.advance("10s")
        assert phase(f) == "Normal"


async def test_thirty_at_once_never_overshoot_how_many_may_be_off(fly: Fly) -> None:
    names = [f"svc-{number}" for number in range(30)]
    async with fly(maxOffInitial=3) as f:
        world(f, "shop", *names)
        bad(f)
        f.apply(*(rule(name, service=name) for name in names))
        await f.advance("20s")
        off = [name for name in names if phase(f, name) == "Standby"]
        assert len(off) == 3
        assert [name for name in names if standby(f, name)] == off
        held = [n for n in names if condition(f, "Latched", n).get("reason") == "MaxOffInitial"]
        assert sorted([*held, *off]) == sorted(names)
        await f.restart()
        await f.advance("30s")
        assert [name for name in names if phase(f, name) == "Standby"] == off


@pytest.mark.parametrize(
    ("guardrails", "place", "marks", "reason"),
    [
        ({"protectedNamespaces": ["shop"]}, "none", {}, "Protected"),
        ({"protectedServices": ["shop/checkout"]}, "none", {}, "Protected"),
        ({"protectedServices": ["shop/checkout-standby"]}, "none", {}, "Protected"),
        ({}, "namespace", {"opt_out": "true"}, "OptedOut"),
        ({}, "service", {"opt_out": "true"}, "OptedOut"),
    ],
)
async def test_nothing_is_done_where_somebody_forbids_it(
    fly: Fly, guardrails: dict[str, Any], place: str, marks: dict[str, str], reason: str
) -> None:
    async with fly(**guardrails) as f:
        world(f)
        annotations = {"autopilot.mesh/opt-out": "true"} if marks else {}
        if place != "none":
            plural, name, home = (
                ("namespaces", "shop", "")
                if place == "namespace"
                else ("services", "checkout", "shop")
            )
            f.server.store.merge(plural, name, {"metadata": {"annotations": annotations}}, home)
        bad(f)
        f.apply(rule())
        await f.advance("1m")
        assert (phase(f), standby(f)) == ("Normal", 0)
        assert condition(f, "Stalled")["reason"] == reason
        assert not condition(f, "Latched")
        if place != "none":
            gone = {"metadata": {"annotations": {"autopilot.mesh/opt-out": None}}}
            f.server.store.merge(plural, name, gone, home)
            await f.advance("10s")
            assert (phase(f), standby(f)) == ("Standby", 100)


async def test_another_namespace_is_acted_on_only_where_it_allows_it(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(namespace("ops"))
        bad(f)
        f.apply(rule(ns="ops", target={"namespace": "shop"}))
        await f.advance("30s")
        assert (phase(f, ns="ops"), standby(f)) == ("Normal", 0)
        assert condition(f, "Stalled", ns="ops")["reason"] == "NotAllowed"
        assert "allow-from: ops" in condition(f, "Stalled", ns="ops")["message"]
        f.apply(namespace("shop", allow_from="web, ops"))
        await f.advance("10s")
        assert (phase(f, ns="ops"), standby(f)) == ("Standby", 100)
        # What was allowed is taken back even where it is allowed no longer.
        f.apply(namespace("shop"))
        good(f)
        await f.advance("10s")
        assert (phase(f, ns="ops"), standby(f)) == ("Normal", 0)
