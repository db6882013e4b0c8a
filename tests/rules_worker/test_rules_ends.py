"""What becomes of a rule's overlays when it goes, or can't go on."""

from __future__ import annotations

from typing import Any

from worker_kit import (
    NS,
    broken,
    condition,
    events,
    good,
    phase,
    route,
    rule,
    simple,
    status,
    weights,
    world,
    writes,
)

Fly = Any

FAULT = {"fault": {"abort": {"status": 503, "percentage": "1%"}}}


async def failed_over(f: Any, **spec: Any) -> None:
    world(f)
    good(f)
    f.apply(simple(**spec))
    broken(f)
    await f.advance("15s")
    assert phase(f) == "Standby"


async def test_a_deleted_rule_leaves_its_protections_and_says_who_held_what(fly: Fly) -> None:
    async with fly() as f:
        await failed_over(f)
        f.delete("Rule", "failover", NS)
        await f.settle()
        assert f.get("Rule", "failover", NS) is None
        assert weights(f) == {"checkout": 0, "checkout-standby": 100}
        said = events(f, "Kept")
        assert len(said) == 2
        assert all("autopilot halt --restore failover" in text for text in said)
        about = {
            one["involvedObject"]["kind"] for one in f.list("Event", NS) if one["reason"] == "Kept"
        }
        assert about == {"Rule", "VirtualService"}
        notes = f.get("VirtualService", "checkout", NS).thaw()["metadata"]["annotations"]
        assert any(key.startswith("autopilot.mesh/overlay.") for key in notes)


async def test_a_deleted_rule_restores_where_that_is_asked(fly: Fly) -> None:
    async with fly() as f:
        await failed_over(f, onDelete="restore")
        f.delete("Rule", "failover", NS)
        await f.settle()
        assert f.get("Rule", "failover", NS) is None
        found = f.get("VirtualService", "checkout", NS).thaw()
        assert found["spec"] == route()["spec"]
        assert not found["metadata"].get("annotations")


