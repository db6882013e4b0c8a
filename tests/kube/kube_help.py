"""What the tests of the Kubernetes part share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def kubeconfig_for(url: str, token: str = "t", **user: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user or {"token": token}}],
        "contexts": [{"name": "box", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "box",
    }


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition; the only place that polls."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class Scripted:
    """A server that answers what a test says, for answers that a good server never gives."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[web.Request] = []
        self.answer: Handler | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        assert self.answer is not None
        return await self.answer(request)


def config_map(name: str, namespace: str = "default", **data: str) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }
