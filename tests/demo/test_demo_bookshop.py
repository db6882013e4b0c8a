"""The chaos demo's shop in the sandbox: who fails with whom, and what Envoy says of faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from autopilot.kube.http import connect
from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.sandbox.box import Box
from autopilot.sandbox.demo import bookshop, evidence
from autopilot.sandbox.demo.chaos_flight import has_fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from autopilot.kube.client import KubeClient

ALL = {"value": 100}


def counter(service: str, flags: str, count: int, reporter: str = "source") -> str:
    labels = f'reporter="{reporter}",source_app="a",destination_service_name="{service}"'
    return f'envoy_istio_requests_total{{{labels},response_flags="{flags}"}} {count}'


COUNTERS = [
    "# TYPE envoy_istio_requests_total counter",
    counter("ratings", "FI", 7),
    counter("ratings", "-", 90),
    counter("ratings", "DI,FI", 2),
    counter("ratings", "DI", 5, "destination"),
    counter("web", "UH", 1),
]


def test_requests_with_a_fault_are_counted_by_flag_where_the_caller_saw_them() -> None:
    assert evidence.carried("\n".join(COUNTERS)) == {("ratings", "FI"): 9, ("ratings", "DI"): 2}


def test_only_a_route_whose_filter_does_something_has_a_fault() -> None:
    def route(name: str, **config: Any) -> dict[str, Any]:
        filters = {"envoy.filters.http.fault": {"@type": "t", **config}} if config else {}
        return {"name": name, "typed_per_filter_config": filters}

    routes = [route("a", abort={}), route("b"), route("c", delay={}), route("d", headers=[])]
    hosts = [{"name": "h", "domains": ["web.shop", "web"], "routes": routes}]
    dump = {"configs": [{"route_config": {"virtual_hosts": hosts}}, {"other": 1}]}
    assert evidence.faulty_routes(dump) == ["web.shop: a", "web.shop: c"]


async def apply(client: KubeClient, body: dict[str, Any]) -> None:
    kind = next(kind for kind in KNOWN.values() if kind.matches(body))
    await client.apply(kind, body, manager="kubectl")


async def becomes(ask: Callable[[], Awaitable[object]], wanted: object) -> None:
    found: object = None
    try:
        async with asyncio.timeout(20):
            while True:
                found = await ask()
                if found == wanted:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{found!r} instead of {wanted!r}") from None


@pytest.mark.envoy
async def test_the_page_fails_with_its_ratings_unless_its_reviews_cope(tmp_path: Path) -> None:
    async with Box(tmp_path / "box") as box, aiohttp.ClientSession() as session:
        state = box.state
        client = await connect(str(state.kubeconfig))

        async def page() -> int:
            headers = {"Host": bookshop.PAGE}
            async with session.get(state.ingress_url, headers=headers) as answer:
                return answer.status

        async def version() -> object:
            headers = {"Host": bookshop.PAGE.replace("productpage", "reviews")}
            async with session.get(state.ingress_url, headers=headers) as answer:
                return answer.headers.get("x-version"), answer.status

        async def faulty() -> int:
            return len(await evidence.read_faulty_routes(state.envoy_admin_url))

        try:
            await client.apply(NAMESPACES, bookshop.namespace(), manager="kubectl")
            for body in bookshop.bodies():
                await apply(client, body)
            await becomes(page, 200)
            await becomes(version, ("v4", 200))
            assert await faulty() == 0
            abort = {"abort": {"httpStatus": 500, "percentage": ALL}}
            broken = bookshop.route("ratings", fault=abort)
            assert has_fault(broken)
            await apply(client, broken)
            await becomes(page, 500)
            assert await faulty() > 0
            await apply(client, bookshop.reviews_route("v3"))
            await becomes(version, ("v3", 200))
            await becomes(page, 200)
            counted = await evidence.read_carried(state.envoy_admin_url)
            assert set(counted) == {("ratings", "FI")}
            await apply(client, bookshop.route("ratings"))
            await becomes(faulty, 0)
        finally:
            await client.close()
