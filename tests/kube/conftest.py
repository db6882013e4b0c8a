import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from kube_help import Scripted, kubeconfig_for

from autopilot.kube.http import HttpKubeClient, connect
from autopilot.sandbox.apiserver.server import ApiServer


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
    yield connected
    await connected.close()


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    script = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield script
    await runner.cleanup()


@pytest.fixture
async def scripted_client(scripted: Scripted, tmp_path: Path) -> AsyncIterator[HttpKubeClient]:
    path = tmp_path / "scripted"
    path.write_text(json.dumps(kubeconfig_for(scripted.url)))
    connected = await connect(str(path), timeout=0.5)
    yield connected
    await connected.close()


@pytest.fixture(autouse=True)
def no_kubeconfig_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
