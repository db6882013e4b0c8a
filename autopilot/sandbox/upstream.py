"""How pods ask other services: through their workload's own listener of the mesh."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autopilot.sandbox.load.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autopilot.sandbox.workloads.app import Identity

TIMEOUT = 10.0
KEPT = 16
"""Idle connections kept per workload."""


class MeshUpstreams:
    """Asks URLs on behalf of workloads.

    Args:
        ports: The mesh's listener of each caller, by `namespace/workload`.
    """

    def __init__(self, ports: Callable[[], Mapping[str, int]]) -> None:
        self._ports = ports
        self._idle: dict[int, list[Connection]] = {}

    async def __call__(self, identity: Identity, url: str) -> int:
        """The status of one GET.

        Raises:
            ConnectionError: The caller has no listener yet, or no answer came.
            TimeoutError: It took longer than 10 s.
        """
        port = self._ports().get(f"{identity.namespace}/{identity.workload}")
        if port is None:
            raise ConnectionError("the mesh has no listener for this workload yet")
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode("latin-1")
        async with asyncio.timeout(TIMEOUT):
            return await self._exchange(port, request)

    async def close(self) -> None:
        """Let go of the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    async def _exchange(self, port: int, request: bytes) -> int:
        idle = self._idle.setdefault(port, [])
        connection = next((one for one in _popped(idle) if not one.closed), None)
        if connection is None:
            loop = asyncio.get_running_loop()
            connection = (await loop.create_connection(Connection, "127.0.0.1", port))[1]
        try:
            answer = await connection.send(request)
        except BaseException:
            connection.abort()
            raise
        if not connection.closed and len(idle) < KEPT:
            idle.append(connection)
        elif not connection.closed:
            connection.abort()
        return answer.status


def _popped(idle: list[Connection]) -> list[Connection]:
    """Take connections off a list until one is open."""
    taken = []
    while idle:
        taken.append(idle.pop())
        if not taken[-1].closed:
            break
    return taken
