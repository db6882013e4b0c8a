"""Fixtures: kubectl on an API server, alone and with the workloads running."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from kubectl_kit import DEFINITION, Kubectl

from autopilot.kube.http import connect
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.workloads.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    server = ApiServer()
    await server.start()
    yield Kubectl(server, tmp_path)
    await server.stop()


@pytest.fixture
async def widgets(kubectl: Kubectl) -> Kubectl:
    """With a custom kind, established."""
    await kubectl.apply(DEFINITION)
    await kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=9s")
    return kubectl


@pytest.fixture
async def running(kubectl: Kubectl) -> AsyncIterator[Kubectl]:
    """With the workloads' controllers running."""
    client = await connect(kubectl.env["KUBECONFIG"])
    stop = asyncio.Event()
    task = asyncio.create_task(Workloads(client).run(stop))
    yield kubectl
    stop.set()
    await task
    await client.close()
