"""The fields that autopilot's actions write: what each does to requests, on a real Envoy."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from conftest_mesh import destination_rule, pod, service, serving, to, virtual_service

if TYPE_CHECKING:
    from conftest_mesh import Backend, Box

pytestmark = pytest.mark.envoy

Body = dict[str, Any]
RETRY_AFTER: Body = {"response": {"set": {"retry-after": "10"}}}
NO_RETRIES: Body = {"retries": {"attempts": 0}}


async def one(box: Box, backend: Backend, *routes: Body, **policy: Any) -> None:
    """Service `shop` with one pod, under these routes and this traffic policy."""
    await box.put(service("shop"), pod("shop", backend.port))
    if routes:
        await box.put(virtual_service("shop", *routes))
    if policy:
        await box.put(destination_rule("shop", trafficPolicy=policy))
    await box.up()


async def ask(box: Box, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers, in lower case."""
    url = f"http://127.0.0.1:{box.mesh.ingress_port}/"
    async with box.http.get(url, headers={"Host": "shop", **headers}) as answer:
        return answer.status, {key.lower(): value for key, value in answer.headers.items()}


# -- fault, shed -----------------------------------------------------------------------------


async def test_an_abort_heeds_a_share_with_decimals(box: Box) -> None:
    abort = {"httpStatus": 503, "percentage": {"value": 12.5}}
    async with serving("shop") as (shop,):
        await one(box, shop, {"route": [to("shop")], "fault": {"abort": abort}})
        found = await box.count("shop", 800)
    assert 60 <= found["503"] <= 145
    assert found["503"] + found["shop"] == 800


async def test_a_tiny_share_is_no_share_of_everything(box: Box) -> None:
    abort = {"httpStatus": 503, "percentage": {"value": 0.01}}
    async with serving("shop") as (shop,):
        await one(box, shop, {"route": [to("shop")], "fault": {"abort": abort}})
        assert (await box.count("shop", 300))["shop"] >= 297


async def test_a_delay_heeds_a_share_with_decimals(box: Box) -> None:
    delay = {"fixedDelay": "60ms", "percentage": {"value": 33.3}}
    async with serving("shop") as (shop,):
        await one(box, shop, {"route": [to("shop")], "fault": {"delay": delay}})
        slow = 0
        for _ in range(90):
            began = time.monotonic()
            assert await box.get("shop") == (200, "shop")
            slow += time.monotonic() - began >= 0.055
    assert 12 <= slow <= 60


async def test_an_abort_with_a_grpc_status_is_for_grpc_alone_others_are_told_200(box: Box) -> None:
    abort = {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 100}}
    async with serving("shop") as (shop,):
        await one(box, shop, {"route": [to("shop")], "fault": {"abort": abort}})
        status, headers = await ask(box, **{"content-type": "application/grpc"})
        assert (status, headers["grpc-status"]) == (200, "14")
        assert await box.get("shop") == (200, "fault filter abort")
        assert shop.seen == 0


async def test_a_grpc_status_that_does_not_exist_is_told_and_carried_out_nowhere(box: Box) -> None:
    async with serving("shop") as (shop,):
        abort = {"grpcStatus": "BROKEN", "percentage": {"value": 100}}
        await one(box, shop, {"route": [to("shop")], "fault": {"abort": abort}})
        assert "UNAVAILABLE" in (await box.until_event("Invalid"))["message"]
        assert await box.get("shop") == (200, "shop")


async def test_a_direct_response_carries_the_headers_of_its_route(box: Box) -> None:
    async with serving("shop") as (shop,):
        await one(box, shop, {"directResponse": {"status": 503}, "headers": RETRY_AFTER})
        status, headers = await ask(box)
        assert (status, headers["retry-after"]) == (503, "10")
        assert shop.seen == 0


async def test_an_abort_carries_the_headers_of_its_route_and_so_do_the_answers_it_lets_through(
    box: Box,
) -> None:
    shed = {
        "name": "shed",
        "match": [
            {"headers": {"x-priority": {"exact": "batch"}}},
            {"headers": {"x-priority": {"regex": "bot-[0-9]+"}}},
        ],
        "route": [to("shop")],
        "fault": {"abort": {"httpStatus": 503, "percentage": {"value": 50}}},
        "headers": RETRY_AFTER,
    }
    async with serving("shop") as (shop,):
        await one(box, shop, shed, {"route": [to("shop")]})
        found: Counter[tuple[int, str]] = Counter()
        for number in range(200):
            name = "batch" if number % 2 else f"bot-{number}"
            status, headers = await ask(box, **{"x-priority": name})
            found[status, headers.get("retry-after", "")] += 1
        assert set(found) == {(503, "10"), (200, "10")}
        assert 60 <= found[503, "10"] <= 140
        for name in ("bot-x", "batches", ""):
            status, headers = await ask(box, **{"x-priority": name})
            assert (status, headers.get("retry-after", "")) == (200, ""), name


