"""An API server with the workloads running on it, and what tests ask of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from autopilot.kube.client import AlreadyExists, NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import ENDPOINTS, KNOWN, NAMESPACES
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.workloads.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from autopilot.kube.http import HttpKubeClient
    from autopilot.kube.kinds import ResourceType

Body = dict[str, Any]
NAMESPACE = "demo"
NODE_AGENT = "node-under-test"


@dataclass
class Cluster:
    """One API server, one node."""

    server: ApiServer
    client: HttpKubeClient
    node_client: HttpKubeClient
    workloads: Workloads | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._stop = asyncio.Event()
        self.workloads = Workloads(self.node_client)
        self._task = asyncio.create_task(self.workloads.run(self._stop))

    async def stop(self) -> None:
        if self._task is not None:
            self._stop.set()
            await self._task
            self._task = None

    async def deploy(self, name: str = "web", replicas: int = 2, **env: str) -> Body:
        return await self.client.create(
            KNOWN["deployments"], deployment(name, replicas, **env), NAMESPACE
        )

    async def serve(self, name: str = "web", target: int | str = "http") -> Body:
        port = {"name": "http", "port": 80, "targetPort": target}
        spec = {"selector": {"app": name}, "ports": [port]}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        return await self.client.create(KNOWN["services"], body, NAMESPACE)

    async def set_env(self, name: str, **env: str) -> Body:
        listed = [{"name": key, "value": value} for key, value in env.items()]
        container = [{**CONTAINER, "env": listed}]
        patch = {"spec": {"template": {"spec": {"containers": container}}}}
        return await self.client.patch(KNOWN["deployments"], name, NAMESPACE, patch)

    async def scale(self, name: str, replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        await self.client.patch(KNOWN["deployments"], name, NAMESPACE, patch)

    async def get(self, kind: str | ResourceType, name: str) -> Body:
        found = KNOWN[kind] if isinstance(kind, str) else kind
        return await self.client.get(found, name, NAMESPACE)

    async def list(self, kind: str) -> list[Body]:
        return (await self.client.list(KNOWN[kind], NAMESPACE)).items

    async def pods(self) -> list[Body]:
        return await self.list("pods")

    async def ready_pods(self) -> list[Body]:
        return [pod for pod in await self.pods() if is_ready(pod)]

    async def addresses(self, name: str = "web") -> list[int]:
        """The real ports of a Service's ready endpoints."""
        try:
            body = await self.get(ENDPOINTS, name)
        except NotFound:
            return []
        found = [s["ports"][0]["port"] for s in body.get("subsets") or () if s.get("addresses")]
        return sorted(found)

    async def rolled_out(self, name: str = "web") -> Body:
        return await until(lambda: self.complete(name))

    async def complete(self, name: str) -> Body | None:
        body = await self.get("deployments", name)
        told, wanted = body.get("status") or {}, body["spec"]["replicas"]
        done = (
            told.get("observedGeneration") == body["metadata"]["generation"]
            and told.get("updatedReplicas") == told.get("replicas") == wanted
            and told.get("availableReplicas") == wanted
        )
        return body if done else None


CONTAINER = {
    "name": "app",
    "image": "sandbox/app",
    "ports": [{"name": "http", "containerPort": 8080}],
}


def deployment(name: str, replicas: int = 2, **env: str) -> Body:
    labels = {"app": name}
    listed = [{"name": key, "value": value} for key, value in env.items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{**CONTAINER, "env": listed}]},
            },
        },
    }


def is_ready(pod: Body) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def real_port(pod: Body) -> int:
    notes = pod["metadata"].get("annotations") or {}
    return int(json.loads(notes["sandbox.autopilot.mesh/ports"])["8080"])


async def until(check: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """Wait for something to be true; returns it."""
    async with asyncio.timeout(seconds):
        while not (found := await check()):  # noqa: ASYNC110 — an API can only be asked
            await asyncio.sleep(0.02)
        return found


async def ask(port: int, path: str = "/") -> tuple[int, dict[str, str], Body]:
    """One HTTP request on a connection of its own: status, headers, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: web\r\n\r\n".encode())
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers, json.loads(body)
    finally:
        writer.close()


async def refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    writer.close()
    return False


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Cluster]:
    """The API server alone."""
    server = ApiServer()
    await server.start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(server.kubeconfig()))
    client = await connect(str(kubeconfig))
    node_client = await connect(str(kubeconfig), user_agent=NODE_AGENT)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    with contextlib.suppress(AlreadyExists):
        await client.create(NAMESPACES, space)
    found = Cluster(server, client, node_client)
    yield found
    await found.stop()
    await client.close()
    await node_client.close()
    await server.stop()


@pytest_asyncio.fixture
async def cluster(api: Cluster) -> Cluster:
    """The API server with a node."""
    await api.start()
    return api
