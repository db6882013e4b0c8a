"""Flights that go wrong, with real traffic: what fails, what comes back, what stays."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from flights_kit import CANARIES, DEPLOYMENTS, VIRTUAL_SERVICES, Site

from autopilot.kube.marks import SCALED

if TYPE_CHECKING:
    from flights_kit import Air

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
]


async def as_before(site: Site) -> None:
    """The target has its replicas and its traffic, and nothing on it says that it was held."""
    await site.until(
        lambda: site.load.records[-1].workload == "web", what="traffic at the target", timeout=10
    )
    target = await site.target()
    assert SCALED not in (target["metadata"].get("annotations") or {})
    assert target["metadata"].get("labels") == site.before["metadata"].get("labels")
    assert site.failed() == []


async def test_a_canary_that_crashes_at_once_never_gets_a_request(air: Air) -> None:
    async with Site(air, "crash") as site:
        await site.release("v2", CRASH="true")
        await site.ends(False)
        assert "CanaryNotReady" in await site.entered()
        assert set(site.weights) == {0}
        assert site.failed() == []


async def test_a_canary_that_crashes_under_traffic_is_failing_and_not_silent(air: Air) -> None:
    async with Site(air, "crash-later") as site:
        await site.release("v2", CRASH_AFTER_S="2.5")
        await site.reaches(25)
        await site.ends(False)
        assert site.share() == 0
        assert 100 not in site.weights
        failed = site.failed()
        assert len(failed) < 0.5 * site.rate, f"{len(failed)} requests failed"
        (reason,) = {"CanaryUnavailable", "AnalysisFailed", "CanarySilent"} & set(
            await site.entered()
        )
        print(
            f"crash under traffic: {len(failed)} of {site.load.totals().requests} failed, {reason}"
        )


async def test_a_canary_whose_pods_are_taken_away_is_rolled_back(air: Air) -> None:
    async with Site(air, "no-pods") as site:
        await site.release("v2")
        await site.reaches(25)
        await site.scale("web-canary", 0)
        await site.ends(False)
        assert site.share() == 0
        assert len(site.failed()) < 0.5 * site.rate


async def test_a_target_set_back_in_mid_evaluation_ends_it_without_a_failure(air: Air) -> None:
    async with Site(air, "reverted") as site:
        await site.release("v2")
        await site.reaches(25)
        await site.release("v1")
        await site.ends(False)
        assert "TargetReverted" in await site.entered()
        assert site.failed() == []


async def test_a_target_changed_again_in_mid_evaluation_starts_over(air: Air) -> None:
    async with Site(air, "changed") as site:
        await site.release("v2")
        await site.reaches(50)
        await site.release("v3")
        await site.ends(True)
        assert site.weights == [0, 25, 50, 0, 25, 50, 100, 0]
        primary = await site.get(DEPLOYMENTS, "web-primary")
        assert primary is not None
        assert primary["spec"]["template"]["metadata"]["labels"]["version"] == "v3"
        assert site.failed() == []


async def test_deleted_in_mid_evaluation_no_request_fails_and_nothing_remains(air: Air) -> None:
    async with Site(air, "deleted") as site:
        await site.release("v2")
        await site.reaches(50)
        before = await site.target()
        await air.client.delete(CANARIES, "web", "deleted")
        await site.gone()
        await as_before(site)
        after = await site.target()
        assert after["spec"] == {**before["spec"], "replicas": 2}


async def test_deleted_while_waiting_the_target_is_as_it_was(air: Air) -> None:
    async with Site(air, "deleted-waiting") as site:
        await air.client.delete(CANARIES, "web", "deleted-waiting")
        await site.gone()
        await as_before(site)
        assert (await site.target())["spec"] == site.before["spec"]


async def test_deleted_while_the_operator_is_down_it_ends_when_that_is_back(air: Air) -> None:
    async with Site(air, "deleted-down") as site:
        await site.release("v2")
        await site.reaches(25)
        await air.operator.kill()
        await air.client.delete(CANARIES, "web", "deleted-down")
        await asyncio.sleep(0.5)
        assert await site.get(CANARIES) is not None
        air.operator.start()
        await site.gone()
        await as_before(site)


async def test_a_host_that_somebody_else_routes_is_refused_by_name(air: Air) -> None:
    async with Site(air, "taken", take_off=False) as site:
        spec = {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}}]}]}
        theirs = {
            "apiVersion": VIRTUAL_SERVICES.api_version,
            "kind": "VirtualService",
            "metadata": {"name": "theirs", "namespace": "taken"},
            "spec": spec,
        }
        await air.client.apply(VIRTUAL_SERVICES, theirs, manager="kubectl")
        before = await site.target(), await site.get(VIRTUAL_SERVICES, "theirs")
        await site.canary()

        async def refused() -> bool:
            return (await site.ready()).get("reason") == "HostTaken"

        await site.until(refused, what="the refusal")
        ready = await site.ready()
        assert ready["status"] == "False"
        assert "VirtualService taken/theirs" in ready["message"]
        await asyncio.sleep(1.0)
        after = await site.target(), await site.get(VIRTUAL_SERVICES, "theirs")
        assert [body["spec"] for body in after if body] == [body["spec"] for body in before if body]
        assert await site.get(VIRTUAL_SERVICES) is None
        await air.client.delete(CANARIES, "web", "taken")
        await site.gone()
        assert site.failed() == []


async def test_without_any_traffic_nothing_is_promoted(air: Air) -> None:
    async with Site(air, "quiet", rate=0.0) as site:
        await site.release("v2")
        await site.reaches(25)
        await asyncio.sleep(6.0)
        assert site.weights == [0, 25]
        assert (await site.status())["phase"] == "Evaluating"
        assert (await site.ready())["reason"] == "Inconclusive"


async def test_when_the_traffic_stops_in_mid_evaluation_a_ratio_of_nothing_moves_nothing(
    air: Air,
) -> None:
    async with Site(air, "stopped") as site:
        await site.release("v2")
        await site.reaches(25)
        await asyncio.sleep(1.0)
        await site.load.stop()
        await asyncio.sleep(5.0)
        seen = list(site.weights)
        await asyncio.sleep(3.0)
        assert site.weights == seen
        assert (await site.ready())["reason"] == "Inconclusive"
        await site.load.start()
        await site.ends(True)
        assert site.failed() == []


async def test_who_scales_the_held_target_scales_the_primary(air: Air) -> None:
    async with Site(air, "scaled") as site:
        await site.scale("web", 5)

        async def followed() -> bool:
            primary = await site.get(DEPLOYMENTS, "web-primary")
            assert primary is not None
            counts = (await site.target())["spec"]["replicas"], primary["spec"]["replicas"]
            return counts == (0, 5)

        await site.until(followed, what="the primary with 5 pods")
        await air.client.delete(CANARIES, "web", "scaled")
        await site.gone()
        assert (await site.target())["spec"]["replicas"] == 5
        await as_before(site)


async def test_when_prometheus_dies_for_good_it_holds_and_can_still_be_deleted(air: Air) -> None:
    async with Site(air, "blind") as site:
        await site.release("v2")
        await site.reaches(50)
        await air.box.stop_prometheus()
        try:
            await asyncio.sleep(6.0)
            assert site.weights == [0, 25, 50]
            status = await site.status()
            assert (status["phase"], status["canaryWeight"]) == ("Evaluating", 50)
            assert (await site.ready())["reason"] == "Inconclusive"
            await air.client.delete(CANARIES, "web", "blind")
            await site.gone()
            await as_before(site)
        finally:
            await air.box.start_prometheus()


async def test_trouble_with_the_api_delays_a_flight_and_changes_nothing_else(air: Air) -> None:
    async with Site(air, "faults") as site:
        trouble = [
            {
                "effect": "status",
                "status": 409,
                "verb": "patch",
                "resource": "canaries",
                "count": 3,
            },
            {"effect": "status", "status": 500, "verb": "patch", "count": 4, "skip": 6},
            {"effect": "cut", "verb": "patch", "resource": "virtualservices", "count": 2},
            {"effect": "cut-after", "verb": "patch", "resource": "virtualservices", "count": 2},
            {"effect": "cut-after", "verb": "patch", "resource": "canaries", "count": 4, "skip": 4},
            {"effect": "expire", "verb": "watch", "seconds": 1.0, "count": 10},
            {"effect": "cut", "verb": "watch", "seconds": 2.0, "count": 10},
        ]
        for rule in trouble:
            await air.fault(namespace="faults", **rule)
        await air.action("cut-watches")
        try:
            await site.release("v2")
            await site.ends(True, timeout=60)
            assert [w for w in site.weights if w] == [25, 50, 100]
            await site.release("v3", ERROR_RATE="0.5")
            await site.ends(True, False, timeout=60)
            assert site.share() == 0
            assert {record.workload for record in site.failed()} <= {"web-canary"}
        finally:
            await air.no_faults()


async def test_breach_and_trouble_together_the_traffic_still_comes_back(air: Air) -> None:
    async with Site(air, "both") as site:
        await site.release("v2", ERROR_RATE="0.5", ERROR_AFTER_S="2")
        await site.reaches(25)
        for subresource in ("status", ""):
            await air.fault(
                effect="status",
                status=500,
                verb="patch",
                resource="canaries",
                namespace="both",
                subresource=subresource,
            )
        try:
            # Nothing can be remembered, but a rollback waits for nothing.
            await site.reaches(0)
        finally:
            await air.no_faults()
        await site.ends(False)
        assert site.share() == 0


@pytest.mark.slow
async def test_killed_ten_times_in_one_promotion_it_skips_no_step_and_fails_no_request(
    air: Air,
) -> None:
    dice = random.Random(20261120)
    async with Site(air, "killed") as site:
        await site.release("v2")
        for _ in range(10):
            await asyncio.sleep(dice.uniform(0.3, 2.5))
            await air.operator.kill()
            await asyncio.sleep(dice.uniform(0.0, 0.5))
            air.operator.start()
        await site.ends(True, timeout=90)
        assert site.weights == [0, 25, 50, 100, 0]
        assert site.failed() == []