# -- mirror, split -----------------------------------------------------------------------------


async def test_a_mirror_heeds_a_share_with_decimals(box: Box) -> None:
    share = {"mirror": {"host": "copy"}, "mirrorPercentage": {"value": 25.5}}
    async with serving("shop", "copy") as (shop, copy):
        await box.put(service("copy"), pod("copy", copy.port))
        await one(box, shop, {"route": [to("shop")], **share})
        assert await box.count("shop", 400) == {"shop": 400}
    assert 60 <= copy.seen <= 150


async def test_weights_share_between_a_service_and_a_subset_of_another(box: Box) -> None:
    split = [to("shop", 20), to("other", 80, subset="v2")]
    async with serving("shop", "v1", "v2") as (shop, v1, v2):
        await box.put(
            service("other"),
            pod("other-v1", v1.port, app="other", version="v1"),
            pod("other-v2", v2.port, app="other", version="v2"),
            destination_rule("other", "v1", "v2"),
        )
        await one(box, shop, {"route": split})
        found = await box.count("shop", 400)
    assert set(found) == {"shop", "v2"}
    assert 45 <= found["shop"] <= 120


async def test_a_weight_of_zero_gets_nothing(box: Box) -> None:
    async with serving("shop", "standby") as (shop, standby):
        await box.put(service("standby"), pod("standby", standby.port))
        await one(box, shop, {"route": [to("shop", 0), to("standby", 100)]})
        assert await box.count("shop", 60) == {"standby": 60}


# -- limits ------------------------------------------------------------------------------------


async def at_once(box: Box, asked: Backend, count: int, **headers: str) -> Counter[int]:
    """One request, and once the pod has it the others: a connection under way is a wait, too."""
    first = asyncio.create_task(box.get("shop", headers=headers))

    async def under_way() -> bool:
        return asked.seen > 0

    asked.seen = 0
    await box.until(under_way)
    others = await asyncio.gather(*(box.get("shop", headers=headers) for _ in range(count - 1)))
    return Counter(status for status, _ in [await first, *others])


async def test_connections_and_what_may_wait_for_one_are_bounded(box: Box) -> None:
    pool = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 2}}
    async with serving("shop") as (shop,):
        shop.delay = 0.3
        await one(box, shop, {"route": [to("shop")], **NO_RETRIES}, connectionPool=pool)
        assert await at_once(box, shop, 8) == {200: 3, 503: 5}


async def test_requests_at_once_are_bounded(box: Box) -> None:
    pool = {"http": {"http2MaxRequests": 2}}
    async with serving("shop") as (shop,):
        shop.delay = 0.3
        await one(box, shop, {"route": [to("shop")], **NO_RETRIES}, connectionPool=pool)
        assert await at_once(box, shop, 6) == {200: 2, 503: 4}


async def test_a_connection_is_closed_after_its_number_of_requests(box: Box) -> None:
    pool = {"http": {"maxRequestsPerConnection": 1}}
    async with serving("shop") as (shop,):
        await one(box, shop, connectionPool=pool)
        assert await box.count("shop", 4) == {"shop": 4}
        assert len(shop.peers) == 4


async def test_a_subsets_limits_are_its_own(box: Box) -> None:
    tight = {"connectionPool": {"http": {"http2MaxRequests": 1}}}
    subsets = [
        {"name": "v1", "labels": {"app": "shop"}},
        {"name": "tight", "labels": {"app": "shop"}, "trafficPolicy": tight},
    ]
    narrow = {"match": [{"headers": {"x-tight": {}}}], "route": [to("shop", subset="tight")]}
    async with serving("shop") as (shop,):
        shop.delay = 0.3
        await box.put({**destination_rule("shop"), "spec": {"host": "shop", "subsets": subsets}})
        await one(box, shop, narrow | NO_RETRIES, {"route": [to("shop", subset="v1")]})
        assert await at_once(box, shop, 5) == {200: 5}
        assert await at_once(box, shop, 5, **{"x-tight": "1"}) == {200: 1, 503: 4}


# -- outlier detection -------------------------------------------------------------------------


