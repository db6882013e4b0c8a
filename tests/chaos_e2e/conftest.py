from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from chaos_cluster import Cluster
from traffic_kit import Exporter

from autopilot.kube.http import connect
from autopilot.operators.chaos.crd import experiment_crd
from autopilot.operators.chaos.report_crd import report_crd
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.mesh import crds
from autopilot.sandbox.telemetry.fetch import ensure_prometheus
from autopilot.sandbox.telemetry.prometheus import PrometheusProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, str]]:
    """Traffic of all shops, and the Prometheus that scrapes it: its first look takes 5 seconds."""
    exporter = Exporter()
    prometheus = PrometheusProcess(
        tmp_path_factory.mktemp("prometheus"),
        ensure_prometheus(),
        {"envoy": exporter.address},
        0.25,
    )
    try:
        asyncio.run(prometheus.start())
        yield exporter, prometheus.url
    finally:
        asyncio.run(prometheus.stop())
        exporter.stop()


@pytest.fixture
async def cluster(traffic: tuple[Exporter, str], tmp_path: Path) -> AsyncIterator[Cluster]:
    exporter, prometheus = traffic
    server = ApiServer()
    await server.start()
    path, log = tmp_path / "kubeconfig", tmp_path / "controller.log"
    path.write_text(json.dumps(server.kubeconfig()))
    client = await connect(str(path), timeout=5.0)
    found = Cluster(server, client, path, exporter, prometheus, log)
    try:
        for body in [*crds.crds(), experiment_crd(), report_crd()]:
            server.store.create(body)
        yield found
    finally:
        exporter.shops.pop(found.namespace, None)
        if log.exists():
            # For a test that failed.
            print(log.read_text()[-6000:])
        await client.close()
        await server.stop()
