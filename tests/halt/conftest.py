from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from halt_kit import Cluster

from autopilot.kube.http import connect
from autopilot.rules.crd import rule_crd
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.mesh import crds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    server = ApiServer()
    await server.start()
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(server.kubeconfig()))
    client = await connect(str(path), timeout=5.0)
    try:
        for body in [*crds.crds(), rule_crd()]:
            server.store.create(body)
        server.store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield Cluster(server, client, path)
    finally:
        await client.close()
        await server.stop()
