"""Syncs per second: a thousand resources change at once, and the operator deals with each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import aiohttp

from benchmarks import fleet
from benchmarks.figures import Outcome
from benchmarks.machine import cost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COUNT = 1000
_SYNCS = re.compile(r"^autopilot_reconcile_total{.*} (\S+)$", re.MULTILINE)


async def measure(*, quick: bool) -> Outcome:
    rounds = 2 if quick else 7
    outcome = Outcome("syncs")
    made, edits = await _rounds(rounds)
    rates = [COUNT / one["seconds"] for one in edits]
    outcome.add(f"spec changes dealt with, {COUNT} at once", "1/s", *rates, aim="≥ 500 1/s")
    outcome.add("  syncs for each", "", *(one["syncs"] / COUNT for one in edits))
    outcome.add("  API calls for each", "", *(sum(o["calls"].values()) / COUNT for o in edits))
    outcome.add("  operator's CPU for each", "ms", *(1000 * one["cpu"] / COUNT for one in edits))
    outcome.add("  API server's CPU for each", "ms", *(1000 * o["api"] / COUNT for o in edits))
    outcome.add(f"new resources dealt with, {COUNT} at once", "1/s", COUNT / made["seconds"])
    outcome.add("  syncs for each", "", made["syncs"] / COUNT)
    outcome.add("  API calls for each", "", sum(made["calls"].values()) / COUNT)
    outcome.notes.append(f"calls of one round of changes: {edits[-1]['calls']}")
    outcome.notes.append(f"calls for new resources: {made['calls']}")
    _, edits = await _rounds(rounds, "--plain")
    rates = [COUNT / one["seconds"] for one in edits]
    outcome.add("spec changes, the worker a plain function", "1/s", *rates)
    outcome.add("  operator's CPU for each", "ms", *(1000 * one["cpu"] / COUNT for one in edits))
    return outcome


async def _rounds(rounds: int, *options: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """All resources made, then changed so many times."""
    with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as home:
        arguments = ("--kubeconfig", f"{home}/kubeconfig", "--count", str(COUNT), *options)
        async with _part("api", *arguments) as api, _part("operator", *arguments) as operator:
            url = await _line(operator)
            made = await _round(api, operator.pid, url, "create")
            return made, [await _round(api, operator.pid, url, "edit") for _ in range(rounds)]


async def _round(
    api: asyncio.subprocess.Process, operator: int, url: str, what: str
) -> dict[str, Any]:
    """Have all resources changed; what came of it."""
    before, before_api, syncs = cost(operator), cost(api.pid), await _syncs(url)
    assert api.stdin is not None
    api.stdin.write(f"{what}\n".encode())
    found: dict[str, Any] = json.loads(await _line(api))
    found["syncs"] = await _syncs(url) - syncs
    found["cpu"] = cost(operator).cpu - before.cpu
    found["api"] = cost(api.pid).cpu - before_api.cpu
    return found


async def _syncs(url: str) -> float:
    """How many syncs the operator has run."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}/metrics") as answer,
    ):
        return sum(float(value) for value in _SYNCS.findall(await answer.text()))


@contextlib.asynccontextmanager
async def _part(part: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.fleet", part, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if part == "api" and await _line(process) != fleet.READY:
            raise RuntimeError("the API server doesn't start")
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), fleet.PATIENCE + 10)
    if not line:
        raise RuntimeError(f"a part of the benchmark has ended: {process}")
    return line.decode().strip()