async def test_a_rule_that_did_nothing_goes_at_once(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        f.apply(simple())
        await f.advance("5s")
        assert "finalizers" not in f.resource("failover", NS).thaw()["metadata"]
        f.delete("Rule", "failover", NS)
        await f.settle()
        assert f.get("Rule", "failover", NS) is None
        assert events(f, "Kept") == []


async def test_a_namespace_that_goes_takes_its_rules_along(fly: Fly) -> None:
    async with fly() as f:
        await failed_over(f)
        f.delete("Namespace", NS, "")
        await f.until(lambda: f.get("Rule", "failover", NS) is None, within="1m")


async def test_a_rule_that_cannot_be_compiled_stalls_and_others_go_on(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        bad = simple("bad")
        bad["spec"]["phases"][0]["transitions"][0]["when"] = "erors > 5%"
        bad["spec"]["phases"][1]["transitions"][0]["to"] = "Nirvana"
        f.apply(bad, simple())
        await f.settle()
        stalled = condition(f, "Stalled", "bad")
        assert (stalled["status"], stalled["reason"]) == ("True", "InvalidSpec")
        assert "erors" in stalled["message"] and "Nirvana" in stalled["message"]
        assert condition(f, "Ready", "bad")["status"] == "False"
        broken(f)
        await f.advance("15s")
        assert phase(f) == "Standby"
        mended = simple("bad")
        mended["spec"]["target"] = {"service": "checkout-standby"}
        mended["spec"]["phases"][1]["actions"] = [{"timeout": {"duration": "1s"}}]
        f.apply(mended)
        await f.settle()
        assert condition(f, "Stalled", "bad")["status"] == "False"
        assert phase(f, "bad") == "Normal"


async def test_a_rule_that_breaks_while_it_acts_keeps_what_it_holds(fly: Fly) -> None:
    async with fly() as f:
        await failed_over(f)
        bad = simple()
        bad["spec"]["phases"][0]["transitions"][0]["when"] = "erors > 5%"
        f.apply(bad)
        await f.advance("1m")
        assert condition(f, "Stalled")["reason"] == "InvalidSpec"
        assert weights(f)["checkout-standby"] == 100
        f.delete("Rule", "failover", NS)
        await f.settle()
        assert f.get("Rule", "failover", NS) is None
        assert weights(f)["checkout-standby"] == 100


async def test_a_phase_that_an_edit_took_away_is_left_for_the_initial_one(fly: Fly) -> None:
    async with fly() as f:
        await failed_over(f)
        edited = simple()
        edited["spec"]["phases"][1]["name"] = "OnStandby"
        edited["spec"]["phases"][0]["transitions"][0]["to"] = "OnStandby"
        good(f)
        f.apply(edited)
        await f.settle()
        assert phase(f) == "Normal"
        assert any("Standby" in text for text in events(f, "PhaseGone"))
        assert weights(f) == {"checkout": 100}


async def test_two_rules_on_one_field_the_first_keeps_it_and_the_second_takes_over(
    fly: Fly,
) -> None:
    async with fly() as f:
        await failed_over(f)
        second = simple("second")
        second["spec"]["phases"][1]["actions"] = [{"failover": {"to": "checkout-standby"}}]
        f.apply(second)
        await f.advance("15s")
        found = condition(f, "Conflict", "second")
        assert found["status"] == "True"
        assert "Rule shop/failover" in found["message"]
        f.delete("Rule", "failover", NS)
        await f.advance("1m")
        kept = condition(f, "Conflict", "second")
        assert kept["status"] == "True", "what a deleted rule left stays held until it is restored"


async def test_the_second_takes_over_once_the_first_lets_go(fly: Fly) -> None:
    async with fly() as f:
        await failed_over(f, onDelete="restore")
        f.apply(simple("second"))
        await f.advance("15s")
        assert phase(f, "second") == "Normal"
        f.delete("Rule", "failover", NS)
        await f.advance("30s")
        assert phase(f, "second") == "Standby"
        assert condition(f, "Conflict", "second") == {}
        assert weights(f)["checkout-standby"] == 100


async def test_a_move_that_could_not_be_made_is_not_made_later_when_its_reason_is_gone(
    fly: Fly,
) -> None:
    async with fly() as f:
        await failed_over(f)
        f.apply(simple("second"))
        await f.advance("15s")
        assert status(f, "second")["machine"]["phase"] == "Standby"
        count = writes(f)
        await f.advance("30s")
        assert writes(f) == count, "a move that can't be made costs no call"
        good(f)
        await f.advance("1s")
        assert status(f, "second")["machine"]["phase"] == "Normal"
        await f.restart()
        await f.advance("1m")
        assert phase(f, "second") == "Normal"
        assert weights(f) == {"checkout": 100}
        assert condition(f, "Conflict", "second") == {}


async def test_a_field_that_somebody_changes_again_and_again_is_contested(fly: Fly) -> None:
    async with fly() as f:
        await failed_over(f)
        for _ in range(6):
            f.apply(route())
            await f.advance("5s")
        assert condition(f, "Contested")["status"] == "True"
        assert weights(f) == {"checkout": 100}
        assert status(f)["phase"] == "Standby"


async def test_a_rule_with_a_hazard_that_is_deleted_takes_it_away(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        good(f)
        testing = {"name": "Testing", "initial": True, "actions": [FAULT], "maxStay": {}}
        testing["maxStay"] = {"to": "Over", "after": "10m"}
        f.apply(rule("hazard", phases=[testing, {"name": "Over", "final": True}]))
        await f.settle()
        assert f.get("VirtualService", "checkout", NS).at("spec.http.0.fault") is not None
        f.delete("Rule", "hazard", NS)
        await f.settle()
        assert f.get("VirtualService", "checkout", NS).at("spec.http.0.fault") is None
        assert events(f, "Kept") == []
