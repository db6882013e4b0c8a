"""An order to halt, and the sweep, while rules are in flight."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from guard_kit import bad, condition, good, namespace, phase, reasons, rule, standby, world

from autopilot.sandbox.apiserver.faults import Fault

Fly = Any

FAULT = {"fault": {"abort": {"status": 503, "percentage": "10%"}}}
BOTH = [{"failover": {"to": "checkout-standby"}}, FAULT]
VIRTUAL_SERVICES = "virtualservices.networking.istio.io"


def order(f: Any, **data: str) -> None:
    f.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "autopilot-system"}})
    f.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "autopilot-halt", "namespace": "autopilot-system"},
            "data": {"reason": "drill", "by": "me", **data},
        }
    )


def resume(f: Any) -> None:
    f.server.store.delete("configmaps", "autopilot-halt", "autopilot-system")


def fault(f: Any, name: str = "checkout") -> Any:
    return f.get("VirtualService", name, "shop").at("spec.http.0.fault", None)


def mesh_writes(f: Any, since: int = 0) -> int:
    verbs = {"create", "update", "patch", "delete"}
    requests = list(f.server.requests)[since:]
    return sum(one.verb in verbs and one.resource == VIRTUAL_SERVICES for one in requests)


def metric(f: Any, name: str) -> float:
    return float(f.runtime.metrics.registry.get_sample_value(name) or 0)


async def test_a_halt_removes_hazards_freezes_protections_and_runs_no_worker(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        bad(f)
        f.apply(rule(actions=BOTH))
        await f.advance("10s")
        assert (phase(f), standby(f)) == ("Standby", 100)
        assert fault(f) is not None
        order(f)
        await f.settle()
        assert fault(f) is None
        assert standby(f) == 100
        assert condition(f, "Halted")["message"] == "halted by me: drill"
        good(f)
        records, requests = len(f.records), len(f.server.requests)
        await f.advance("10m")
        assert (phase(f), standby(f)) == ("Standby", 100)
        assert len(f.records) == records
        assert mesh_writes(f, requests) == 0
        resume(f)
        await f.advance("10s")
        assert (phase(f), standby(f)) == ("Normal", 0)
        assert not condition(f, "Halted")


async def test_an_operator_that_starts_while_halted_writes_nothing_to_the_mesh(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        order(f)
        await f.restart()
        f.apply(rule())
        bad(f)
        before = mesh_writes(f)
        await f.advance("5m")
        assert mesh_writes(f) == before
        assert standby(f) == 0
        assert condition(f, "Halted")["status"] == "True"
        resume(f)
        await f.advance("10s")
        assert standby(f) == 100


async def test_one_that_can_not_tell_whether_it_is_halted_writes_nothing(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        bad(f)
        f.apply(rule())
        await f._kill()
        before = mesh_writes(f)
        number = f.server.faults.add(
            Fault("status", verb="list", resource="configmaps", status=403)
        )
        # The caches are waited for in real time, and the order's never comes.
        f._options = replace(f._options, start_timeout=0.3)
        start = asyncio.create_task(f._start())
        async with asyncio.timeout(20):
            while "can't be told" not in condition(f, "Ready").get("message", ""):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert mesh_writes(f) == before
        assert standby(f) == 0
        f.server.faults.remove(number)
        start.cancel()


async def test_a_halt_of_one_namespace_leaves_others_alone(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        world(f, "web")
        good(f)
        f.apply(rule(), rule(ns="web"))
        order(f, namespaces="shop")
        await f.settle()
        bad(f)
        await f.advance("10s")
        assert (standby(f), standby(f, ns="web")) == (0, 100)


async def test_a_halted_namespace_is_frozen_for_those_of_others_too(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(namespace("ops"), namespace("shop", allow_from="ops"))
        bad(f)
        f.apply(rule(ns="ops", target={"namespace": "shop"}, actions=BOTH))
        await f.advance("10s")
        assert (standby(f), fault(f) is None) == (100, False)
        order(f, namespaces="shop")
        await f.settle()
        assert (standby(f), fault(f)) == (100, None)
        good(f)
        await f.advance("1m")
        assert (phase(f, ns="ops"), standby(f)) == ("Standby", 100)
        assert "drill" in condition(f, "Ready", ns="ops")["message"]
        resume(f)
        await f.advance("30s")
        assert (phase(f, ns="ops"), standby(f)) == ("Normal", 0)


async def test_a_hazard_whose_holder_was_force_deleted_is_swept(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        bad(f)
        f.apply(rule(actions=BOTH))
        await f.advance("10s")
        assert fault(f) is not None
        store = f.server.store
        store.merge("rules.autopilot.mesh", "failover", {"metadata": {"finalizers": None}}, "shop")
        store.delete("rules.autopilot.mesh", "failover", "shop")
        await f.advance("40s")
        assert fault(f) is None
        assert standby(f) == 100
        assert metric(f, "autopilot_orphaned_protections") == 1
        await f.restart()
        await f.advance("1s")
        assert metric(f, "autopilot_orphaned_protections") == 1


async def test_a_hazard_whose_crd_was_deleted_is_swept(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        bad(f)
        f.apply(rule(actions=BOTH))
        await f.advance("10s")
        store = f.server.store
        store.merge("rules.autopilot.mesh", "failover", {"metadata": {"finalizers": None}}, "shop")
        store.delete("customresourcedefinitions.apiextensions.k8s.io", "rules.autopilot.mesh")
        await f.restart()
        await f.advance("40s")
        assert fault(f) is None
        assert standby(f) == 100
        assert metric(f, "autopilot_orphaned_protections") == 1


async def test_one_object_that_fails_keeps_no_other_from_being_swept(fly: Fly) -> None:
    async with fly() as f:
        world(f, "shop", "one", "two")
        bad(f)
        f.apply(
            rule("one", service="one", actions=[FAULT]),
            rule("two", service="two", actions=[FAULT]),
        )
        await f.advance("10s")
        assert fault(f, "one") and fault(f, "two")
        f.server.faults.add(
            Fault("status", verb="patch", resource=VIRTUAL_SERVICES, name="one", status=500)
        )
        order(f)
        await f.advance("1s")
        assert fault(f, "one") is not None
        assert fault(f, "two") is None
        f.server.faults.clear()
        await f.advance("40s")
        assert fault(f, "one") is None


async def test_a_sweep_costs_one_list_for_each_kind_however_many_hold_something(fly: Fly) -> None:
    async with fly() as f:
        names = [f"svc-{number}" for number in range(8)]
        world(f, "shop", *names)
        bad(f)
        f.apply(*(rule(name, service=name, actions=[FAULT]) for name in names))
        await f.advance("10s")
        assert all(fault(f, name) for name in names)
        before = len(f.server.requests)
        swept = await f.runtime._sweeper.once()
        calls = [(one.verb, one.resource) for one in list(f.server.requests)[before:]]
        rules = "destinationrules.networking.istio.io"
        assert sorted(calls) == [("list", rules), ("list", VIRTUAL_SERVICES)]
        assert len(swept.decision.stay) == 8


async def test_nothing_is_told_twice_of_an_order(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        f.apply(rule())
        order(f)
        await f.advance("1m")
        version = f.resource("failover", "shop").at("metadata.resourceVersion")
        await f.advance("10m")
        assert f.resource("failover", "shop").at("metadata.resourceVersion") == version
        assert reasons(f).count("Halted") <= 1
