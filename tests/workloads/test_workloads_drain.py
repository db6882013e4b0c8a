"""No request may fail because pods come and go: a client that follows the endpoints is asked."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from workloads_kit import NAMESPACE, until

from autopilot.kube.kinds import ENDPOINTS
from autopilot.sandbox.load.connection import Connection

if TYPE_CHECKING:
    from workloads_kit import Cluster

REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


class Follower:
    """Asks one ready endpoint after the other, on connections that it keeps."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.answers: dict[str, int] = {}
        self.failures: list[str] = []
        self._ports: list[int] = []
        self._open: dict[int, Connection] = {}

    async def follow(self) -> None:
        client = self.cluster.client
        listing = await client.list(ENDPOINTS, NAMESPACE)
        for body in listing.items:
            self._take(body)
        version = listing.resource_version
        async for event in client.watch(ENDPOINTS, NAMESPACE, resource_version=version):
            if event.type != "BOOKMARK":
                self._take(event.object)

    def _take(self, body: dict) -> None:
        subsets = body.get("subsets") or ()
        self._ports = [s["ports"][0]["port"] for s in subsets if s.get("addresses")]

    async def ask(self) -> None:
        turn = 0
        while True:
            for port in [port for port in self._open if port not in self._ports]:
                self._open.pop(port).abort()
            if self._ports:
                turn += 1
                await self._one(self._ports[turn % len(self._ports)])
            await asyncio.sleep(0.002)

    async def _one(self, port: int) -> None:
        try:
            connection = self._open.get(port)
            if connection is None or connection.closed:
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
                self._open[port] = connection
            # Not wait_for, which in Python 3.11 may swallow the cancellation that ends this test.
            async with asyncio.timeout(5):
                answer = await connection.send(REQUEST)
        except (OSError, TimeoutError) as error:
            self.failures.append(repr(error))
            return
        version = answer.text(b"x-version")
        self.answers[version] = self.answers.get(version, 0) + 1
        if answer.status != 200:
            self.failures.append(str(answer.status))


@contextlib.asynccontextmanager
async def followed(cluster: Cluster):
    follower = Follower(cluster)
    tasks = [asyncio.create_task(follower.follow()), asyncio.create_task(follower.ask())]
    try:
        yield follower
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in follower._open.values():
            connection.abort()
        await asyncio.sleep(0)


async def test_no_request_fails_while_a_deployment_rolls_scales_and_goes_back(
    cluster: Cluster,
) -> None:
    await cluster.serve()
    await cluster.deploy("web", 3, VERSION="v1", LATENCY_MS="3")
    await cluster.rolled_out()
    await until(cluster.addresses)
    async with followed(cluster) as follower:
        await cluster.set_env("web", VERSION="v2", LATENCY_MS="3")
        await cluster.rolled_out()
        await cluster.scale("web", 6)
        await cluster.rolled_out()
        await cluster.scale("web", 1)
        await cluster.rolled_out()
        await cluster.set_env("web", VERSION="v3", LATENCY_MS="3")
        await cluster.rolled_out()

        async def alone() -> bool:
            return len(await cluster.pods()) == 1

        await until(alone)
    assert follower.failures == []
    assert set(follower.answers) == {"v1", "v2", "v3"}
    assert sum(follower.answers.values()) > 50
