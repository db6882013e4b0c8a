"""Callers prefer what is near, as Istio's localityLbSetting says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest_mesh import destination_rule, pod, service, serving

from autopilot.sandbox.mesh.locality import aware, prefer
from autopilot.sandbox.mesh.model import build
from autopilot.sandbox.mesh.translate import Translator

if TYPE_CHECKING:
    from conftest_mesh import Box

Body = dict[str, Any]
DETECTION: Body = {"consecutive5xxErrors": 2, "baseEjectionTime": "30s", "maxEjectionPercent": 100}


def group(place: str, count: int = 1) -> Body:
    names = ("region", "zone", "sub_zone")
    return {
        "locality": dict(zip(names, place.split("."), strict=False)),
        "lb_endpoints": [{}] * count,
    }


def policy(**setting: Any) -> Body:
    return {"outlierDetection": DETECTION, "loadBalancer": {"localityLbSetting": setting}}


PLACES = ("eu.a.1", "eu.a.2", "eu.b.1", "us.a.1", "ap.a.1")
GROUPS = [group(place) for place in PLACES]


def test_the_nearer_a_place_the_sooner_it_is_asked() -> None:
    made = prefer(GROUPS, policy(), "eu.a.1")
    assert [g["priority"] for g in made] == [0, 1, 2, 3, 3]


def test_priorities_have_no_gaps() -> None:
    made = prefer([group("eu.b"), group("us.a")], policy(), "eu.a")
    assert [g["priority"] for g in made] == [0, 1]


def test_failover_names_the_region_that_comes_next() -> None:
    made = prefer(GROUPS, policy(failover=[{"from": "eu", "to": "ap"}]), "eu.a.1")
    assert [g["priority"] for g in made] == [0, 1, 2, 4, 3]


def test_without_outlier_detection_or_when_switched_off_nobody_is_preferred() -> None:
    off = policy(enabled=False)
    assert not aware(off)
    assert not aware({"loadBalancer": {"localityLbSetting": {}}})
    assert aware({"outlierDetection": {}})
    assert prefer(GROUPS, off, "eu.a.1") == GROUPS
    assert prefer(GROUPS, policy(), "") == GROUPS


def test_shares_are_given_by_place_and_split_by_endpoints() -> None:
    shares = {"from": "eu/*", "to": {"eu/a/*": 80, "us/*": 20}}
    groups = [group("eu.a.1", 3), group("eu.a.2", 1), group("eu.b.1"), group("us.a.1")]
    made = prefer(groups, {"loadBalancer": {"localityLbSetting": {"distribute": [shares]}}}, "eu.b")
    assert [(g["locality"]["region"], g["load_balancing_weight"]) for g in made] == [
        ("eu", 60_000),
        ("eu", 20_000),
        ("us", 20_000),
    ]


def test_only_callers_with_a_place_have_clusters_of_their_own() -> None:
    caller = pod("front", 1, env={"UPSTREAMS": "x"}, labels={"istio-locality": "eu.a"})
    near = pod("shop", 2, labels={"istio-locality": "eu.a"})
    far = pod("shop", 3, suffix="far", labels={"istio-locality": "us.a"})
    world = build([service("shop")], [caller, near, far])
    rule = destination_rule("shop", trafficPolicy={"outlierDetection": DETECTION})
    snapshot, notices = Translator(world, [], [rule]).run()
    used = {
        name: made["virtual_hosts"][0]["routes"][0]["route"]["cluster"]
        for name, made in snapshot.routes.items()
    }
    assert used == {
        "out~default~front": "out~default~shop~80~~eu_a",
        "out~istio-system~loadgen": "out~default~shop~80~",
    }
    groups = snapshot.clusters["out~default~shop~80~~eu_a"]["load_assignment"]["endpoints"]
    assert [(g["locality"]["region"], g["priority"]) for g in groups] == [("eu", 0), ("us", 1)]
    assert not notices
    without, _ = Translator(world, [], []).run()
    assert set(without.clusters) == {"out~default~shop~80~"}


@pytest.mark.envoy
async def test_requests_stay_near_until_the_near_pod_fails(box: Box) -> None:
    async with serving("near", "far") as (near, far):
        await box.put(
            service("shop"),
            pod("near", near.port, app="shop", labels={"istio-locality": "eu.a"}),
            pod("far", far.port, app="shop", labels={"istio-locality": "us.a"}),
            pod("front", 1, env={"UPSTREAMS": "x"}, labels={"istio-locality": "eu.a"}),
            destination_rule("shop", trafficPolicy={"outlierDetection": DETECTION}),
        )
        await box.up()
        assert await box.count("shop", 30, caller="default/front") == {"near": 30}
        assert len(await box.count("shop", 40)) == 2
        near.fail = 100_000
        await box.until_answers("shop", "far", caller="default/front")

        async def moved() -> bool:
            return await box.count("shop", 20, caller="default/front") == {"far": 20}

        await box.until(moved)


@pytest.mark.envoy
async def test_shares_between_places_are_met(box: Box) -> None:
    shares = {"from": "eu/*", "to": {"eu/*": 80, "us/*": 20}}
    setting = {"loadBalancer": {"localityLbSetting": {"distribute": [shares]}}}
    async with serving("near", "far") as (near, far):
        await box.put(
            service("shop"),
            pod("near", near.port, app="shop", labels={"istio-locality": "eu.a"}),
            pod("far", far.port, app="shop", labels={"istio-locality": "us.a"}),
            pod("front", 1, env={"UPSTREAMS": "x"}, labels={"istio-locality": "eu.a"}),
            destination_rule("shop", trafficPolicy=setting),
        )
        await box.up()
        found = await box.count("shop", 400, caller="default/front")
    assert 290 <= found["near"] <= 350
    assert found["near"] + found["far"] == 400
