from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from mesh_kit import Runtime

from autopilot.kube.http import HttpKubeClient, connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.mesh import crds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    api = ApiServer()
    await api.start()
    yield api
    await api.stop()


@pytest.fixture
async def client(server: ApiServer, tmp_path: Path) -> AsyncIterator[HttpKubeClient]:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(server.kubeconfig()))
    connected = await connect(str(path), timeout=5.0)
    try:
        for body in crds.crds():
            await connected.create(CUSTOM_RESOURCE_DEFINITIONS, body)
        demo = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
        await connected.create(NAMESPACES, demo)
        yield connected
    finally:
        await connected.close()


@pytest.fixture
def runtime(client: HttpKubeClient) -> Runtime:
    return Runtime(client)
