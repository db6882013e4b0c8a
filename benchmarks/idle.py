"""What a thousand resources cost that have nothing to do: memory, CPU and calls.

The operator is a project as `autopilot init` makes it, run by `autopilot run`; its worker stays
where it is, so each resource has a timer that runs it every workInterval (5 s, the default).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, ResourceType
from autopilot.sandbox.demo.operator import Operator, command, configure
from autopilot.sandbox.process import Child
from autopilot.sandbox.processes import text_of
from benchmarks.figures import Outcome
from benchmarks.machine import Cost, cost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autopilot.kube.client import KubeClient

COUNT = 1000
PATIENCE = 120.0
NOTES = ResourceType("bench.autopilot.mesh", "v1", "notes", "Note")

_WORKER = '''"""Initializing: stay, and have nothing to say."""

from autopilot import Result

from ..generated import Context, InitializingInputs, InitializingOutputs, Note


async def sync(
    res: Note, inputs: InitializingInputs, ctx: Context
) -> Result[InitializingOutputs]:
    """Look at what is there, and change nothing."""
    inputs.services.find(res.spec.service)
    return Result.stay()
'''


async def measure(*, quick: bool) -> Outcome:
    seconds = 10 if quick else 30
    outcome = Outcome("idle")
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as name:
        home = Path(name)
        await _scaffold(home / "note")
        async with _api(home) as client:
            crd = yaml.safe_load((home / "note/deploy/crd.yaml").read_text())
            await client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd, manager="kubectl")
            operator = Operator(
                home / "note",
                kubeconfig=home / "kubeconfig",
                metrics="http://127.0.0.1:9",
                log=home / "operator.log",
            )
            operator.start()
            try:
                await _measure(client, operator, outcome, seconds)
            finally:
                await operator.stop()
    outcome.notes.append("MB are 10⁶ bytes; private are those that no other process shares")
    return outcome


async def _measure(
    client: KubeClient, operator: Operator, outcome: Outcome, seconds: float
) -> None:
    await _create(client, -1)
    await _handled(client, 1)
    await asyncio.sleep(1)
    empty = cost(operator.pid)
    for start in range(0, COUNT, 50):
        await asyncio.gather(*(_create(client, n) for n in range(start, start + 50)))
    await _handled(client, COUNT + 1)
    await asyncio.sleep(6)
    before, calls = cost(operator.pid), await _calls(client)
    began = time.monotonic()
    await asyncio.sleep(seconds)
    made = await _calls(client) - calls
    after, passed = cost(operator.pid), time.monotonic() - began
    operator.check()
    _tell(outcome, (empty, before, after), made, passed)


def _tell(
    outcome: Outcome, costs: tuple[Cost, Cost, Cost], calls: Counter[str], seconds: float
) -> None:
    empty, before, after = costs
    outcome.add(f"memory with {COUNT} resources (RSS)", "MB", after.rss, aim="≤ 150 MB")
    outcome.add("  of these private", "MB", after.private)
    outcome.add("  with one resource (RSS)", "MB", empty.rss)
    outcome.add(f"API calls in {seconds:.0f} s, watches left out", "", calls.total(), aim="0")
    outcome.add("CPU", "%", 100 * (after.cpu - before.cpu) / seconds)
    if calls:
        outcome.notes.append(f"calls: {dict(calls)}")


async def _scaffold(project: Path) -> None:
    names = ("--kind", NOTES.kind, "--group", NOTES.group, "--version", NOTES.version)
    await command("init", str(project), *names, "--template", "blank")
    (project / "note_operator/workers/initializing.py").write_text(_WORKER)
    configure(project, {"metricsAddr": "127.0.0.1:0", "enableLeaderElection": False})


async def _create(client: KubeClient, number: int) -> None:
    metadata = {"name": f"note-{number % (COUNT + 1):04}", "namespace": "default"}
    body = {"apiVersion": NOTES.api_version, "kind": NOTES.kind, "metadata": metadata}
    async with asyncio.timeout(10):
        while True:
            # A new kind may take a moment until it is served.
            with contextlib.suppress(NotFound):
                await client.create(NOTES, {**body, "spec": {"service": "web"}}, "default")
                return
            await asyncio.sleep(0.05)


async def _handled(client: KubeClient, count: int) -> None:
    """Wait until so many resources have their phase."""
    async with asyncio.timeout(PATIENCE):
        while True:
            notes = (await client.list(NOTES, "default")).items
            if sum(bool(note.get("status", {}).get("phase")) for note in notes) == count:
                return
            await asyncio.sleep(0.5)


async def _calls(client: KubeClient) -> Counter[str]:
    """All that the operator has asked so far, by verb and kind; opening a watch is no such call."""
    journal = await client.request("GET", "/sandbox/requests")
    found = Counter[str]()
    for one in journal["requests"]:
        if one["verb"] != "watch" and "benchmarks" not in one["user_agent"]:
            found[f"{one['verb']} {one['resource'] or one['path']}"] += 1
    return found


@contextlib.asynccontextmanager
async def _api(home: Path) -> AsyncIterator[KubeClient]:
    ready = home / "api-url"
    argv = [sys.executable, "-m", "autopilot.sandbox.apiserver", "--ready-file", str(ready)]
    server = Child([*argv, "--kubeconfig", str(home / "kubeconfig")], log=home / "api.log")
    try:
        async with asyncio.timeout(PATIENCE):
            while not text_of(ready):
                server.check()
                await asyncio.sleep(0.02)
        client = await connect(str(home / "kubeconfig"), user_agent="benchmarks")
        try:
            yield client
        finally:
            await client.close()
    finally:
        await server.stop()
