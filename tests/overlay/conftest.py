from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from overlay_kit import RULES

from autopilot.base.clock import SystemClock
from autopilot.kube.http import HttpKubeClient, connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands
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
    names = {"plural": RULES.plural, "singular": "rule", "kind": "Rule", "listKind": "RuleList"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": RULES.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    rules = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": RULES.qualified},
        "spec": {
            "group": RULES.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }
    try:
        for body in [*crds.crds(), rules]:
            await connected.create(CUSTOM_RESOURCE_DEFINITIONS, body)
        shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        await connected.create(NAMESPACES, shop)
        yield connected
    finally:
        await connected.close()


@pytest.fixture
def hands(client: HttpKubeClient) -> Hands:
    clock = SystemClock()
    return Hands(client, clock, Drift(clock))
