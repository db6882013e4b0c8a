"""A hundred services as a mesh's telemetry tells of them, and a gate before Prometheus.

The counters are made up, at a steady rate, for no machine carries a hundred services under load;
Prometheus, the API server and the controller are real. The gate passes every request on and notes
when its answer left.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

NAMESPACE = "shop"
RATE = 50.0
"""Requests per second and service."""

_BOUNDS = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
_TYPICAL = 25
"""Milliseconds within which every request is answered."""


@dataclass
class Town:
    """The services.

    Attributes:
        names: Which.
        bad: The share of requests that fail, by service.
        told: When the first answer with a bad request was scraped, by service.
    """

    names: tuple[str, ...]
    bad: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    _ok: dict[str, float] = field(default_factory=dict)
    _failed: dict[str, float] = field(default_factory=dict)
    _at: float = field(default_factory=time.monotonic)

    async def scrape(self, request: web.Request) -> web.Response:
        """The counters now."""
        del request
        now = time.monotonic()
        passed, self._at = now - self._at, now
        lines: list[str] = []
        for name in self.names:
            share = self.bad.get(name, 0.0)
            self._failed[name] = self._failed.get(name, 0.0) + passed * RATE * share
            self._ok[name] = self._ok.get(name, 0.0) + passed * RATE * (1 - share)
            if share and name not in self.told:
                self.told[name] = time.time()
            lines += self._lines(name)
        return web.Response(text="\n".join(lines) + "\n")

    def _lines(self, name: str) -> list[str]:
        labels = ",".join(
            (
                'reporter="source",source_app="web",source_workload="web"',
                f'destination_service="{name}.{NAMESPACE}.svc.cluster.local"',
                f'destination_service_name="{name}",destination_service_namespace="{NAMESPACE}"',
                f'destination_workload="{name}",destination_workload_namespace="{NAMESPACE}"',
                f'destination_app="{name}",destination_version="v1"',
            )
        )
        ok, failed = self._ok[name], self._failed[name]
        labels += ',response_flags="-"'
        found = [
            f'istio_requests_total{{{labels},response_code="{code}"}} {count:.0f}'
            for code, count in (("200", ok), ("500", failed))
        ]
        metric = "istio_request_duration_milliseconds_bucket"
        for bound in (*_BOUNDS, "+Inf"):
            count = ok + failed if bound == "+Inf" or int(bound) >= _TYPICAL else 0
            found.append(f'{metric}{{{labels},response_code="200",le="{bound}"}} {count:.0f}')
        return found


@dataclass
class Gate:
    """Passes requests on to Prometheus.

    Attributes:
        target: Prometheus's address.
        answers: When each answer left, in wall-clock seconds.
        bytes_out: How large all answers were.
    """

    target: str
    answers: list[float] = field(default_factory=list)
    bytes_out: int = 0
    _session: aiohttp.ClientSession | None = None

    async def ask(self, request: web.Request) -> web.Response:
        """One request, there and back."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        body = await request.read()
        kept = {k: v for k, v in request.headers.items() if k.lower() == "content-type"}
        url = f"{self.target}{request.rel_url}"
        async with self._session.request(request.method, url, data=body, headers=kept) as answer:
            text = await answer.read()
            self.answers.append(time.time())
            self.bytes_out += len(text)
            return web.Response(body=text, status=answer.status, content_type=answer.content_type)

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()


class Served:
    """One handler on a free port of loopback.

    Args:
        handler: Answers every request.
    """

    def __init__(self, handler: Any) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", handler)
        self._runner = web.AppRunner(app, access_log=None)
        self.address = ""

    async def __aenter__(self) -> Served:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await asyncio.sleep(0)
