"""The command against a real API server and, where it is asked for, a real controller."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from autopilot.base.clock import SystemClock
from autopilot.mesh.istio.provider import Istio
from autopilot.operators.chaos.definition import experiments
from autopilot.operators.chaos.model import EXPERIMENTS
from autopilot.runtime.operator import Runtime
from autopilot.runtime.settings import RuntimeOptions
from autopilot.telemetry.scripted import ScriptedSamples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient
    from autopilot.sandbox.apiserver.server import ApiServer

NS = "shop"
COMMAND = Path(sys.executable).with_name("autopilot")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass
class Shop:
    """A namespace with `ratings` and `reviews` that experiments may be made in."""

    server: ApiServer
    client: HttpKubeClient
    folder: Path
    kubeconfig: str
    samples: ScriptedSamples = field(init=False)

    def __post_init__(self) -> None:
        self.samples = ScriptedSamples(SystemClock(), interval=0.2)
        for query, value in (("error-rate", 0.0), ("success-rate", 1.0), ("latency", 40.0)):
            self.samples.set(query, value)

    def create(self, body: Body) -> None:
        self.server.store.create(body)

    def write(self, body: Body, name: str = "experiment.yaml") -> str:
        (self.folder / name).write_text(yaml.safe_dump(body, sort_keys=False))
        return name

    async def autopilot(self, *arguments: str) -> Done:
        """Run the installed command; HOME is an empty place."""
        process = await self.start(*arguments)
        return await ended(process)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "COLUMNS": "120"}
        return await asyncio.create_subprocess_exec(
            str(COMMAND),
            "experiment",
            *arguments,
            *(["--kubeconfig", self.kubeconfig] if arguments[0] != "validate" else []),
            cwd=self.folder,
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    def status(self, name: str) -> dict[str, Any]:
        found = self.server.store.find(EXPERIMENTS.qualified, name, NS)
        return dict((found or {}).get("status") or {})

    async def until_phase(self, name: str, phase: str) -> None:
        async with asyncio.timeout(30):
            while self.status(name).get("phase") != phase:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def faults(self) -> list[Any]:
        return [
            http["fault"]
            for body in self.server.store.list("virtualservices.networking.istio.io", NS)
            for http in body["spec"]["http"]
            if "fault" in http
        ]

    @contextlib.asynccontextmanager
    async def controller(self) -> AsyncIterator[None]:
        """Serves experiments in this process, with scripted telemetry."""
        runtime = Runtime(
            [experiments(SystemClock())],
            client=self.client,
            samples=self.samples,
            provider=Istio(),
            clock=SystemClock(),
            options=RuntimeOptions(shell=False, work_interval=timedelta(seconds=1)),
        )
        stop = asyncio.Event()
        task = asyncio.create_task(runtime.run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 20)


async def ended(process: asyncio.subprocess.Process) -> Done:
    out, err = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def said(process: asyncio.subprocess.Process, text: str) -> str:
    """Read standard error until a line holds a text."""
    assert process.stderr is not None
    lines = ""
    async with asyncio.timeout(60):
        while text not in lines:
            line = (await process.stderr.readline()).decode()
            assert line, lines
            lines += line
    return lines


def interrupt(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGINT)


def experiment(name: str = "ratings-down", **spec: Any) -> Body:
    made = {
        "target": {"service": "ratings"},
        "faults": [{"abort": {"httpStatus": 500, "percentage": 100}}],
        "failureConditions": [
            {
                "name": "errors",
                "trigger": {"errorRate": {"service": "reviews", "window": "10s"}},
                "threshold": "10%",
            }
        ],
        "duration": "3s",
        "pollInterval": "500ms",
        "effect": {"verify": False},
        **spec,
    }
    return {
        "apiVersion": EXPERIMENTS.api_version,
        "kind": "Experiment",
        "metadata": {"name": name, "namespace": NS},
        "spec": made,
    }


def kubeconfig(server: ApiServer, folder: Path) -> str:
    path = folder / "kubeconfig"
    path.write_text(json.dumps(server.kubeconfig()))
    return str(path)
