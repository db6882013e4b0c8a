"""What autopilot's own provider writes for each action is carried out, to the last field."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from conftest_mesh import destination_rule, pod, service, serving, to, virtual_service

from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.mesh.actions import (
    Fault,
    Mirror,
    OutlierDetection,
    Overlaid,
    Retry,
    Shed,
    Shift,
    Timeout,
    Where,
)
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.provider import Owner, Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest_mesh import Backend, Box

pytestmark = pytest.mark.envoy

Body = dict[str, Any]
SHOP = Where("shop")
RULES = ResourceType("autopilot.mesh", "v1alpha1", "rules", "Rule")
HOLDER = Owner(RULES, "default", "shop", "uid-rule", "rules")
KINDS = [KNOWN[name] for name in ("services", "virtualservices", "destinationrules")]


def ready(name: str) -> Body:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-x",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }


@asynccontextmanager
async def shops(box: Box) -> AsyncIterator[tuple[Backend, Backend]]:
    """`shop` with a route and a rule of its owner's, a standby, and the caller `front`."""
    async with serving("shop", "standby") as (shop, standby):
        await box.put(
            service("shop"),
            service("standby"),
            pod("shop", shop.port, labels={"istio-locality": "eu.a"}),
            pod("standby", standby.port),
            pod("front", 1, env={"UPSTREAMS": "x"}, labels={"istio-locality": "eu.a"}),
            virtual_service("shop", {"name": "all", "route": [to("shop")]}),
            destination_rule("shop"),
        )
        await box.up()
        await box.until_answers("shop", "shop", caller="default/front")
        yield shop, standby


async def carry_out(box: Box, *actions: Overlaid) -> None:
    """Write what the provider would; the sandbox must have nothing to say against it."""
    world = Snapshot(
        {
            **{kind: (await box.client.list(kind)).items for kind in KINDS},
            KNOWN["endpointslices"]: [ready("shop"), ready("standby")],
        }
    )
    now = datetime.now(UTC)
    assert not Istio().plan(HOLDER, actions, world, now).refused
    found = Istio().preview(HOLDER, actions, world, now)
    assert found
    for one in found:
        name = one.after["metadata"]["name"]
        kind = next(kind for kind in KINDS if kind.matches(one.after))
        await box.client.patch(kind, name, "default", {"spec": one.after["spec"]})


async def nothing_said(box: Box) -> None:
    """No Event about what was written: one that must come, comes after those."""
    odd = {"route": [to("shop")], "corsPolicy": {"allowOrigins": [{"exact": "*"}]}}
    await box.put(virtual_service("odd", odd, hosts=["odd.example.com"]))
    await box.until_event("NotImplementedBySandbox")
    listing = await box.client.list(KNOWN["events"], "default")
    assert {event["involvedObject"]["name"]: event["message"] for event in listing.items} == {
        "odd": "ignored: spec.http[0].corsPolicy"
    }


async def until(box: Box, wanted: set[str], **asked: Any) -> None:
    async def met() -> bool:
        return set(await box.count("shop", 60, **asked)) == wanted

    await box.until(met, 10)


@pytest.mark.parametrize(
    ("action", "answers"),
    [
        (Shift(SHOP, {"shop": 60, "standby": 40}, "shop"), {"shop", "standby"}),
        (Shift(SHOP, {"shop": 0, "standby": 100}, "shop"), {"standby"}),
        (Fault(SHOP, abort_status=418, abort_percentage=50.5), {"shop", "418"}),
        (Shed(SHOP, share=50), {"shop", "503"}),
        (Shed(SHOP, status=429, retry_after=timedelta(seconds=3)), {"429"}),
    ],
    ids=["split", "failover", "fault", "shed some", "shed all"],
)
async def test_an_action_shows_in_the_answers(
    box: Box, action: Overlaid, answers: set[str]
) -> None:
    async with shops(box):
        await carry_out(box, action)
        await until(box, answers)
        await nothing_said(box)


@pytest.mark.parametrize("share", [40.0, 100.0])
async def test_only_requests_with_one_of_the_headers_are_shed(box: Box, share: float) -> None:
    shed = Shed(SHOP, {"x-priority": ("batch", "bot")}, share)
    async with shops(box):
        await carry_out(box, shed)
        wanted = {"503"} if share == 100 else {"503", "shop"}
        for value in ("batch", "bot"):
            await until(box, wanted, headers={"x-priority": value})
        assert await box.count("shop", 30, headers={"x-priority": "person"}) == {"shop": 30}
        assert await box.count("shop", 30) == {"shop": 30}
        await nothing_said(box)


