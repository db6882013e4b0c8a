"""Serves /metrics, /healthz and /readyz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from autopilot.base.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.runtime.metrics import Metrics

_TEXT = "text/plain; version=0.0.4"


@dataclass(frozen=True, slots=True)
class Probes:
    """What the server asks.

    Attributes:
        live: Why the process should be restarted; empty while it shouldn't.
        ready: Why it isn't ready; empty when it is.
        refresh: Called before metrics are rendered, to bring gauges up to date.
    """

    live: Callable[[], str]
    ready: Callable[[], str]
    refresh: Callable[[], None]


class MetricsServer:
    """A small HTTP server.

    Args:
        address: `HOST:PORT` or `:PORT` for all interfaces; port 0 takes a free one; empty for
            no server at all.
        metrics: What to serve.
        probes: What to ask.
    """

    def __init__(self, address: str, metrics: Metrics, probes: Probes) -> None:
        self._host, self._port = split_address(address) if address else ("", -1)
        self._metrics = metrics
        self._probes = probes
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen; `url` says where.

        Raises:
            InvalidInput: The address is taken or isn't this machine's.
        """
        if self._port < 0:
            return
        app = web.Application()
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/healthz", self._serve_live)
        app.router.add_get("/readyz", self._serve_ready)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.2
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host or None, self._port)
        try:
            await site.start()
        except OSError as error:
            await self.close()
            why = str(error.strerror).rpartition(": ")[2]
            what = f"{self._host}:{self._port} can't be used: {why}"
            hint = 'another port, like :9092, or "" for none'
            raise InvalidInput([Problem("", 0, "metricsAddr", what, hint)]) from error
        port = self._runner.addresses[0][1]
        self.url = f"http://{self._host or '127.0.0.1'}:{port}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        self._probes.refresh()
        return web.Response(body=self._metrics.render(), headers={"Content-Type": _TEXT})

    async def _serve_live(self, _: web.Request) -> web.Response:
        return _answer(self._probes.live())

    async def _serve_ready(self, _: web.Request) -> web.Response:
        return _answer(self._probes.ready())


def _answer(why: str) -> web.Response:
    return web.Response(status=503 if why else 200, text=f"{why or 'ok'}\n")


def split_address(address: str) -> tuple[str, int]:
    """Read `HOST:PORT` or `:PORT`.

    Raises:
        InvalidInput: It is neither.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(
            [Problem("", 0, "metricsAddr", f"{address!r} is no address", "like :9091")]
        )
    return host.strip("[]"), int(port)