async def two(box: Box, bad: Backend, good: Backend, **detection: Any) -> None:
    """Service `shop` with two pods under outlier detection, no retries."""
    await box.put(
        service("shop"),
        pod("bad", bad.port, app="shop"),
        pod("good", good.port, app="shop"),
        destination_rule("shop", trafficPolicy={"outlierDetection": detection}),
        virtual_service("shop", {"route": [to("shop")], **NO_RETRIES}),
    )
    await box.up()


async def until_only(box: Box, name: str) -> None:
    async def met() -> bool:
        return await box.count("shop", 12) == {name: 12}

    await box.until(met)


async def test_gateway_errors_eject_an_endpoint_which_comes_back_after_its_time(box: Box) -> None:
    async with serving("bad", "good") as (bad, good):
        bad.fail = 10_000
        await two(
            *(box, bad, good),
            consecutive5xxErrors=0,
            consecutiveGatewayErrors=3,
            interval="200ms",
            baseEjectionTime="600ms",
            maxEjectionPercent=100,
        )
        await until_only(box, "good")
        failed = bad.seen
        bad.fail = 0
        await box.until_answers("shop", "bad")
        assert failed >= 3


async def test_no_more_endpoints_are_ejected_than_the_share_allows(box: Box) -> None:
    """Envoy always lets one go: of two, at 60 %, one; a second would be 100 %."""
    async with serving("bad", "good") as (bad, good):
        bad.fail = good.fail = 10_000
        await two(
            *(box, bad, good),
            consecutive5xxErrors=2,
            interval="200ms",
            baseEjectionTime="30s",
            maxEjectionPercent=50,
        )
        await box.count("shop", 30)
        before = bad.seen, good.seen
        assert await box.count("shop", 20) == {"503": 20}
        grown = [now - then for now, then in zip((bad.seen, good.seen), before, strict=True)]
        assert sorted(grown) == [0, 20]


async def test_below_the_healthy_share_the_ejected_are_asked_again(box: Box) -> None:
    async with serving("bad", "good") as (bad, good):
        bad.fail = 10_000
        await two(
            *(box, bad, good),
            consecutive5xxErrors=2,
            baseEjectionTime="30s",
            maxEjectionPercent=100,
            minHealthPercent=60,
        )
        await box.count("shop", 30)
        found = await box.count("shop", 60)
        assert found["503"] > 10


# -- locality priority -------------------------------------------------------------------------

DETECTION: Body = {
    "consecutive5xxErrors": 2,
    "interval": "200ms",
    "baseEjectionTime": "700ms",
    "maxEjectionPercent": 100,
}


async def places(box: Box, pods: list[Body], setting: Body, labels: dict[str, str]) -> None:
    """Service `shop` with these pods, asked by `front`, whose labels are these."""
    policy = {"outlierDetection": DETECTION, "loadBalancer": {"localityLbSetting": setting}}
    await box.put(
        service("shop"),
        *pods,
        pod("front", 1, env={"UPSTREAMS": "x"}, labels=labels),
        destination_rule("shop", trafficPolicy=policy),
        virtual_service("shop", {"route": [to("shop")], **NO_RETRIES}),
    )
    await box.up()


async def all_from(box: Box, name: str) -> None:
    async def met() -> bool:
        return await box.count("shop", 12, caller="default/front") == {name: 12}

    await box.until(met, 10)


def at(workload: str, backend: Backend, place: str, **labels: str) -> Body:
    return pod(workload, backend.port, app="shop", labels={"istio-locality": place, **labels})


async def test_a_failing_region_gives_way_to_the_one_that_failover_names_and_gets_back(
    box: Box,
) -> None:
    async with serving("eu", "us", "ap") as (eu, us, ap):
        pods = [at("eu", eu, "eu.a"), at("us", us, "us.a"), at("ap", ap, "ap.a")]
        setting = {"failover": [{"from": "eu", "to": "ap"}]}
        await places(box, pods, setting, {"istio-locality": "eu.a"})
        await all_from(box, "eu")
        eu.fail = 100_000
        await all_from(box, "ap")
        eu.fail = 0
        await all_from(box, "eu")
    assert us.seen == 0


async def test_failover_priority_ranks_by_labels_that_caller_and_endpoint_share(box: Box) -> None:
    async with serving("same", "near", "far") as (same, near, far):
        pods = [
            at("same", same, "eu.a", tier="gold"),
            at("near", near, "eu.b", tier="gold"),
            at("far", far, "us.a", tier="gold"),
        ]
        keys = ["tier=gold", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"]
        await places(box, pods, {"failoverPriority": keys}, {"istio-locality": "eu.a"})
        await all_from(box, "same")
        same.fail = 100_000
        await all_from(box, "near")
        near.fail = 100_000
        await all_from(box, "far")
        same.fail = near.fail = 0
        await all_from(box, "same")
