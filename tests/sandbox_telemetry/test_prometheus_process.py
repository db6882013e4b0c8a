"""One Prometheus process: ready, scraping, stopped, and back on the same port."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from autopilot.base.errors import TerminalError
from autopilot.sandbox.telemetry.prometheus import PrometheusProcess, configuration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STATS = """\
# TYPE envoy_istio_requests_total counter
envoy_istio_requests_total{reporter="source",destination_workload="",destination_app="-"} 7
envoy_istio_requests_total{reporter="source",destination_workload="a",destination_app="a"} 5
"""


@pytest.fixture
async def target() -> AsyncIterator[str]:
    async def stats(request: web.Request) -> web.Response:
        assert request.query == {"usedonly": "", "filter": r"^istio\."}
        return web.Response(text=STATS)

    app = web.Application()
    app.router.add_get("/stats/prometheus", stats)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def ask(prometheus: PrometheusProcess, promql: str) -> list[dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{prometheus.url}/api/v1/query", params={"query": promql}) as answer,
    ):
        found = await answer.json()
    result: list[dict[str, Any]] = found["data"]["result"]
    return result


async def first_sample(prometheus: PrometheusProcess, promql: str) -> list[dict[str, Any]]:
    async with asyncio.timeout(12):
        while not (found := await ask(prometheus, promql)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


@pytest.mark.envoy
async def test_it_scrapes_stops_and_comes_back_with_port_and_data(
    tmp_path: Path, target: str, prometheus_binary: Path
) -> None:
    prometheus = PrometheusProcess(tmp_path / "p", prometheus_binary, {"envoy": target}, 0.2)
    began = time.monotonic()
    await prometheus.start()
    try:
        assert prometheus.version[0].isdigit()
        found = await first_sample(prometheus, "istio_requests_total")
        seconds = time.monotonic() - began
        print(f"Prometheus {prometheus.version}: first sample after {seconds:.1f} s")
        assert seconds < 10
        values = {
            (s["metric"]["destination_workload"], s["metric"]["destination_app"]): s["value"][1]
            for s in found
        }
        assert values == {("unknown", "unknown"): "7", ("a", "a"): "5"}
        url, pid = prometheus.url, prometheus.pid
        await prometheus.stop()
        assert not prometheus.running
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        await prometheus.start()
        assert prometheus.url == url
        assert await ask(prometheus, "istio_requests_total[1m]")
    finally:
        await prometheus.stop()
    assert prometheus.pid == 0


@pytest.mark.envoy
async def test_one_that_cannot_start_says_why(
    tmp_path: Path, target: str, prometheus_binary: Path
) -> None:
    (tmp_path / "data").write_text("no folder")
    prometheus = PrometheusProcess(tmp_path, prometheus_binary, {"envoy": target}, 0.2)
    with pytest.raises(TerminalError, match="ended with code"):
        await prometheus.start()
    assert not prometheus.running


def test_the_configuration_scrapes_each_target_at_the_interval() -> None:
    made = configuration({"a": "127.0.0.1:1", "b": "127.0.0.1:2"}, 0.5)
    assert made["global"]["scrape_interval"] == made["global"]["scrape_timeout"] == "500ms"
    assert [job["static_configs"][0]["targets"] for job in made["scrape_configs"]] == [
        ["127.0.0.1:1"],
        ["127.0.0.1:2"],
    ]
