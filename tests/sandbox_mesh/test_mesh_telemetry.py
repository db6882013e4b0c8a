"""What was sent is what a real Prometheus says, under Istio's names."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest_mesh import pod, service, serving, to, virtual_service

from autopilot.sandbox.telemetry.fetch import ensure_prometheus
from autopilot.sandbox.telemetry.prometheus import PrometheusProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from conftest_mesh import Box

    from autopilot.sandbox.mesh.envoy import EnvoyProcess

pytestmark = pytest.mark.envoy

Answers = dict[tuple[str, ...], float]


class Asker:
    def __init__(self, box: Box, prometheus: PrometheusProcess) -> None:
        self._box = box
        self._prometheus = prometheus

    async def ask(self, promql: str, *labels: str) -> Answers:
        url = f"{self._prometheus.url}/api/v1/query"
        async with self._box.http.get(url, params={"query": promql}) as answer:
            found: dict[str, Any] = await answer.json()
        assert found["status"] == "success", found
        return {
            tuple(item["metric"].get(label, "") for label in labels): float(item["value"][1])
            for item in found["data"]["result"]
        }

    async def until(self, wanted: Answers, promql: str, *labels: str) -> None:
        async with asyncio.timeout(15):
            while await self.ask(promql, *labels) != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


@pytest.fixture
async def prometheus(tmp_path: Path, envoy: EnvoyProcess) -> AsyncIterator[PrometheusProcess]:
    target = envoy.admin_url.removeprefix("http://")
    made = PrometheusProcess(
        tmp_path / "prometheus", await asyncio.to_thread(ensure_prometheus), {"envoy": target}, 0.2
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


BY = ("reporter", "destination_workload", "destination_version", "response_code", "response_flags")


async def test_workloads_behind_one_service_are_told_apart_and_every_request_counts_once(
    box: Box, prometheus: PrometheusProcess
) -> None:
    began = time.monotonic()
    asker = Asker(box, prometheus)
    async with serving("v1", "v2") as (v1, v2):
        await box.put(
            service("shop"),
            pod("shop-primary", v1.port, app="shop", version="v1"),
            pod("shop-canary", v2.port, app="shop", version="v2"),
        )
        await box.up()
        found = await box.count("shop", 200)
        query = f"sum by({','.join(BY)})(istio_requests_total)"
        await asker.until(
            {
                (reporter, workload, version, "200", "-"): found[version]
                for reporter in ("source", "destination")
                for workload, version in (("shop-primary", "v1"), ("shop-canary", "v2"))
            },
            query,
            *BY,
        )
        print(f"first sample {time.monotonic() - began:.1f} s after Prometheus was ready")
        await asker.until(
            {("loadgen", "istio-system", "shop", "shop.default.svc.cluster.local", "default"): 400},
            "sum by(source_workload,source_workload_namespace,destination_service_name,"
            "destination_service,destination_service_namespace)(istio_requests_total)",
            "source_workload", "source_workload_namespace", "destination_service_name",
            "destination_service", "destination_service_namespace",
        )  # fmt: skip
        await asker.until(
            {("source",): 200, ("destination",): 200},
            "sum by(reporter)(istio_request_duration_milliseconds_count)",
            "reporter",
        )
        buckets = await asker.ask("count by(le)(istio_request_duration_milliseconds_bucket)", "le")
        assert {("75",), ("150",), ("300",), ("750",)} <= set(buckets)


async def test_failures_that_reach_no_pod_name_the_service_and_no_workload(
    box: Box, prometheus: PrometheusProcess
) -> None:
    asker = Asker(box, prometheus)
    abort = {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}
    async with serving("a", "b") as (a, b):
        await box.put(
            service("a"), pod("a", a.port), service("b"), pod("b", b.port, version="v9"),
            service("empty"), virtual_service("a", {"route": [to("a")], "fault": abort}),
            virtual_service("b", {"route": [to("b")], "mirror": {"host": "b"}}),
        )  # fmt: skip
        await box.up()
        assert await box.count("empty", 5) == {"503": 5}
        assert await box.count("a", 6) == {"500": 6}
        assert await box.count("b", 7) == {"b": 7}
        assert await box.count("nothing", 3) == {"404": 3}
        b.fail = 2
        assert await box.count("b", 1) == {"b": 1}
        labels = ("reporter", "destination_service_name", "destination_workload",
                  "response_code", "response_flags")  # fmt: skip
        query = f"sum by({','.join(labels)})(istio_requests_total)"
        async with asyncio.timeout(15):
            while ("destination", "b", "b", "503", "-") not in (  # noqa: ASYNC110
                found := await asker.ask(query, *labels)
            ):
                await asyncio.sleep(0.1)
    source = {key[1:]: count for key, count in found.items() if key[0] == "source"}
    assert source == {
        ("empty", "unknown", "503", "UH"): 5,
        ("a", "unknown", "500", "FI"): 6,
        ("b", "b", "200", "-"): 8,
        ("nothing", "unknown", "404", "NR"): 3,
    }
    tried = sum(count for key, count in found.items() if key[:2] == ("destination", "b"))
    # 8 requests, 8 mirrored ones, and the tries that followed the two failures.
    assert 16 <= tried <= 18
