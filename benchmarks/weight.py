"""From the PATCH of a VirtualService to the last answer of the version that it turned away."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopilot.kube.http import connect
from autopilot.kube.kinds import KNOWN
from autopilot.sandbox.box import Box
from autopilot.sandbox.install import DEMO_NAMESPACE
from autopilot.sandbox.load.generator import LoadGenerator, Target
from benchmarks.figures import Outcome, last_of_version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autopilot.kube.client import Body, KubeClient

RATE = 240.0
"""Requests a second."""

_APP, _VERSIONS = "flip", ("one", "two")
_PATIENCE = 30.0
_WATCHED = 0.25
"""Seconds after a flip in which an old answer would still be seen."""


@dataclass(frozen=True, slots=True)
class Flips:
    """All requests moved from one version to the other, again and again. Times are in seconds.

    Attributes:
        last_old: From just before the PATCH to the sending of the last request that the old
            version answered; zero when none was sent after it.
        written: How long the PATCH took.
        requests: How many there were.
        failed: Of these, without an answer or with a 5xx.
    """

    last_old: list[float]
    written: list[float]
    requests: int
    failed: int


async def measure(*, quick: bool) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as home:
        async with Box(Path(home) / "sandbox") as box:
            flips = await flip(box, 10 if quick else 100)
    outcome = Outcome("weight")
    late = [1000 * seconds for seconds in flips.last_old]
    outcome.add("PATCH sent → last request to the old version", "ms", *late, aim="≤ 50 ms")
    outcome.add("the PATCH alone", "ms", *(1000 * seconds for seconds in flips.written))
    outcome.add("requests", "", flips.requests)
    outcome.add("failed requests", "", flips.failed, aim="0")
    outcome.notes.append(f"{RATE:.0f} requests/s: one every {1000 / RATE:.1f} ms")
    return outcome


async def flip(box: Box, count: int) -> Flips:
    """Move all requests between two versions, in a box that has no such app yet."""
    async with _client(box) as client:
        for body in _app():
            kind = {one.kind: one for one in KNOWN.values()}[body["kind"]]
            await client.apply(kind, body, manager="benchmarks")
        host = f"{_APP}.{DEMO_NAMESPACE}"
        load = LoadGenerator(Target(f"{box.state.ingress_url}/", host, RATE))
        await _served(box, host)
        await load.start()
        try:
            return await _flips(client, load, count)
        finally:
            await load.stop()
            await client.delete(KNOWN["virtualservices"], _APP, DEMO_NAMESPACE)
            for version in _VERSIONS:
                await client.delete(KNOWN["deployments"], f"{_APP}-{version}", DEMO_NAMESPACE)


async def _flips(client: KubeClient, load: LoadGenerator, count: int) -> Flips:
    late, written = [], []
    kind, rng = KNOWN["virtualservices"], random.Random(7)
    await asyncio.sleep(1)
    for number in range(count):
        old, new = _VERSIONS[number % 2], _VERSIONS[(number + 1) % 2]
        patch = {"spec": {"http": _routes({old: 0, new: 100})}}
        # The load's requests are evenly spaced: the flips mustn't be.
        await asyncio.sleep(rng.random() / 10)
        began = time.monotonic()
        await client.patch(kind, _APP, DEMO_NAMESPACE, patch, manager="benchmarks")
        written.append(time.monotonic() - began)
        await asyncio.sleep(_WATCHED)
        last = last_of_version(load.records, old, began)
        late.append(last.at - began if last else 0.0)
        if not any(record.version == new for record in load.window(began)):
            raise RuntimeError(f"the mesh doesn't follow: no answer of {new} in {_WATCHED} s")
    totals = load.totals()
    return Flips(late, written, totals.requests, totals.failed)


@contextlib.asynccontextmanager
async def _client(box: Box) -> AsyncIterator[KubeClient]:
    client = await connect(str(box.kubeconfig), user_agent="benchmarks")
    try:
        yield client
    finally:
        await client.close()


async def _served(box: Box, host: str) -> None:
    """Wait until the first version answers."""
    address = box.state.ingress_url
    async with asyncio.timeout(_PATIENCE):
        while True:
            probe = LoadGenerator(Target(f"{address}/", host, 20))
            await probe.start()
            await asyncio.sleep(0.2)
            await probe.stop()
            if any(record.version == _VERSIONS[0] for record in probe.records):
                return


def _routes(weights: dict[str, int]) -> list[dict[str, Any]]:
    route = [
        {"destination": {"host": f"{_APP}-{version}"}, "weight": weight}
        for version, weight in weights.items()
    ]
    return [{"route": route}]


def _app() -> list[Body]:
    """Two versions, a Service for each and one for callers, all requests to the first."""
    bodies = [_object("v1", "Service", _APP, _service(_VERSIONS[0]))]
    for version in _VERSIONS:
        name = f"{_APP}-{version}"
        bodies.append(_object("apps/v1", "Deployment", name, _deployment(version)))
        bodies.append(_object("v1", "Service", name, _service(version)))
    first, second = _VERSIONS
    spec = {"hosts": [_APP], "http": _routes({first: 100, second: 0})}
    return [*bodies, _object("networking.istio.io/v1", "VirtualService", _APP, spec)]


def _object(api_version: str, kind: str, name: str, spec: Body) -> Body:
    metadata = {"name": name, "namespace": DEMO_NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _service(version: str) -> Body:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"selector": {"app": _APP, "version": version}, "ports": ports}


def _deployment(version: str) -> Body:
    labels = {"app": _APP, "version": version}
    env = [{"name": "VERSION", "value": version}, {"name": "LATENCY_MS", "value": "8"}]
    image = f"example/{_APP}:{version}"
    ports = [{"containerPort": 8080}]
    container = {"name": "app", "image": image, "ports": ports, "env": env}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
