"""What a VirtualService says is what requests meet, on a real Envoy."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from conftest_mesh import destination_rule, pod, service, serving, to, virtual_service

from autopilot.kube.kinds import KNOWN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest_mesh import Backend, Box

pytestmark = pytest.mark.envoy


@asynccontextmanager
async def shop(box: Box, *routes: dict[str, Any]) -> AsyncIterator[tuple[Backend, Backend]]:
    """Service `shop` with the subsets v1 and v2, under these routes."""
    async with serving("v1", "v2") as (v1, v2):
        await box.put(
            service("shop"),
            pod("shop-v1", v1.port, app="shop", version="v1"),
            pod("shop-v2", v2.port, app="shop", version="v2"),
            destination_rule("shop", "v1", "v2"),
        )
        if routes:
            await box.put(virtual_service("shop", *routes))
        await box.up()
        yield v1, v2


V1, V2 = to("shop", subset="v1"), to("shop", subset="v2")


async def test_weights_split_the_requests(box: Box) -> None:
    split = [to("shop", 90, subset="v1"), to("shop", 10, subset="v2")]
    async with shop(box, {"route": split}):
        found = await box.count("shop", 600)
    assert found["v1"] + found["v2"] == 600
    assert 30 <= found["v2"] <= 95


async def test_a_plain_service_spreads_over_the_pods_of_all_its_workloads(box: Box) -> None:
    async with shop(box), serving("v1 too") as (third,):
        await box.put(pod("shop-v1", third.port, app="shop", version="v1", suffix="y"))
        await box.until_answers("shop", "v1 too")
        found = await box.count("shop", 300)
    assert set(found) == {"v1", "v2", "v1 too"}
    assert min(found.values()) > 60


async def test_a_header_chooses_the_version(box: Box) -> None:
    canary = {"match": [{"headers": {"x-canary": {"exact": "always"}}}], "route": [V2]}
    async with shop(box, canary, {"route": [V1]}):
        assert await box.count("shop", 20, headers={"x-canary": "always"}) == {"v2": 20}
        assert await box.count("shop", 20) == {"v1": 20}


async def test_the_kinds_of_matches(box: Box) -> None:
    async with shop(
        box,
        {"match": [{"uri": {"exact": "/a"}}, {"uri": {"regex": "/b[0-9]+"}}], "route": [V2]},
        {"match": [{"method": {"exact": "POST"}}], "route": [V2]},
        {"match": [{"queryParams": {"beta": {"exact": "1"}}}], "route": [V2]},
        {"match": [{"headers": {"x-any": {}}}], "route": [V2]},
        {"match": [{"uri": {"prefix": "/c"}, "withoutHeaders": {"x-old": {"exact": "1"}}}],
         "route": [V2]},
        {"route": [V1]},
    ):  # fmt: skip
        for path, wanted in {
            "/a": "v2", "/a/b": "v1", "/b12": "v2", "/b": "v1", "/?beta=1": "v2", "/c/d": "v2",
        }.items():  # fmt: skip
            assert await box.get("shop", path) == (200, wanted), path
        assert await box.get("shop", method="POST") == (200, "v2")
        assert await box.get("shop", headers={"x-any": "thing"}) == (200, "v2")
        assert await box.get("shop", "/c", headers={"x-old": "1"}) == (200, "v1")


async def test_a_service_has_all_its_names(box: Box) -> None:
    async with shop(box, {"route": [V2]}):
        for host in ("shop", "shop:80", "shop.default", "shop.default.svc.cluster.local:80"):
            assert await box.get(host) == (200, "v2"), host
        assert (await box.get("nothing.default"))[0] == 404


async def test_an_abort_answers_for_its_share(box: Box) -> None:
    fault = {"abort": {"httpStatus": 418, "percentage": {"value": 50}}}
    async with shop(box, {"route": [V1], "fault": fault}):
        found = await box.count("shop", 200)
    assert 60 <= found["418"] <= 140
    assert found["418"] + found["v1"] == 200


async def test_a_fault_without_a_percentage_hits_nobody(box: Box) -> None:
    async with shop(box, {"route": [V1], "fault": {"abort": {"httpStatus": 418}}}):
        assert await box.count("shop", 50) == {"v1": 50}


async def test_a_delay_takes_its_time(box: Box) -> None:
    delay = {"delay": {"fixedDelay": "80ms", "percentage": {"value": 100}}}
    async with shop(box, {"route": [V1], "fault": delay}):
        began = time.monotonic()
        assert await box.get("shop") == (200, "v1")
        assert time.monotonic() - began >= 0.05


async def test_istio_has_no_timeout_while_a_fault_is_on_the_route(box: Box) -> None:
    delay = {"delay": {"fixedDelay": "5ms", "percentage": {"value": 1}}}
    async with shop(box, {"route": [V1], "timeout": "0.05s", "fault": delay}) as (v1, _):
        v1.delay = 0.2
        assert await box.get("shop") == (200, "v1")


async def test_a_mirror_gets_a_copy_and_the_caller_no_part_of_it(box: Box) -> None:
    route = {"route": [V1], "mirror": {"host": "shop", "subset": "v2"}}
    async with shop(box, route) as (_, v2):
        v2.delay = 0.05
        v2.fail = 1000
        assert await box.count("shop", 40) == {"v1": 40}

        async def mirrored() -> bool:
            return v2.seen == 40

        await box.until(mirrored)
        assert set(v2.hosts) == {"shop-shadow"}


async def test_a_timeout_ends_a_slow_answer(box: Box) -> None:
    async with shop(box, {"route": [V1], "timeout": "100ms"}) as (v1, _):
        v1.delay = 1
        began = time.monotonic()
        assert (await box.get("shop"))[0] == 504
        assert time.monotonic() - began >= 0.05


async def test_istios_default_retries_hide_two_failures(box: Box) -> None:
    async with shop(box, {"route": [V1]}) as (v1, _):
        v1.fail = 2
        assert await box.get("shop") == (200, "v1")
        assert v1.seen == 3
        v1.fail = 3
        assert (await box.get("shop"))[0] == 503


async def test_no_attempts_mean_no_retry(box: Box) -> None:
    async with shop(box, {"route": [V1], "retries": {"attempts": 0}}) as (v1, _):
        v1.fail = 1
        assert (await box.get("shop"))[0] == 503
        assert v1.seen == 1


async def test_retries_as_written(box: Box) -> None:
    retries = {"attempts": 4, "perTryTimeout": "100ms", "retryOn": "5xx"}
    async with shop(box, {"route": [V1], "retries": retries}) as (v1, _):
        v1.fail = 4
        assert await box.get("shop") == (200, "v1")
        assert v1.seen == 5


async def test_rewrites_redirects_answers_and_headers(box: Box) -> None:
    async with shop(
        box,
        {"match": [{"uri": {"prefix": "/old/"}}], "rewrite": {"uri": "/new/", "authority": "who"},
         "route": [V1]},
        {"match": [{"uri": {"exact": "/gone"}}], "redirect": {"uri": "/here", "redirectCode": 302}},
        {"match": [{"uri": {"exact": "/said"}}],
         "directResponse": {"status": 418, "body": {"string": "teapot"}}},
        {"headers": {"request": {"set": {"x-set": "a"}, "remove": ["x-gone"]}},
         "route": [V1 | {"headers": {"request": {"add": {"x-dest": "b"}}}}]},
    ) as (v1, _):  # fmt: skip
        assert await box.get("shop", "/old/page?q=1") == (200, "v1")
        assert v1.last is not None
        assert (v1.last.path_qs, v1.last.host) == ("/new/page?q=1", "who")
        assert (await box.get("shop", "/gone"))[0] == 302
        assert await box.get("shop", "/said") == (418, "teapot")
        await box.get("shop", headers={"x-gone": "1"})
        assert v1.last.headers["x-set"] == "a"
        assert v1.last.headers["x-dest"] == "b"
        assert "x-gone" not in v1.last.headers


async def test_a_destination_without_ready_pods_answers_503(box: Box) -> None:
    async with serving("v1") as (v1,):
        await box.put(service("shop"), pod("shop", v1.port, ready=False))
        await box.up()
        assert (await box.get("shop"))[0] == 503
        await box.put(pod("shop", v1.port))
        await box.until_answers("shop", "v1")


async def test_a_share_whose_host_does_not_exist_gets_503_and_an_event(box: Box) -> None:
    async with shop(box, {"route": [to("shop", 50), to("nobody", 50)]}):
        found = await box.count("shop", 100)
        assert 25 <= found["503"] <= 75
        event = await box.until_event("DestinationNotFound")
        assert "nobody.default.svc.cluster.local" in event["message"]
        assert event["involvedObject"]["name"] == "shop"


async def test_outliers_are_ejected(box: Box) -> None:
    detection = {"consecutive5xxErrors": 3, "baseEjectionTime": "30s", "maxEjectionPercent": 100}
    async with shop(box, {"route": [to("shop")], "retries": {"attempts": 0}}) as (v1, _):
        v1.fail = 10_000
        rule = destination_rule("shop", trafficPolicy={"outlierDetection": detection})
        await box.put(rule)

        async def ejected() -> bool:
            return await box.count("shop", 10) == {"v2": 10}

        await box.until(ejected)


async def test_a_pod_that_terminates_gets_no_request_and_none_fails(box: Box) -> None:
    async with shop(box) as (v1, _):
        running = True
        found: dict[str, int] = {}

        async def load() -> None:
            while running:
                status, text = await box.get("shop")
                found[text if status == 200 else str(status)] = 1

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(load()) for _ in range(4)]
            meta = {"metadata": {"finalizers": ["test/hold"]}}
            name = "shop-v1-abc12-x"
            await box.client.patch(KNOWN["pods"], name, "default", meta)
            await box.delete("pods", name)

            async def moved() -> bool:
                before = v1.seen
                await asyncio.sleep(0.05)
                return v1.seen == before

            await box.until(moved)
            running = False
            await asyncio.gather(*tasks)
        assert set(found) <= {"v1", "v2"}
        await box.client.patch(KNOWN["pods"], name, "default", {"metadata": {"finalizers": []}})


async def test_callers_have_listeners_of_their_own_and_sources_are_told_apart(box: Box) -> None:
    async with (
        shop(
            box,
            {"match": [{"sourceLabels": {"app": "front"}}], "route": [V2]},
            {"route": [V1]},
        ),
        serving("front") as (front,),
    ):
        caller = pod("front", front.port, version="v1", env={"UPSTREAMS": "http://shop/"})
        await box.put(service("front"), caller)

        async def there() -> bool:
            return "default/front" in box.mesh.ports

        await box.until(there)
        assert await box.count("shop", 10, caller="default/front") == {"v2": 10}
        assert await box.count("shop", 10) == {"v1": 10}
        told = await box.client.get(KNOWN["configmaps"], "mesh", "istio-system")
        ports = json.loads(told["data"]["ports.json"])
        assert ports == {key: str(port) for key, port in box.mesh.ports.items()}
        assert set(ports) == {"default/front", "istio-system/loadgen"}
        # A new version of the caller is told apart in telemetry, at the same port.
        await box.put(pod("front", front.port, version="v2", env={"UPSTREAMS": "http://shop/"}))
        listeners = box.directory / "lds" / "lds.json"

        async def told_apart() -> bool:
            return '"v2"' in listeners.read_text()

        await box.until(told_apart)
        await box.put(service("late", {"app": "front"}))
        await box.until_answers("late", "front", caller="default/front")
        assert {key: str(port) for key, port in box.mesh.ports.items()} == ports


async def test_the_ingress_serves_what_is_bound_to_a_gateway(box: Box) -> None:
    async with shop(box, {"route": [V1]}):
        await box.put(
            virtual_service(
                "public", {"route": [V2]}, hosts=["shop.example.com"], gateways=["public"]
            )
        )
        await box.until_answers("shop.example.com", "v2")
        assert await box.get("shop") == (200, "v1")
