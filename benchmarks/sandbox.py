"""How long a sandbox takes to come up, `autopilot init` to scaffold, and `--help` to answer."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import click

from autopilot.cli.main import cli
from autopilot.sandbox.box import Box
from autopilot.sandbox.demo.operator import command
from autopilot.sandbox.processes import text_of
from autopilot.sandbox.telemetry.fetch import ensure_prometheus
from benchmarks.figures import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Found = TypeVar("Found")

_LOOK = 0.005
_PATIENCE = 60.0
_IDENTITY = ("--kind", "Canary", "--group", "bench.autopilot.mesh", "--version", "v1alpha1")


async def measure(*, quick: bool) -> Outcome:
    runs = 2 if quick else 5
    await asyncio.to_thread(ensure_prometheus)
    api, pods, sample, scaffold = [], [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="autopilot-bench-") as home:
            started = await _start(Path(home) / "sandbox")
            api.append(started[0])
            pods.append(started[1])
            sample.append(started[2])
            scaffold.append(await _timed(lambda: command("init", f"{home}/canary", *_IDENTITY)))
    helps = {verb: await _help(verb, runs) for verb in ["", *cli.list_commands(click.Context(cli))]}
    slowest = max(helps, key=lambda verb: max(helps[verb]))
    outcome = Outcome("sandbox")
    outcome.add("API ready", "s", *api, aim="≤ 1 s")
    outcome.add("the demo app answers through Envoy", "s", *pods)
    outcome.add("first sample in Prometheus", "s", *sample, aim="≤ 10 s")
    outcome.add("autopilot init", "s", *scaffold, aim="≤ 1 s")
    outcome.add("--help, all verbs", "s", *(v for each in helps.values() for v in each))
    outcome.add(f"--help, slowest verb ({slowest or 'none'})", "s", *helps[slowest], aim="≤ 0.3 s")
    return outcome


async def _start(directory: Path) -> tuple[float, float, float]:
    """Seconds from the start of a box to its API, its pods and its first sample."""
    began = time.monotonic()
    box = Box(directory, load_rate=50)
    looking = asyncio.create_task(_api(directory, began))
    try:
        await box.start()
        pods = time.monotonic() - began
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            url, query = f"{box.state.prometheus_url}/api/v1/query", "istio_requests_total"
            await _until(lambda: _answer(session, url, query))
        return await looking, pods, time.monotonic() - began
    finally:
        looking.cancel()
        await box.stop()


async def _api(directory: Path, began: float) -> float:
    """Seconds until the API answers: it says where it is, and is asked."""

    async def told() -> str:
        return text_of(directory / "api-url")

    url = await _until(told)
    timeout = aiohttp.ClientTimeout(total=2)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}/readyz") as answer,
    ):
        await answer.read()
    return time.monotonic() - began


async def _answer(session: aiohttp.ClientSession, url: str, query: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(url, params={"query": query}) as answer:
            told = await answer.json()
            return bool(told.get("data", {}).get("result"))
    return False


async def _until(find: Callable[[], Awaitable[Found]]) -> Found:
    """Wait until something is found."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            if found := await find():
                return found
            await asyncio.sleep(_LOOK)


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.monotonic()
    await work()
    return time.monotonic() - began


async def _help(verb: str, runs: int) -> list[float]:
    arguments = [verb] * bool(verb) + ["--help"]
    return [await _timed(lambda: command(*arguments)) for _ in range(runs)]
