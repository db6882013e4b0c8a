"""A thousand rules with three signals each, on a hundred services, in one process.

Ten rules a service, judged every 5 s over a window of 30 s: one would fail over, nine only look.
Then ten services break one after the other, and what counts is the time from the answer that shows
it to the write that moves the traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES, ResourceType
from autopilot.sandbox.apiserver.__main__ import write_private
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.demo.operator import COMMAND, command
from autopilot.sandbox.mesh.crds import crds
from autopilot.sandbox.process import Child
from autopilot.sandbox.telemetry.fetch import ensure_prometheus
from autopilot.sandbox.telemetry.prometheus import PrometheusProcess
from benchmarks.figures import Outcome
from benchmarks.machine import cost
from benchmarks.town import NAMESPACE, RATE, Gate, Served, Town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.apiserver.history import Change

SERVICES = 100
RULES = 1000
INTERVAL = 5.0
PATIENCE = 180.0
RULE = ResourceType("autopilot.mesh", "v1alpha1", "rules", "Rule")
SCRAPE = 1.0


async def measure(*, quick: bool) -> Outcome:
    outcome = Outcome("rules")
    services = 20 if quick else SERVICES
    rules = 200 if quick else RULES
    town = Town(tuple(f"svc-{n:03}" for n in range(services)))
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as name:
        home = Path(name)
        async with Served(town.scrape) as exporter, _prometheus(home, exporter.address) as url:
            gate = Gate(url)
            try:
                async with Served(gate.ask) as gates, _api(home) as (server, client):
                    await _populate(client, town, rules)
                    controller = _controller(home, f"http://{gates.address}")
                    try:
                        bench = _Bench(outcome, town, gate, server, client, controller.pid)
                        await bench.run(rules, quick=quick)
                        controller.check()
                    finally:
                        await controller.stop()
            finally:
                await gate.close()
    outcome.notes.append(
        f"{rules} rules on {services} services, {RATE:g} requests/s each (made up, see town.py), "
        f"scraped every {SCRAPE:g} s; MB are 10⁶ bytes"
    )
    return outcome


class _Bench:
    """One run."""

    def __init__(
        self,
        outcome: Outcome,
        town: Town,
        gate: Gate,
        server: ApiServer,
        client: KubeClient,
        pid: int,
    ) -> None:
        self._outcome = outcome
        self._town = town
        self._gate = gate
        self._server = server
        self._client = client
        self._pid = pid
        self._moved: dict[str, float] = {}
        self._news = asyncio.Event()
        server.store.on_change(self._noticed)

    async def run(self, rules: int, *, quick: bool) -> None:
        began = time.monotonic()
        await _judged(self._client, rules)
        self._outcome.add("start until every rule has a phase", "s", time.monotonic() - began)
        await asyncio.sleep(35)
        await self._idle(10.0 if quick else 30.0)
        await self._breaches(3 if quick else 10)

    async def _idle(self, seconds: float) -> None:
        before, asked, size = cost(self._pid), len(self._gate.answers), self._gate.bytes_out
        self._server.requests.clear()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        passed = time.monotonic() - began
        after = cost(self._pid)
        calls = Counter(
            f"{r.verb} {r.resource}" for r in self._server.requests if r.verb != "watch"
        )
        intervals = passed / INTERVAL
        add = self._outcome.add
        add("memory (RSS)", "MB", after.rss)
        add("  of these private", "MB", after.private)
        add("CPU while nothing happens", "%", 100 * (after.cpu - before.cpu) / passed)
        per = (len(self._gate.answers) - asked) / intervals
        add("requests to Prometheus per interval", "", per, aim="tens")
        add("  their answers per interval", "kB", (self._gate.bytes_out - size) / intervals / 1e3)
        add(f"API calls in {seconds:.0f} s, watches left out", "", calls.total(), aim="0")
        if calls:
            self._outcome.notes.append(f"calls: {dict(calls)}")

    async def _breaches(self, count: int) -> None:
        from_scrape, from_answer = [], []
        for name in self._town.names[:count]:
            self._town.bad[name] = 0.5
            async with asyncio.timeout(60):
                while name not in self._moved:
                    self._news.clear()
                    await self._news.wait()
            moved, told = self._moved[name], self._town.told[name]
            answers = [at for at in self._gate.answers if told <= at <= moved]
            from_scrape.append(moved - told)
            from_answer.append(1000 * (moved - max(answers)) if answers else float("nan"))
        add = self._outcome.add
        add("first bad scrape → write", "s", *from_scrape)
        add("  last answer → write", "ms", *from_answer)

    def _noticed(self, change: Change) -> None:
        body = change.entry.body
        if body.get("kind") != "VirtualService":
            return
        name = body["metadata"]["name"]
        routes = body["spec"]["http"][0]["route"]
        if len(routes) > 1 and name not in self._moved:
            self._moved[name] = time.time()
            self._news.set()


def rule(number: int, service: str) -> Body:
    """The first of a service's rules fails over at 5 % errors; the others look at higher limits."""
    limit = 5 if number < SERVICES else 90
    signals = {
        "errors": {"builtin": "errorRate", "window": "30s"},
        "p99": {"builtin": "latency", "quantile": 0.99, "window": "30s"},
        "rate": {"builtin": "requestRate", "window": "30s"},
    }
    when = f"errors > {limit}% || p99 > 5s && rate > 1"
    away = {"to": "Away", "when": when}
    back = {"to": "Normal", "after": "1h"}
    action = {"failover": {"to": f"{service}-standby"}}
    phases: list[Body] = [
        {"name": "Normal", "initial": True, "transitions": [away]},
        {"name": "Away", "actions": [action], "transitions": [back]},
    ]
    spec = {
        "target": {"service": service},
        "interval": "5s",
        "minRequests": 20,
        "signals": signals,
        "phases": phases,
    }
    return _object(RULE.api_version, "Rule", f"rule-{number:04}", spec=spec)


