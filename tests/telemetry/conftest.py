"""A Prometheus of the test's own, scraping a target that the test drives."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from autopilot.sandbox.telemetry.fetch import ensure_prometheus
from autopilot.telemetry.prometheus import PrometheusSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCRAPE = 0.1
BOUNDS = ("1", "5", "10", "50", "100", "500", "1000", "+Inf")

RULES = """
groups:
- name: alerts
  rules:
  - {alert: Broken, expr: broken > 0, labels: {severity: page}}
"""


@dataclass
class Counters:
    """What the target shows."""

    lines: dict[str, float] = field(default_factory=dict)
    up: bool = True

    def add(self, workload: str, count: float, *, ms: float = 3, **labels: str) -> None:
        """Count requests as a caller's proxy would."""
        service = labels.pop("service", workload)
        given = {
            "reporter": "source",
            "destination_workload": workload,
            "destination_workload_namespace": "demo",
            "destination_service_name": service,
            "destination_service_namespace": "demo",
            "response_code": "200",
            "grpc_response_status": "-",
        } | labels
        self._add("istio_requests_total", given, count)
        for bound in BOUNDS:
            reached = count if ms <= float(bound) else 0
            self._add("istio_request_duration_milliseconds_bucket", {**given, "le": bound}, reached)

    def add_envoy(self, pod: str, count: float, *, code: str = "200", ms: float = 3) -> None:
        given = {"kubernetes_namespace": "demo", "kubernetes_pod_name": pod}
        self._add("envoy_cluster_upstream_rq", {**given, "envoy_response_code": code}, count)
        for bound in BOUNDS:
            reached = count if ms <= float(bound) else 0
            self._add("envoy_cluster_upstream_rq_time_bucket", {**given, "le": bound}, reached)

    def _add(self, name: str, labels: dict[str, str], count: float) -> None:
        text = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        series = f"{name}{{{text}}}"
        self.lines[series] = self.lines.get(series, 0) + count

    def drop(self, workload: str) -> None:
        """The workload's series vanish."""
        self.lines = {k: v for k, v in self.lines.items() if f'"{workload}"' not in k}

    async def answer(self, request: web.Request) -> web.Response:
        if not self.up:
            raise web.HTTPServiceUnavailable
        return web.Response(text="".join(f"{k} {v}\n" for k, v in self.lines.items()))


class Prometheus:
    """One process; the same folder and port over restarts."""

    def __init__(self, binary: str, folder: Path, target: int) -> None:
        self._binary = binary
        self._folder = folder
        self._listen = "127.0.0.1:0"
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[bytes] | None = None
        self.address = ""
        config = f"""
global: {{scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 100ms}}
rule_files: [{folder / "rules.yml"}]
scrape_configs:
- job_name: mesh
  static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
"""
        (folder / "prometheus.yml").write_text(config)
        (folder / "rules.yml").write_text(RULES)

    async def start(self) -> None:
        async with asyncio.timeout(30):
            # A port that was ours may for a moment be somebody's end of a connection.
            while not await self._launch():
                await self.stop()
                await asyncio.sleep(0.2)
        self.address = f"http://{self._listen}"

    async def _launch(self) -> bool:
        self._process = await asyncio.create_subprocess_exec(
            self._binary,
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._listen}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        # The two lines come in either order.
        ready = listening = False
        while not (ready and listening) and (
            line := (await self._process.stderr.readline()).decode()
        ):
            if found := re.search(r"Listening on.* address=\"?(127\.0\.0\.1:\d+)", line):
                self._listen, listening = found[1], True
            ready = ready or "Server is ready to receive web requests" in line
        self._drain = asyncio.create_task(self._process.stderr.read())
        return ready and listening

    async def stop(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        if self._drain is not None:
            await self._drain
        self._process._transport.close()  # type: ignore[attr-defined]
        self._process = None


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
async def prometheus(tmp_path: Path, counters: Counters) -> AsyncIterator[Prometheus]:
    binary = await asyncio.to_thread(ensure_prometheus)
    app = web.Application()
    app.router.add_get("/metrics", counters.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server = Prometheus(str(binary), tmp_path, port)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
        await runner.cleanup()


@pytest.fixture
async def source(prometheus: Prometheus) -> AsyncIterator[PrometheusSource]:
    source = PrometheusSource(prometheus.address)
    yield source
    await source.close()


@pytest.fixture
async def traffic(counters: Counters) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Requests by workload per 50 ms, as the test writes into the dict."""
    flows: dict[str, dict[str, Any]] = {}

    async def flow() -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(0.05)
            # A busy machine sleeps longer; the rate must not depend on it.
            now = loop.time()
            ticks, last = (now - last) / 0.05, now
            for workload, kwargs in flows.items():
                given = {**kwargs, "count": kwargs["count"] * ticks}
                counters.add(workload.partition("#")[0], **given)

    task = asyncio.create_task(flow())
    yield flows
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
