"""Who looks when: a change wakes the rules that it concerns, and no others."""

from __future__ import annotations

from typing import Any

from worker_kit import NS, broken, endpoints, good, phase, route, rule, service, short, simple
from worker_kit import world as make_world

from autopilot.base.clock import VirtualClock
from autopilot.kube.cache import CacheUnavailable
from autopilot.rules.compile import compile_rule
from autopilot.rules.worker_read import read
from autopilot.runtime.inputs import Inputs, Lookup
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.queries import QuerySet
from autopilot.telemetry.scripted import ScriptedSamples

Fly = Any

READY = {
    "signals": {"there": {"ready": "checkout"}},
    "phases": [
        {"name": "Up", "initial": True, "transitions": [{"to": "Out", "when": "there < 1"}]},
        {"name": "Out", "transitions": [{"to": "Up", "when": "there >= 1"}]},
    ],
}


def looks(f: Any, name: str) -> int:
    return sum(record.key.name == name for record in f.records)


async def test_endpoints_that_go_are_seen_at_once_and_by_nobody_else(fly: Fly) -> None:
    async with fly() as f:
        make_world(f)
        good(f)
        other = {"signals": {"there": {"ready": "other"}}, "phases": READY["phases"]}
        f.apply(service("other"), endpoints("other", 3), route("other"))
        f.apply(rule("mine", **READY), rule("theirs", **other, target={"service": "other"}))
        await f.settle()
        mine, theirs = looks(f, "mine"), looks(f, "theirs")
        f.apply(endpoints("checkout", 0))
        await f.settle()
        assert phase(f, "mine") == "Out"
        assert looks(f, "mine") > mine
        assert looks(f, "theirs") == theirs
        f.apply(route("other", timeout="3s"))
        await f.settle()
        assert looks(f, "theirs") == theirs + 1
        count = looks(f, "mine")
        f.apply(route("checkout", timeout="3s"))
        await f.settle()
        assert looks(f, "mine") == count + 1


async def test_an_edit_of_the_target_moves_what_a_rule_is_woken_for(fly: Fly) -> None:
    async with fly() as f:
        make_world(f)
        f.apply(service("other"), endpoints("other", 3), route("other"))
        f.apply(rule("mine", **READY))
        await f.settle()
        changed = {**READY, "signals": {"there": {"ready": "other"}}}
        f.apply(rule("mine", **{**changed, "target": {"service": "other"}}))
        await f.settle()
        count = looks(f, "mine")
        f.apply(endpoints("checkout", 0), route("checkout", timeout="1s"))
        await f.settle()
        assert looks(f, "mine") == count
        f.apply(endpoints("other", 0))
        await f.settle()
        assert phase(f, "mine") == "Out"


async def test_endpoints_that_cant_be_told_are_unknown_and_stop_no_other_signal() -> None:
    clock = VirtualClock()
    samples = ScriptedSamples(clock)
    samples.set("*", 0.25)

    def cant(key: Any) -> Any:
        raise CacheUnavailable("endpointslices: away")

    program = compile_rule(short())
    metrics = MetricsReader(QuerySet([]), samples, "reader")
    inputs = Inputs("Normal", {"endpointslices": lambda: Lookup(cant)}, metrics)
    found = await read(program, inputs, clock.now())
    assert found.readings["errors"].value == 0.25
    assert not found.readings["standby_ready"].known
    assert found.why["standby_ready"] == "endpointslices: away"


async def test_drift_on_what_a_rule_holds_is_put_back_at_once(fly: Fly) -> None:
    async with fly() as f:
        make_world(f)
        good(f)
        f.apply(simple())
        broken(f)
        await f.advance("15s")
        assert phase(f) == "Standby"
        held = f.get("VirtualService", "checkout", NS).thaw()["spec"]
        f.apply(route())
        await f.settle()
        assert f.get("VirtualService", "checkout", NS).thaw()["spec"] == held
        assert [e for e in f.list("Event", NS) if e["reason"] == "Repaired"]