async def _populate(client: KubeClient, town: Town, rules: int) -> None:
    await _each(client, NAMESPACES, [_object("v1", "Namespace", NAMESPACE, namespace="")], "")
    ours = [*yaml.safe_load_all(await command("crds"))]
    for crd in [*crds(), *ours]:
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd, manager="kubectl")
    names = [name for one in town.names for name in (one, f"{one}-standby")]
    ports = [{"port": 80}]
    services = [_object("v1", "Service", name, spec={"ports": ports}) for name in names]
    await _each(client, KNOWN["services"], services)
    await _each(client, KNOWN["endpointslices"], [_endpoints(name) for name in names])
    await _each(client, KNOWN["virtualservices"], [_route(name) for name in town.names])
    many = [rule(n, town.names[n % len(town.names)]) for n in range(rules)]
    await _each(client, RULE, many)


def _endpoints(name: str) -> Body:
    body = _object("discovery.k8s.io/v1", "EndpointSlice", f"{name}-1")
    body["metadata"]["labels"] = {"kubernetes.io/service-name": name}
    endpoint = {"addresses": ["127.0.0.1"], "conditions": {"ready": True}}
    return {**body, "addressType": "IPv4", "endpoints": [endpoint], "ports": [{"port": 80}]}


def _route(name: str) -> Body:
    http = [{"name": "all", "route": [{"destination": {"host": name}}]}]
    version = KNOWN["virtualservices"].api_version
    return _object(version, "VirtualService", name, spec={"hosts": [name], "http": http})


def _object(version: str, kind: str, name: str, namespace: str = NAMESPACE, **more: Any) -> Body:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


async def _each(
    client: KubeClient, kind: ResourceType, bodies: list[Body], namespace: str = NAMESPACE
) -> None:
    for start in range(0, len(bodies), 50):
        chunk = bodies[start : start + 50]
        await asyncio.gather(*(client.create(kind, body, namespace or None) for body in chunk))


async def _judged(client: KubeClient, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            found = (await client.list(RULE, NAMESPACE)).items
            if sum(bool((one.get("status") or {}).get("phase")) for one in found) == count:
                return
            await asyncio.sleep(0.5)


def _controller(home: Path, metrics: str) -> Child:
    argv = [*COMMAND, "controller", "--only", "rules", "--metrics-server", metrics]
    return Child([*argv, "--kubeconfig", str(home / "kubeconfig")], log=home / "controller.log")


@contextlib.asynccontextmanager
async def _prometheus(home: Path, target: str) -> AsyncIterator[str]:
    binary = await asyncio.to_thread(ensure_prometheus)
    process = PrometheusProcess(home / "prometheus", binary, {"town": target}, SCRAPE)
    await process.start()
    try:
        yield process.url
    finally:
        await process.stop()


@contextlib.asynccontextmanager
async def _api(home: Path) -> AsyncIterator[tuple[ApiServer, KubeClient]]:
    server = ApiServer()
    await server.start()
    write_private(home / "kubeconfig", yaml.safe_dump(server.kubeconfig()))
    client = await connect(str(home / "kubeconfig"), user_agent="benchmarks")
    try:
        yield server, client
    finally:
        await client.close()
        await server.stop()
