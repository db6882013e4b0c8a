"""One sandbox and one generated operator for all flights of a module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio
import yaml
from flights_kit import Air

from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS
from autopilot.sandbox.box import Box
from autopilot.sandbox.demo.operator import Operator, configure, scaffold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def air(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Air]:
    home = tmp_path_factory.mktemp("flights")
    project = home / "canary"
    await scaffold(project, kind="Canary", group="demo.autopilot.mesh", version="v1alpha1")
    configure(
        project,
        {"workInterval": "500ms", "metricsAddr": "127.0.0.1:0", "enableLeaderElection": False},
    )
    async with Box(home / "box", scrape_interval=0.5) as box:
        client = await connect(str(box.state.kubeconfig))
        crd = yaml.safe_load((project / "deploy/crd.yaml").read_text())
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd, manager="kubectl")
        operator = Operator(
            project,
            kubeconfig=Path(box.state.kubeconfig),
            metrics=box.state.prometheus_url,
            log=home / "operator.log",
        )
        operator.start()
        try:
            yield Air(box, client, operator)
        finally:
            await operator.stop()
            await client.close()
