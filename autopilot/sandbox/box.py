"""A mesh in a box: API server, node, Envoy and Prometheus, up and down together.

Everything listens on loopback, on free ports, and keeps its files in one directory, which goes
with the box. The kernel ends the processes when this one ends, however it ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from autopilot.base.errors import TerminalError
from autopilot.base.logs import fields
from autopilot.sandbox import state as states
from autopilot.sandbox.load.connection import Connection
from autopilot.sandbox.mesh.envoy import EnvoyProcess
from autopilot.sandbox.process import Child
from autopilot.sandbox.processes import text_of
from autopilot.sandbox.state import Process, State
from autopilot.sandbox.telemetry.fetch import ensure_prometheus
from autopilot.sandbox.telemetry.prometheus import PrometheusProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds within which a part has to be up; loaded machines take their time."""

DEMO_HOST = "web.demo"
_LOOK = 0.01


class Box:
    """One sandbox.

    Args:
        directory: For its files; made by `start`, removed by `stop`. Must not exist, or be empty.
        name: How it is called; the directory's name by default.
        load_rate: Requests a second on the demo app, which is then installed; None for no load.
        scrape_interval: Seconds between Prometheus's looks at Envoy.
        demo_app: Whether to install the demo app.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "",
        load_rate: float | None = None,
        scrape_interval: float = 0.5,
        demo_app: bool = False,
    ) -> None:
        self.directory = directory
        self.name = name or directory.name
        self._load_rate = load_rate
        self._scrape_interval = scrape_interval
        self._demo_app = demo_app or load_rate is not None
        self._children: dict[str, Child] = {}
        self._envoy = EnvoyProcess(directory / "envoy")
        self._prometheus: PrometheusProcess | None = None
        self._prometheus_version = ""
        self._api_url = ""
        self._ingress_url = ""
        self._phase = states.STARTING
        self._seen: set[str] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def kubeconfig(self) -> Path:
        """Its kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def load_records(self) -> Path:
        """Where the load's records are; read them with `load.command.read`."""
        return self.directory / "load.ndjson"

    async def start(self) -> None:
        """Start everything and wait until it serves.

        Raises:
            TerminalError: A part can't be started; nothing is left of the others.
        """
        if self.directory.exists() and any(self.directory.iterdir()):
            raise TerminalError(f"{self.directory} isn't empty; a sandbox removes its directory")
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        self._phase = states.READY

    async def stop(self) -> None:
        """End everything and remove the directory; again is harmless."""
        self._phase = states.STOPPED
        await self._end("load")
        await asyncio.gather(
            self._end("node"),
            self._envoy.stop(),
            self.stop_prometheus(),
            return_exceptions=True,
        )
        await self._end("apiserver")
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    async def stop_prometheus(self) -> None:
        """Stop Prometheus alone; `start_prometheus` brings it back on the same port."""
        if self._prometheus is not None:
            await self._prometheus.stop()

    async def start_prometheus(self) -> None:
        """Start Prometheus again, with the data it had.

        Raises:
            TerminalError: It can't be started.
        """
        if self._prometheus is not None and not self._prometheus.pid:
            await self._prometheus.start()

    @property
    def state(self) -> State:
        """What runs now, and where."""
        processes = self._processes()
        ended = [one.name for one in processes if one.pid and not one.running]
        for name in ended:
            if name not in self._seen and self._phase == states.READY:
                self._seen.add(name)
                log.error("a process of the sandbox has ended", extra=fields(process=name))
        broken = self._phase == states.READY and ended
        logs_in = f"the logs are in {self.directory}"
        message = f"ended by itself: {', '.join(ended)}; {logs_in}" if broken else ""
        return State(
            name=self.name,
            phase=states.BROKEN if broken else self._phase,
            directory=str(self.directory),
            kubeconfig=str(self.kubeconfig),
            api_url=self._api_url,
            ingress_url=self._ingress_url,
            prometheus_url=self._prometheus.url if self._prometheus else "",
            envoy_admin_url=self._envoy.admin_url,
            processes=processes,
            message=message,
        )

    async def _start(self) -> None:
        stop = threading.Event()
        binary = asyncio.create_task(asyncio.to_thread(ensure_prometheus, stop=stop))
        api_ready, node_ready = self.directory / "api-url", self.directory / "node-ready"
        admin = self.directory / "envoy-admin"
        self._spawn(
            "apiserver",
            *("autopilot.sandbox.apiserver", "--port", "0", "--parent", str(os.getpid())),
            *("--kubeconfig", str(self.kubeconfig), "--ready-file", str(api_ready)),
        )
        self._spawn(
            "node",
            *("autopilot.sandbox.node", "--kubeconfig", str(self.kubeconfig)),
            *("--envoy", str(self._envoy.directory), "--admin", str(admin)),
            *("--ready-file", str(node_ready), *(["--demo-app"] if self._demo_app else [])),
        )
        try:
            await self._envoy.start()
            partial = admin.with_name(".envoy-admin")
            partial.write_text(self._envoy.admin_url)
            partial.replace(admin)
            self._prometheus = PrometheusProcess(
                self.directory / "prometheus",
                await binary,
                {"envoy": self._envoy.admin_url.removeprefix("http://")},
                self._scrape_interval,
            )
            await self._prometheus.start()
        finally:
            # A thread can't be cancelled, but told.
            stop.set()
            binary.cancel()
        self._prometheus_version = await asyncio.to_thread(lambda p: p.version, self._prometheus)
        self._api_url = await self._written(api_ready, "apiserver")
        ports: dict[str, Any] = json.loads(await self._written(node_ready, "node"))
        self._ingress_url = f"http://127.0.0.1:{ports['ingress']}"
        if self._demo_app:
            await self._demo_app_answers(int(ports["ingress"]))
        if self._load_rate is not None:
            self._start_load(self._load_rate)

    def _spawn(self, name: str, module: str, *arguments: str) -> None:
        argv = [sys.executable, "-m", module, *arguments]
        self._children[name] = Child(argv, log=self.directory / f"{name}.log")

    def _start_load(self, rate: float) -> None:
        self._spawn(
            "load",
            *("autopilot.sandbox.load", "--url", f"{self._ingress_url}/", "--host", DEMO_HOST),
            *("--rate", str(rate), "--out", str(self.load_records)),
        )

    async def _end(self, name: str) -> None:
        child = self._children.get(name)
        if child is not None:
            await child.stop()

    async def _written(self, path: Path, name: str) -> str:
        """What a child says when it is ready."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if text := text_of(path):
                return text
            self._children[name].check()
            await asyncio.sleep(_LOOK)
        tail = self._children[name].tail()
        raise TerminalError(f"{name} isn't ready after {PATIENCE:g} s: {tail}")

    async def _demo_app_answers(self, port: int) -> None:
        request = f"GET /healthz HTTP/1.1\r\nHost: {DEMO_HOST}\r\n\r\n".encode()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if await _status(port, request) == 200:
                return
            await asyncio.sleep(_LOOK)
        raise TerminalError("the demo app doesn't answer through the mesh; see node.log")

    def _processes(self) -> tuple[Process, ...]:
        urls: dict[str, str] = {"apiserver": self._api_url}
        found = [
            Process(name, child.pid, child.running, urls.get(name, ""), log=str(child.log))
            for name, child in self._children.items()
        ]
        envoy, prometheus = self._envoy, self._prometheus
        found.append(
            Process(
                *("envoy", envoy.pid, envoy.running, envoy.admin_url, envoy.version),
                log=str(envoy.log),
            )
        )
        if prometheus is not None:
            version, output = self._prometheus_version, str(prometheus.log)
            running = prometheus.running
            found.append(
                Process("prometheus", prometheus.pid, running, prometheus.url, version, output)
            )
        return _in_order(found)


async def _status(port: int, request: bytes) -> int:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    try:
        async with asyncio.timeout(1):
            return (await connection.send(request)).status
    except (OSError, TimeoutError):
        return 0
    finally:
        connection.abort()


def _in_order(found: Sequence[Process]) -> tuple[Process, ...]:
    order = ("apiserver", "node", "envoy", "prometheus", "load")
    return tuple(sorted(found, key=lambda one: order.index(one.name)))
