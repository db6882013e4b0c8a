from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chaos_cli_kit import NS, Shop, kubeconfig

from autopilot.kube.http import connect
from autopilot.operators.chaos.crd import experiment_crd
from autopilot.operators.chaos.report_crd import report_crd
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.mesh import crds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def _service(name: str) -> list[dict[str, object]]:
    labels = {"kubernetes.io/service-name": name}
    meta = {"name": name, "namespace": NS}
    ready = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [ready, ready],
        },
    ]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    server = ApiServer()
    await server.start()
    path = kubeconfig(server, tmp_path)
    client = await connect(path, timeout=5.0)
    made = Shop(server, client, tmp_path, path)
    for body in [*crds.crds(), experiment_crd(), report_crd()]:
        made.create(body)
    notes = {"autopilot.mesh/chaos": "enabled"}
    for name in (NS, "autopilot-system"):
        meta = {"name": name, "annotations": notes}
        made.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    for body in [*_service("ratings"), *_service("reviews")]:
        made.create(body)
    made.create(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "ratings", "namespace": NS},
            "spec": {
                "hosts": ["ratings"],
                "http": [{"route": [{"destination": {"host": "ratings"}}]}],
            },
        }
    )
    yield made
    await client.close()
    await server.stop()