@pytest.mark.parametrize(
    ("action", "answers"),
    [
        (Shift(Where("shop", callers=("front",)), {"shop": 0, "standby": 100}, "shop"), "standby"),
        (Fault(Where("shop", callers=("front",)), abort_status=418), "418"),
        (Shed(Where("shop", callers=("front",)), status=429), "429"),
    ],
    ids=["failover", "fault", "shed"],
)
async def test_only_the_callers_that_are_meant_are_concerned(
    box: Box, action: Overlaid, answers: str
) -> None:
    async with shops(box):
        await carry_out(box, action)
        await until(box, {answers}, caller="default/front")
        assert await box.count("shop", 20) == {"shop": 20}
        await nothing_said(box)


async def test_a_mirror_copies_its_share(box: Box) -> None:
    async with shops(box) as (_, standby):
        await carry_out(box, Mirror(SHOP, "standby", 50.5))

        async def copied() -> bool:
            await box.get("shop")
            return standby.seen > 0

        await box.until(copied)
        before = standby.seen
        assert await box.count("shop", 100) == {"shop": 100}
        await asyncio.sleep(0.05)  # copies are sent beside the requests, not before them
        assert 25 <= standby.seen - before <= 75
        await nothing_said(box)


async def test_a_delay_and_an_abort_by_grpc_status_are_carried_out(box: Box) -> None:
    fault = Fault(SHOP, abort_grpc="UNAVAILABLE", delay=timedelta(milliseconds=5))
    async with shops(box):
        await carry_out(box, fault)
        await until(box, {"fault filter abort"})
        await nothing_said(box)


async def test_a_timeout_ends_what_takes_longer(box: Box) -> None:
    async with shops(box) as (shop, _):
        await carry_out(box, Timeout(SHOP, timedelta(milliseconds=50)))
        shop.delay = 0.2
        await box.until_answers("shop", "504")
        await nothing_said(box)


async def test_retries_hide_failures(box: Box) -> None:
    retry = Retry(SHOP, 4, timedelta(seconds=1), "5xx,reset")
    async with shops(box) as (shop, _):
        await carry_out(box, retry)

        async def hidden() -> bool:
            shop.fail = 4
            return await box.get("shop") == (200, "shop")

        await box.until(hidden)
        await nothing_said(box)


async def test_limits_and_outlier_detection_are_carried_out(box: Box) -> None:
    action = OutlierDetection(
        SHOP,
        consecutive_5xx=3,
        interval=timedelta(milliseconds=200),
        base_ejection_time=timedelta(seconds=30),
        max_connections=1,
        max_pending_requests=1,
        max_requests=5,
    )
    async with shops(box) as (shop, _):
        await carry_out(box, action)
        shop.delay = 0.1

        async def bounded() -> bool:
            answers = await asyncio.gather(*(box.get("shop") for _ in range(8)))
            return {status for status, _ in answers} == {200, 503}

        await box.until(bounded)
        shop.delay, shop.fail = 0, 100_000

        async def ejected() -> bool:
            before = shop.seen
            await box.count("shop", 5)
            return shop.seen == before

        await box.until(ejected)
        await nothing_said(box)


async def test_a_failover_between_localities_moves_a_failing_regions_requests(box: Box) -> None:
    action = OutlierDetection(
        SHOP,
        consecutive_5xx=2,
        interval=timedelta(milliseconds=200),
        base_ejection_time=timedelta(milliseconds=500),
        localities={"eu": "us"},
    )
    async with shops(box) as (shop, _), serving("us", "ap") as (us, ap):
        for name, backend in (("us", us), ("ap", ap)):
            labels = {"istio-locality": f"{name}.a"}
            await box.put(pod(name, backend.port, app="shop", labels=labels))
        await carry_out(box, action)
        await until(box, {"shop"}, caller="default/front")
        shop.fail = 100_000
        await until(box, {"us"}, caller="default/front")
        shop.fail = 0
        await until(box, {"shop"}, caller="default/front")
        await nothing_said(box)
