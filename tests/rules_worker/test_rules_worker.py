"""Rules at work, on an API in virtual time."""

from __future__ import annotations

from typing import Any

from worker_kit import (
    broken,
    good,
    phase,
    simple,
    status,
    weights,
    world,
    writes,
)

Fly = Any


async def test_a_failover_moves_traffic_on_errors_and_back_when_they_are_gone(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        before = f.get("VirtualService", "checkout", "shop").thaw()
        f.apply(simple())
        await f.settle()
        assert phase(f) == "Normal"
        broken(f)
        await f.advance("9s")
        assert phase(f) == "Normal"
        await f.advance("3s")
        assert phase(f) == "Standby"
        assert weights(f) == {"checkout": 0, "checkout-standby": 100}
        good(f)
        await f.advance("20s")
        assert phase(f) == "Normal"
        after = f.get("VirtualService", "checkout", "shop").thaw()
        assert after["spec"] == before["spec"]
        for key in ("labels", "annotations"):
            assert (after["metadata"].get(key) or {}) == (before["metadata"].get(key) or {})


async def test_an_idle_rule_costs_no_call(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        f.apply(simple())
        await f.advance("10s")
        count = len(f.server.requests)
        before = writes(f)
        await f.advance("5m")
        assert writes(f) == before
        assert len([r for r in list(f.server.requests)[count:] if r.verb != "watch"]) < 200
        assert status(f)["signals"][0] == {
            "name": "errors",
            "value": "0.1 %",
            "at": status(f)["signals"][0]["at"],
        }
