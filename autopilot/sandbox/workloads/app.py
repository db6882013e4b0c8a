"""A pod's HTTP application: it answers as its environment says, on ports of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from autopilot.sandbox.workloads.behaviour import GOLDEN, Behaviour, evenly, wave
from autopilot.sandbox.workloads.wire import Request, Response, ServerConnection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BACKLOG = 1024
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers."""

    namespace: str
    pod: str
    workload: str


class Upstreams(Protocol):
    """Asks other services on behalf of a workload, through the mesh."""

    async def __call__(self, identity: Identity, url: str) -> int:
        """The status of one request; raises `OSError` or `TimeoutError` without an answer."""
        ...


class Ports:
    """Loopback ports that belong to a pod from its beginning to its end.

    A port is bound long before anything listens on it, so a container that is down refuses
    connections and nobody else can get its port.
    """

    def __init__(self) -> None:
        self._bound: dict[int, socket.socket] = {}
        self.numbers: dict[int, int] = {}

    def reserve(self, containers: Iterable[int], preferred: Mapping[int, int]) -> None:
        """Bind one port for each container port: the preferred one if it is free."""
        for container in containers:
            if container not in self._bound:
                bound = _bound(preferred.get(container, 0))
                self._bound[container] = bound
                self.numbers[container] = int(bound.getsockname()[1])

    def take(self) -> list[socket.socket]:
        """Hand the sockets over to whoever listens on them, and closes them."""
        taken = list(self._bound.values())
        for bound in taken:
            # Its connections inherit it; without, they would keep a crashed container's port
            # from being bound again.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._bound.clear()
        return taken

    def release(self) -> None:
        """Give up what is bound."""
        for bound in self._bound.values():
            bound.close()
        self._bound.clear()


def _bound(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if port:
        # Only for a port that was ours before, and has connections that linger: two sockets with
        # this option may bind one port as long as neither listens.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, port))
        except OSError:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        else:
            return found
    found.bind((HOST, 0))
    return found


class PodApp:
    """One container's application.

    Args:
        identity: Who answers.
        behaviour: How.
        upstreams: How to ask other services; None leaves them out.
    """

    def __init__(
        self, identity: Identity, behaviour: Behaviour, upstreams: Upstreams | None = None
    ) -> None:
        self.behaviour = behaviour
        self.draining = False
        self.served = 0
        self._upstreams = upstreams
        self._servers: list[asyncio.Server] = []
        self._connections: set[ServerConnection] = set()
        self._empty = asyncio.Event()
        self._count = 0
        self._begun: float | None = None
        self._identity = identity
        offset = behaviour.seed * GOLDEN**2 % 1.0
        self._offset = offset
        self._fails = evenly(behaviour.error_rate, offset)
        self._drags = evenly(behaviour.slow_rate, offset + 0.5)
        told = {"version": behaviour.version, "pod": identity.pod, "workload": identity.workload}
        self._told = told
        names = {"x-pod": identity.pod, "x-workload": identity.workload}
        if behaviour.version:
            names["x-version"] = behaviour.version
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in names.items()).encode()

    async def listen(self, ports: Ports) -> None:
        """Serve on reserved ports."""
        loop = asyncio.get_running_loop()
        for bound in ports.take():
            server = await loop.create_server(
                lambda: ServerConnection(self), sock=bound, backlog=BACKLOG
            )
            self._servers.append(server)

    async def drain(self, patience: float) -> None:
        """Take no new client, send idle ones away, let running answers end; then drop the rest.

        Args:
            patience: Seconds for the running answers.
        """
        self.draining = True
        self._stop_listening()
        for connection in list(self._connections):
            connection.close_if_idle()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._empty.wait()
        self.abort()

    def abort(self) -> None:
        """End as a killed process does: every connection is cut."""
        self._stop_listening()
        for connection in list(self._connections):
            connection.abort()

    def opened(self, connection: ServerConnection) -> None:
        """A client connected."""
        self._connections.add(connection)
        self._empty.clear()

    def closed(self, connection: ServerConnection) -> None:
        """A client left."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    async def answer(self, request: Request) -> Response:
        """Answer as the behaviour says; `/healthz` is always well."""
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return Response(200, b'{"status":"ok"}\n', self._headers)
        number, self._count = self._count, self._count + 1
        behaviour = self.behaviour
        delay = behaviour.latency + behaviour.jitter * wave(number, self._offset)
        if self._drags(number):
            delay += behaviour.slow
        if delay > 0:
            await asyncio.sleep(delay)
        status = 200
        body: dict[str, object] = {**self._told, "path": path}
        if behaviour.upstreams and self._upstreams is not None:
            body["upstreams"] = asked = await self._ask()
            if failed := [found for found in asked.values() if found >= 500 or found == 0]:
                status = self._without(failed[0])
        if self._sick() and self._fails(number):
            status = behaviour.error_code
        self.served += 1
        return Response(status, json.dumps(body).encode() + b"\n", self._headers)

    def _without(self, upstream: int) -> int:
        """The status of an answer whose upstream failed; 0 stands for none at all."""
        match self.behaviour.upstream_failure:
            case "cope":
                return 200
            case "pass":
                return upstream or 502
            case "fail":
                return 502

    def _sick(self) -> bool:
        """Whether the time of good behaviour, counted from the first request, is over."""
        if not self.behaviour.error_after:
            return True
        now = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = now
        return now - self._begun >= self.behaviour.error_after

    async def _ask(self) -> dict[str, int]:
        assert self._upstreams is not None
        asked = {}
        for url in self.behaviour.upstreams:
            asked[url] = 0
            with contextlib.suppress(OSError, TimeoutError):
                asked[url] = await self._upstreams(self._identity, url)
        return asked

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
