from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from autopilot.base.clock import SystemClock
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.mesh.controller import Mesh
from autopilot.sandbox.mesh.crds import crds
from autopilot.sandbox.mesh.envoy import EnvoyProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from autopilot.kube.client import KubeClient

Body = dict[str, Any]


class Backend:
    """A small HTTP server that says its name; it may fail, wait, or hang on request."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.seen = 0
        self.fail = 0
        """Answers of 503 still to give."""
        self.delay = 0.0
        self.hosts: Counter[str] = Counter()
        self.last: web.Request | None = None
        self.peers: set[int] = set()
        """Ports that it was asked from: one for each connection."""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen += 1
        self.last = request
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername")[1])
        self.hosts[request.host] += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fail:
            self.fail -= 1
            return web.Response(status=503, text=self.name)
        return web.Response(text=self.name, headers={"x-path": request.path_qs})


@asynccontextmanager
async def serving(*names: str) -> AsyncIterator[list[Backend]]:
    backends, runners = [Backend(name) for name in names], []
    try:
        for backend in backends:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", backend.answer)
            runner = web.AppRunner(app, access_log=None, keepalive_timeout=120)
            await runner.setup()
            runners.append(runner)
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            backend.port = sock.getsockname()[1]
            await web.SockSite(runner, sock).start()
        yield backends
    finally:
        for runner in runners:
            await runner.cleanup()


def service(name: str, selector: Body | None = None, *, ports: tuple[int, ...] = (80,)) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": selector or {"app": name},
            "ports": [{"name": f"http-{p}", "port": p, "targetPort": 8080} for p in ports],
        },
    }


def pod(workload: str, port: int, *, app: str = "", version: str = "", **more: Any) -> Body:
    labels = {"app": app or workload, "pod-template-hash": "abc12", **more.get("labels", {})}
    if version:
        labels["version"] = version
    ready = more.get("ready", True)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{workload}-abc12",
             "uid": f"rs-{workload}", "controller": True}  # fmt: skip
    annotations = {"sandbox.autopilot.mesh/ports": json.dumps({"8080": port})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{workload}-abc12-{more.get('suffix', 'x')}",
            "namespace": "default",
            "labels": labels,
            "annotations": annotations | more.get("annotations", {}),
            "ownerReferences": [owner],
        },
        "spec": {
            "containers": [
                {
                    "name": "app",
                    "image": "app",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": k, "value": v} for k, v in more.get("env", {}).items()],
                }
            ]
        },
        "status": {
            "podIP": "127.0.0.1",
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def virtual_service(name: str, *routes: Body, **spec: Any) -> Body:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": [name], **spec, "http": list(routes)},
    }


def destination_rule(name: str, *subsets: str, **spec: Any) -> Body:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "host": name,
            "subsets": [{"name": subset, "labels": {"version": subset}} for subset in subsets],
            **spec,
        },
    }


def to(host: str, weight: int | None = None, **destination: Any) -> Body:
    made: Body = {"destination": {"host": host, **destination}}
    return made if weight is None else {**made, "weight": weight}


class Box:
    """An API, an Envoy and the mesh between them."""

    def __init__(self, client: KubeClient, envoy: EnvoyProcess, directory: Path) -> None:
        self.client = client
        self.envoy = envoy
        self.directory = directory
        self.mesh: Mesh
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.http: aiohttp.ClientSession

    async def up(self) -> None:
        self._stop.clear()
        self.mesh = Mesh(
            self.client,
            directory=self.directory,
            admin_url=self.envoy.admin_url,
            clock=SystemClock(),
        )
        self._task = asyncio.create_task(self.mesh.run(self._stop))
        await asyncio.wait_for(self.mesh.ready.wait(), 20)

    async def down(self) -> None:
        self._stop.set()
        if self._task:
            await self._task
            self._task = None

    async def put(self, *bodies: Body) -> None:
        for body in bodies:
            kind = next(k for k in KNOWN.values() if k.matches(body))
            status = body.get("status")
            for owner in body["metadata"].get("ownerReferences", ()):
                owner["uid"] = await self._replica_set(owner["name"])
            made = await self.client.apply(kind, body, manager="test")
            if status and made.get("status") != status:
                await self.client.patch(
                    kind,
                    body["metadata"]["name"],
                    body["metadata"]["namespace"],
                    {"status": status},
                    subresource="status",
                )

    async def _replica_set(self, name: str) -> str:
        """The API collects a pod whose owner isn't there."""
        body = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "app", "image": "app"}]},
                },
            },
        }
        made = await self.client.apply(KNOWN["replicasets"], body, manager="test")
        return str(made["metadata"]["uid"])

    async def delete(self, plural: str, name: str) -> None:
        await self.client.delete(KNOWN[plural], name, "default")

    async def get(
        self, host: str, path: str = "/", *, caller: str = "", **more: Any
    ) -> tuple[int, str]:
        port = self.mesh.ports[caller] if caller else self.mesh.ingress_port
        headers = {"Host": host, **more.pop("headers", {})}
        url = f"http://127.0.0.1:{port}{path}"
        async with self.http.request(
            more.pop("method", "GET"), url, headers=headers, allow_redirects=False, **more
        ) as answer:
            return answer.status, await answer.text()

    async def count(self, host: str, times: int, **more: Any) -> Counter[str]:
        found: Counter[str] = Counter()
        for _ in range(times):
            status, text = await self.get(host, **more)
            found[text if status == 200 else str(status)] += 1
        return found

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def until_answers(
        self, host: str, wanted: str, *, seconds: float = 5, **more: Any
    ) -> None:
        async def met() -> bool:
            status, text = await self.get(host, **more)
            return wanted in (str(status), text)

        await self.until(met, seconds)

    async def events(self, reason: str) -> list[Body]:
        listing = await self.client.list(KNOWN["events"], "default")
        return [event for event in listing.items if event["reason"] == reason]

    async def until_event(self, reason: str) -> Body:
        async def told() -> bool:
            return bool(await self.events(reason))

        await self.until(told)
        return (await self.events(reason))[0]


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def client(api: ApiServer, tmp_path: Path) -> AsyncIterator[KubeClient]:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(api.kubeconfig()))
    made = await connect(str(file))
    try:
        for definition in crds():
            await made.create(CUSTOM_RESOURCE_DEFINITIONS, definition)
        yield made
    finally:
        await made.close()


@pytest.fixture
async def envoy(tmp_path: Path) -> AsyncIterator[EnvoyProcess]:
    process = EnvoyProcess(tmp_path / "envoy")
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
        assert not process.running


@pytest.fixture
async def box(client: KubeClient, envoy: EnvoyProcess) -> AsyncIterator[Box]:
    made = Box(client, envoy, envoy.directory)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as made.http:
        try:
            yield made
        finally:
            with suppress(asyncio.CancelledError):
                await made.down()
