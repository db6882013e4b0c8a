"""Rules that only observe, and the way from and to that."""

from __future__ import annotations

from typing import Any

from worker_kit import broken, events, good, phase, route, rule, simple, status, weights, world

Fly = Any

FAULTY = {
    "signals": {"errors": {"builtin": "errorRate"}, "slow": {"builtin": "timeoutRate"}},
    "phases": [
        {
            "name": "Normal",
            "initial": True,
            "transitions": [{"to": "Trying", "when": "errors > 5%"}],
        },
        {
            "name": "Trying",
            "actions": [
                {"timeout": {"duration": "2s"}},
                {"mirror": {"to": "checkout-standby", "percentage": "10%"}},
            ],
            "transitions": [{"to": "Normal", "when": "slow < 1%", "for": "1m"}],
        },
    ],
}


def mesh(f: Any) -> Any:
    return f.get("VirtualService", "checkout", "shop").thaw()["spec"]


async def test_a_rule_that_observes_says_what_it_would_do_and_writes_nothing(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        before = f.get("VirtualService", "checkout", "shop").thaw()
        f.apply(simple(mode="observe"))
        await f.settle()
        assert phase(f) == "Normal"
        assert status(f)["wouldBe"]["phase"] == "Normal"
        broken(f)
        await f.advance("15s")
        assert phase(f) == "Normal"
        assert status(f)["wouldBe"]["phase"] == "Standby"
        assert "holds" not in status(f)
        told = [e["message"] for e in f.list("Event", "shop") if "would" in e["message"]]
        assert len(told) == 1 and "Standby" in told[0], told
        good(f)
        await f.advance("20s")
        assert status(f)["wouldBe"]["phase"] == "Normal"
        assert f.get("VirtualService", "checkout", "shop").thaw() == before
        assert "finalizers" not in f.resource("failover", "shop").thaw()["metadata"]


async def test_a_restart_goes_on_observing_where_it_was(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        f.apply(simple(mode="observe"))
        broken(f)
        await f.advance("15s")
        since = status(f)["wouldBe"]["since"]
        await f.restart()
        await f.advance("5s")
        assert status(f)["wouldBe"]["phase"] == "Standby"
        assert status(f)["wouldBe"]["since"] == since


async def test_from_enforce_to_observe_hazards_go_and_protections_are_kept(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        broken(f)
        f.apply(rule("r", **FAULTY))
        await f.advance("5s")
        assert phase(f, "r") == "Trying"
        held = mesh(f)["http"][0]
        assert held["timeout"] == "2s" and held["mirrors"]
        f.apply(rule("r", **FAULTY, mode="observe"))
        await f.advance("5s")
        assert phase(f, "r") == "Normal"
        assert mesh(f)["http"][0].get("timeout") == "2s"
        assert "mirrors" not in mesh(f)["http"][0]
        assert any("kept" in text for text in events(f, "Observing"))


async def test_from_enforce_to_observe_protections_are_restored_where_that_is_asked(
    fly: Fly,
) -> None:
    async with fly() as f:
        world(f)
        broken(f)
        f.apply(rule("r", **FAULTY, onDelete="restore"))
        await f.advance("5s")
        f.apply(rule("r", **FAULTY, onDelete="restore", mode="observe"))
        await f.advance("5s")
        assert mesh(f) == route()["spec"]


async def test_from_observe_to_enforce_it_begins_at_the_initial_phase(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(simple(mode="observe"))
        broken(f)
        await f.advance("15s")
        assert status(f)["wouldBe"]["phase"] == "Standby"
        f.apply(simple(mode="enforce"))
        await f.settle()
        assert phase(f) == "Normal"
        assert "wouldBe" not in status(f)
        await f.advance("8s")
        assert phase(f) == "Normal"
        await f.advance("5s")
        assert phase(f) == "Standby"
        assert weights(f)["checkout-standby"] == 100
