"""Many resources of one kind, and an operator on them in a process of its own.

`python -m benchmarks.fleet api` serves the API and, for each line on its standard input, changes
every resource in its own store, so that nobody's requests but the operator's count; it answers
with one line of JSON once the operator has dealt with all. `… operator` runs the operator.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopilot.base import logs
from autopilot.kube.http import connect
from autopilot.kube.kinds import ResourceType
from autopilot.runtime.definition import OperatorDefinition, PhaseDefinition
from autopilot.runtime.operator import Runtime
from autopilot.runtime.result import Result
from autopilot.runtime.settings import RuntimeOptions
from autopilot.sandbox.apiserver.__main__ import die_with_parent, write_private
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.spec.model import Spec, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autopilot.sandbox.apiserver.history import Change

FLEET = ResourceType("bench.autopilot.mesh", "v1", "crafts", "Craft")
NAMESPACE = "default"
PATIENCE = 120.0
READY = "serving"


class CraftSpec(Spec):
    """What a resource asks for."""

    value: int = 0


class CraftStatus(Status):
    """What the worker has seen."""

    seen: int = -1


async def _new(res: Any, inputs: Any, ctx: Any) -> Result[None]:
    del inputs, ctx
    return Result.to("Ready", status={"seen": res.spec.value})


async def _ready(res: Any, inputs: Any, ctx: Any) -> Result[None]:
    del inputs, ctx
    return Result.stay(status={"seen": res.spec.value})


def _plain(res: Any, inputs: Any, ctx: Any) -> Result[None]:
    """The same as a plain function, which gets a thread."""
    del inputs, ctx
    return Result.stay(status={"seen": res.spec.value})


def definition(*, plain: bool) -> OperatorDefinition:
    """Two phases, the smallest workers that do something."""
    phases = (
        PhaseDefinition("New", _new, initial=True, transitions=("Ready",)),
        PhaseDefinition("Ready", _plain if plain else _ready, transitions=()),
    )
    return OperatorDefinition("fleet", FLEET, phases, spec=CraftSpec, status=CraftStatus)


def crd() -> dict[str, Any]:
    """The kind, its schema left open."""
    names = {"kind": FLEET.kind, "plural": FLEET.plural, "singular": FLEET.kind.lower()}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": FLEET.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": FLEET.qualified},
        "spec": {
            "group": FLEET.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def craft(number: int) -> dict[str, Any]:
    """One resource."""
    metadata = {"name": f"craft-{number:04}", "namespace": NAMESPACE}
    spec = {"value": 0}
    return {"apiVersion": FLEET.api_version, "kind": FLEET.kind, "metadata": metadata, "spec": spec}


@dataclass
class Fleet:
    """All resources, and what is still to be done to them.

    Attributes:
        server: Where they are.
        count: How many.
        value: What all of them ask for now.
        waiting: Those that the operator hasn't dealt with.
        done: Set when there is none.
    """

    server: ApiServer
    count: int
    value: int = 0
    waiting: set[str] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def noticed(self, change: Change) -> None:
        """Strike off whoever's status says what its spec does."""
        if not self.waiting:
            return
        body = change.entry.body
        status = body.get("status") or {}
        generation = body["metadata"].get("generation")
        if status.get("seen") == self.value and status.get("observedGeneration") == generation:
            self.waiting.discard(body["metadata"]["name"])
            if not self.waiting:
                self.done.set()

    async def change(self, act: Callable[[int], object]) -> dict[str, Any]:
        """Change all; says how long the changes and the operator took, and which calls it made."""
        self.waiting = {craft(number)["metadata"]["name"] for number in range(self.count)}
        self.done.clear()
        self.server.requests.clear()
        began = time.monotonic()
        for number in range(self.count):
            act(number)
            if number % 20 == 0:
                # The loop also serves the operator, which is at work already.
                await asyncio.sleep(0)
        written = time.monotonic() - began
        async with asyncio.timeout(PATIENCE):
            await self.done.wait()
        seconds = time.monotonic() - began
        # Events come a moment later.
        await asyncio.sleep(1)
        calls = Counter(f"{r.verb} {r.resource}" for r in self.server.requests if r.verb != "watch")
        return {"seconds": seconds, "written": written, "calls": dict(calls)}

    async def create(self) -> dict[str, Any]:
        """Make all resources."""
        return await self.change(lambda number: self.server.store.create(craft(number)))

    async def edit(self) -> dict[str, Any]:
        """Give each resource another spec."""
        self.value += 1
        patch = {"spec": {"value": self.value}}
        store = self.server.store
        return await self.change(
            lambda n: store.merge(FLEET.qualified, craft(n)["metadata"]["name"], patch, NAMESPACE)
        )


async def _api(options: argparse.Namespace) -> None:
    server = ApiServer()
    await server.start()
    fleet = Fleet(server, options.count)
    server.store.create(crd())
    server.store.on_change(fleet.noticed)
    write_private(options.kubeconfig, json.dumps(server.kubeconfig()) + "\n")
    print(READY, flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        found = await (fleet.create() if line == "create" else fleet.edit())
        print(json.dumps(found), flush=True)
    await server.stop()


async def _operate(options: argparse.Namespace) -> None:
    logs.configure(logging.ERROR)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await connect(str(options.kubeconfig), user_agent="fleet")
    try:
        # No tick falls into a round: what is counted is what the changes cost.
        settings = RuntimeOptions(metrics_addr="127.0.0.1:0", work_interval=timedelta(hours=1))
        runtime = Runtime([definition(plain=options.plain)], client=client, options=settings)
        serving = asyncio.create_task(runtime.run(stop))
        while not runtime.ready and not serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        print(runtime.metrics_url, flush=True)
        await serving
    finally:
        await client.close()


def main(argv: Sequence[str] | None = None) -> None:
    """Be the API or the operator, until the parent ends or closes the input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("part", choices=("api", "operator"))
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--plain", action="store_true", help="plain functions as workers")
    options = parser.parse_args(argv)
    die_with_parent(os.getppid())
    asyncio.run(_api(options) if options.part == "api" else _operate(options))


if __name__ == "__main__":
    main()
