"""Experiments on an API without Envoy, run by a controller that is a process of its own.

Processes are forked from one that has imported everything, so a life takes half a second.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from traffic_kit import Shop

from autopilot.kube.kinds import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from traffic_kit import Exporter

    from autopilot.kube.client import KubeClient
    from autopilot.sandbox.apiserver.server import ApiServer

Body = dict[str, Any]

VS = "virtualservices.networking.istio.io"
EXPERIMENTS = "experiments.autopilot.mesh"
REPORTS = "reports.autopilot.mesh"
VERDICTS = {"Succeeded", "Failed", "Aborted", "Inconclusive", "Error", "Completed"}
PHASES = ("Checking", "Injecting", "Verifying", "Running", "Recovering")
PATIENCE = 60.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "autopilot.cli.controlling",
        "autopilot.runtime.kopf_shell",
        "autopilot.operators.chaos.definition",
    ]
)


def control(kubeconfig: str, prometheus: str, log: str, config: str) -> None:
    """Be a controller of experiments."""
    from pathlib import Path

    from autopilot.cli.cluster import Access
    from autopilot.cli.controlling import Orders, serve

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    file = Path(config) if config else None
    access = Access(kubeconfig, None, prometheus)
    orders = Orders(access, ("chaos",), config_file=file, metrics_addr="")
    asyncio.run(serve(orders))


class Controller:
    """One process."""

    def __init__(self, kubeconfig: Path, prometheus: str, log: Path, config: str) -> None:
        told = (str(kubeconfig), prometheus, str(log), config)
        self._process = _context.Process(target=control, args=told, daemon=True)
        self._process.start()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def strike(self) -> None:
        """SIGKILL, at once."""
        pid = self._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        await asyncio.to_thread(self._process.join, 10)
        assert not self._process.is_alive()
        self._process.close()


@dataclass
class Cluster:
    """A namespace that agrees to experiments, with somebody's own routes, and its traffic."""

    server: ApiServer
    client: KubeClient
    kubeconfig: Path
    exporter: Exporter
    prometheus: str
    log: Path
    config: str = ""
    namespace: str = field(default_factory=lambda: f"shop-{uuid.uuid4().hex[:8]}")
    shop: Shop = field(default_factory=lambda: Shop(()))
    originals: dict[str, Body] = field(default_factory=dict)

    async def open(
        self, services: Sequence[str], *, passes_on: dict[str, str] | None = None
    ) -> None:
        """Install services, each with a route of its owner's, and let traffic come."""
        self.shop = Shop(tuple(services), passes_on or {})
        agreed = {"autopilot.mesh/chaos": "enabled"}
        self.server.store.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": self.namespace, "annotations": agreed},
            }
        )
        for name in services:
            for body in (self._service(name), self._endpoints(name)):
                self.server.store.create(body)
            await self.client.apply(KNOWN["virtualservices"], self.route(name), manager="helm")
            self.originals[name] = plain(self.get(VS, name))
        self.server.store.on_change(self._changed)
        self.exporter.shops[self.namespace] = self.shop
        await self._measured()

    async def _measured(self) -> None:
        """Wait until Prometheus has a rate of every service over the conditions' window."""
        labels = f'destination_service_namespace="{self.namespace}"'
        rate = f"rate(istio_requests_total{{{labels}}}[2s])"
        query = {"query": f"count(sum by(destination_service_name)({rate}) > 0)"}
        url, timeout = f"{self.prometheus}/api/v1/query", aiohttp.ClientTimeout(total=2)
        async with asyncio.timeout(30), aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                async with session.get(url, params=query) as answer:
                    found = (await answer.json())["data"]["result"]
                if found and int(found[0]["value"][1]) == len(self.shop.services):
                    return
                await asyncio.sleep(0.05)

    def controller(self) -> Controller:
        """A life of the controller."""
        return Controller(self.kubeconfig, self.prometheus, self.log, self.config)

    def get(self, resource: str, name: str) -> Body:
        return dict(self.server.store.get(resource, name, self.namespace))

    def find(self, resource: str, name: str) -> Body | None:
        """The object, if it is there."""
        found = self.server.store.find(resource, name, self.namespace)
        return None if found is None else dict(found)

    def phase(self, name: str) -> str:
        body = self.find(EXPERIMENTS, name) or {}
        return str((body.get("status") or {}).get("phase") or "")

    def on(self, name: str) -> bool:
        """Whether the fault is in the mesh and somebody watches."""
        return self.phase(name) in {"Verifying", "Running"} and bool(self.faulty())

    def over(self, name: str) -> bool:
        return self.phase(name) in VERDICTS

    def faulty(self) -> list[str]:
        """The services whose routes inject something."""
        return sorted(
            body["metadata"]["name"]
            for body in self.server.store.list(VS, self.namespace)
            if any(way.get("fault") for way in body["spec"].get("http", []))
        )

    def marked(self) -> list[str]:
        """The routes that carry anything of autopilot's."""
        return sorted(
            body["metadata"]["name"]
            for body in self.server.store.list(VS, self.namespace)
            if "autopilot.mesh/" in str(body["metadata"])
        )

    def changed_by_anyone(self) -> list[str]:
        """The routes that aren't as their owners left them."""
        now = {name: self.find(VS, name) for name in self.originals}
        return [
            name
            for name, body in now.items()
            if body is None or plain(body) != self.originals[name]
        ]

    def report(self, name: str) -> Body:
        """What is recorded of a run."""
        body = self.find(REPORTS, name)
        assert body is not None, f"there is no Report {name}"
        return body

    # -- what is put there ----------------------------------------------------------------------

    def experiment(self, name: str, target: str, **spec: Any) -> Body:
        """Aborts all requests to a service; judged by another, which copes."""
        condition = {
            "name": "page",
            "trigger": {"successRate": {"service": "page", "window": "2s"}},
            "threshold": "50%",
        }
        wanted = {
            "target": {"service": target},
            "faults": [{"abort": {"httpStatus": 500, "percentage": 100}}],
            "failureConditions": [condition],
            "duration": "3s",
            "pollInterval": "500ms",
            **spec,
        }
        return {
            "apiVersion": "autopilot.mesh/v1alpha1",
            "kind": "Experiment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": wanted,
        }

    def start(self, body: Body) -> None:
        """Apply an experiment."""
        self.server.store.create(body)

    def route(self, name: str) -> Body:
        """The owner's own VirtualService, with a second route that is nobody's business."""
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {"team": "shop"},
                "annotations": {"example.com/contact": "shop@example.com"},
            },
            "spec": {
                "hosts": [name],
                "http": [
                    {
                        "name": "old",
                        "match": [{"uri": {"prefix": "/old"}}],
                        "redirect": {"uri": "/"},
                    },
                    {
                        "name": "main",
                        "route": [{"destination": {"host": name}}],
                        "timeout": "2s",
                    },
                ],
            },
        }

    def _service(self, name: str) -> Body:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80, "name": "http"}]},
        }

    def _endpoints(self, name: str) -> Body:
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
        }

    def _changed(self, change: Any) -> None:
        if change.storage.startswith("virtualservices"):
            self.shop.take_in(self.server.store.list(VS, self.namespace))


async def until(
    condition: Callable[[], object], controller: Controller | None, what: str = ""
) -> None:
    """Wait in real time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert controller is None or controller.alive, "the controller ended by itself"
        assert time.monotonic() < end, f"it doesn't get anywhere: {what}"
        await asyncio.sleep(0.01)


def plain(body: Body) -> Body:
    """What "as before" means: all but versions and times."""
    meta = body["metadata"]
    owners = [
        {key: value for key, value in each.items() if key != "time"}
        for each in meta.get("managedFields") or []
    ]
    return {
        "spec": body["spec"],
        "labels": meta.get("labels") or {},
        "annotations": meta.get("annotations") or {},
        "owners": owners,
    }
