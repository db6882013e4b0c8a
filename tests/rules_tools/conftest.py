from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tools_kit import RULES

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
def kubeconfig(server: ApiServer, tmp_path: Path) -> str:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(server.kubeconfig()))
    return str(path)


@pytest.fixture
async def client(kubeconfig: str) -> AsyncIterator[HttpKubeClient]:
    connected = await connect(kubeconfig, timeout=5.0)
    names = {"plural": RULES.plural, "singular": "rule", "kind": "Rule", "listKind": "RuleList"}
    version = {
        "name": RULES.version,
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        },
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
        for name in ("shop", "autopilot-system"):
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await connected.create(NAMESPACES, space)
        yield connected
    finally:
        await connected.close()


@pytest.fixture
def hands(client: HttpKubeClient) -> Hands:
    clock = SystemClock()
    return Hands(client, clock, Drift(clock))
