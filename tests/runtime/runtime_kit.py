"""What the runtime's tests share: a kind, a server, a runtime on virtual time."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field

from autopilot.base.clock import VirtualClock
from autopilot.kube.http import HttpKubeClient, connect
from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.runtime.definition import Input, OperatorDefinition, Output, PhaseDefinition
from autopilot.runtime.operator import Runtime
from autopilot.runtime.record import SyncRecord
from autopilot.runtime.settings import RuntimeOptions
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.spec.model import Config, Spec, Status
from autopilot.telemetry.queries import QuerySet, QueryTemplate
from autopilot.telemetry.scripted import ScriptedSamples
from autopilot.testing import pacing

Body = dict[str, Any]

RAMP = ResourceType("test.autopilot.mesh", "v1", "ramps", "Ramp")
PLURAL = RAMP.qualified
CONFIG_MAPS = KNOWN["configmaps"]
DEPLOYMENTS = KNOWN["deployments"]


class RampSpec(Spec):
    target: str = "web"
    steps: int = 3


class RampStatus(Status):
    step: int = 0
    note_text: str | None = None
    picked: dict[str, int] = Field(default_factory=dict)


class RampConfig(Config):
    greeting: str = "hello"


@dataclass
class Outputs:
    configmaps: Any = None


def crd() -> Body:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{RAMP.plural}.{RAMP.group}"},
        "spec": {
            "group": RAMP.group,
            "names": {"kind": RAMP.kind, "plural": RAMP.plural, "singular": "ramp"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": RAMP.version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }


def ramp(name: str = "r", namespace: str = "default", **spec: Any) -> Body:
    return {
        "apiVersion": RAMP.api_version,
        "kind": RAMP.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def config_map(name: str, namespace: str = "default", **data: str) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def define(*phases: PhaseDefinition, **more: Any) -> OperatorDefinition:
    return OperatorDefinition(
        name="ramp",
        kind=RAMP,
        phases=phases,
        queries=QuerySet([QueryTemplate("rate", ("app",), 'rate{app="{{ app }}"}')]),
        spec=RampSpec,
        status=RampStatus,
        config=RampConfig,
        **more,
    )


def phase(name: str, worker: Any = None, **more: Any) -> PhaseDefinition:
    return PhaseDefinition(name, worker, **more)


MAPS_IN = Input("configmaps", CONFIG_MAPS)
MAPS_OUT = Output("configmaps", CONFIG_MAPS)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition; the only place that polls."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@dataclass
class Process:
    """A running runtime."""

    runtime: Runtime
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 10)

    async def kill(self) -> None:
        """As SIGKILL would: nothing is finished."""
        self.task.cancel()
        await self.runtime.queue.abandon()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self.task


@dataclass
class Box:
    """An API server, a clock, scripted samples, and runtimes on them."""

    server: ApiServer
    client: HttpKubeClient
    clock: VirtualClock = field(default_factory=VirtualClock)
    samples: ScriptedSamples = field(init=False)
    processes: list[Process] = field(default_factory=list)
    provider: Any = None
    rested: Any = None

    def __post_init__(self) -> None:
        self.samples = ScriptedSamples(self.clock, interval=1.0)

    async def run(
        self,
        definition: OperatorDefinition,
        *,
        client: Any = None,
        wait: bool = True,
        **options: Any,
    ) -> Process:
        given = {
            "shell": False,
            "work_interval": timedelta(seconds=5),
            "stop_timeout": 5.0,
            **options,
        }
        runtime = Runtime(
            [definition],
            client=client or self.client,
            samples=self.samples,
            provider=self.provider,
            clock=self.clock,
            options=RuntimeOptions(**given),
        )
        stop = asyncio.Event()
        process = Process(runtime, stop, asyncio.create_task(runtime.run(stop)))
        self.processes.append(process)
        if wait:
            await self.settle()
        return process

    @property
    def runtime(self) -> Runtime:
        return self.processes[-1].runtime

    async def settle(self) -> None:
        process = self.processes[-1]
        await pacing.unless_ended(self._rest(process.runtime), process.task)

    async def _rest(self, runtime: Runtime) -> None:
        await runtime.queue.settled()
        if self.rested != (runtime, self.server.store.version):
            await runtime.settled(15)
            self.rested = (runtime, self.server.store.version)

    async def advance(self, seconds: float) -> None:
        """Let virtual time go by, timer for timer."""
        await pacing.advance(self.clock, seconds, self.settle)

    def create(self, body: Body) -> Body:
        return self.server.store.create(body)

    def edit(self, name: str = "r", subresource: str = "", **patch: Any) -> Body:
        return self.server.store.merge(PLURAL, name, patch, "default", subresource=subresource)

    def get(self, name: str = "r") -> Body:
        return self.server.store.get(PLURAL, name, "default")

    def status(self, name: str = "r") -> Body:
        return dict(self.get(name).get("status") or {})

    def condition(self, kind: str = "Ready", name: str = "r") -> Body:
        return next((c for c in self.status(name).get("conditions", []) if c["type"] == kind), {})

    def config_map(self, name: str) -> Body | None:
        return self.server.store.find("configmaps", name, "default")

    def events(self, reason: str | None = None) -> list[Body]:
        found = self.server.store.list("events", "default")
        return [e for e in found if reason in (None, e["reason"])]

    def writes(self) -> list[Any]:
        return [
            one
            for one in self.server.requests
            if one.verb in {"create", "update", "patch", "delete"} and one.resource != "events"
        ]

    @property
    def records(self) -> list[SyncRecord]:
        return list(self.runtime.records)


@contextlib.asynccontextmanager
async def open_box(folder: Path) -> AsyncIterator[Box]:
    server = ApiServer()
    await server.start()
    server.store.create(crd())
    path = folder / f"kubeconfig-{next(_numbers)}"
    path.write_text(json.dumps(server.kubeconfig()))
    client = await connect(str(path), timeout=5.0)
    box = Box(server, client)
    try:
        yield box
    finally:
        for process in box.processes:
            if not process.task.done():
                await process.end()
        await client.close()
        await server.stop()


_numbers = itertools.count(1)
