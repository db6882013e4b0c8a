"""The generator against a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import TYPE_CHECKING

import pytest

from autopilot.sandbox.load.command import RecordFile, read
from autopilot.sandbox.load.generator import LoadGenerator, Target
from autopilot.sandbox.load.stats import Record, totals
from autopilot.sandbox.workloads.app import Identity, PodApp, Ports
from autopilot.sandbox.workloads.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@contextlib.asynccontextmanager
async def served(behaviour: Behaviour) -> AsyncIterator[tuple[PodApp, str]]:
    ports = Ports()
    ports.reserve([8080], {})
    app = PodApp(Identity("demo", "web-1", "web"), behaviour)
    await app.listen(ports)
    try:
        yield app, f"http://127.0.0.1:{ports.numbers[8080]}/"
    finally:
        app.abort()
        await asyncio.sleep(0)


async def test_the_rate_holds_and_every_answer_names_its_version() -> None:
    async with served(Behaviour(version="v1")) as (_, url):
        generator = LoadGenerator(Target(url, rate=200))
        began = time.monotonic()
        await generator.start()
        await asyncio.sleep(1.0)
        elapsed = time.monotonic() - began
        await generator.stop()
        counted = generator.totals()
        assert counted.requests == pytest.approx(200 * elapsed, rel=0.25)
        assert counted.failed == 0
        assert {(r.workload, r.version) for r in generator.records} == {("web", "v1")}


async def test_a_slow_server_does_not_slow_the_rate_down() -> None:
    async with served(Behaviour(latency=0.2)) as (_, url):
        generator = LoadGenerator(Target(url, rate=100, connections=64))
        await generator.start()
        await asyncio.sleep(1.0)
        await generator.stop()
        assert generator.totals().requests >= 90


async def test_waiting_for_a_free_connection_counts_as_latency() -> None:
    async with served(Behaviour(latency=0.1)) as (_, url):
        generator = LoadGenerator(Target(url, rate=50, connections=1))
        await generator.start()
        await asyncio.sleep(0.5)
        await generator.stop()
        assert max(record.duration for record in generator.records) > 0.5


async def test_a_request_that_takes_too_long_has_failed() -> None:
    async with served(Behaviour(latency=5)) as (_, url):
        generator = LoadGenerator(Target(url, rate=20, timeout=0.1))
        await generator.start()
        await asyncio.sleep(0.3)
        await generator.stop()
        records = generator.records
        assert records
        assert {(record.status, record.error) for record in records} == {(0, "timeout")}
        assert generator.totals().failed == len(records)


async def test_a_refused_connection_is_a_failure_and_no_crash() -> None:
    ports = Ports()
    ports.reserve([1], {})
    generator = LoadGenerator(Target(f"http://127.0.0.1:{ports.numbers[1]}/", rate=50))
    await generator.start()
    await asyncio.sleep(0.2)
    await generator.stop()
    ports.release()
    assert generator.totals().failed == generator.totals().requests > 0
    assert {record.error for record in generator.records} == {"ConnectionRefusedError"}


async def test_memory_is_bounded_and_totals_are_not() -> None:
    async with served(Behaviour()) as (_, url):
        generator = LoadGenerator(Target(url, rate=200), kept=10)
        await generator.start()
        await asyncio.sleep(0.3)
        await generator.stop()
        assert len(generator.records) == 10
        assert generator.totals().requests > 40


async def test_connections_are_kept_alive() -> None:
    async with served(Behaviour()) as (app, url):
        opened = []
        before = app.opened
        app.opened = lambda connection: (opened.append(connection), before(connection))[1]  # type: ignore[method-assign]
        generator = LoadGenerator(Target(url, rate=100))
        await generator.start()
        await asyncio.sleep(0.5)
        await generator.stop()
        assert app.served >= 40
        assert len(opened) < 10


def test_a_target_without_a_host_is_refused() -> None:
    with pytest.raises(ValueError, match="write http://"):
        LoadGenerator(Target("127.0.0.1:8080"))


def test_a_file_of_records_is_bounded_and_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "load.ndjson"
    out = RecordFile(path, max_bytes=400)
    for number in range(60):
        out.add(Record(float(number), 0.001, 200, "web", "v1"))
        out.flush()
    out.close()
    found = [record.at for record in read(path)]
    assert found == sorted(found)
    assert found[-1] == 59
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) < 1000


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "load.ndjson"
    path.write_text('[1.0,0.01,200,"web","v1",""]\n[2.0,0.0')
    assert [record.at for record in read(path)] == [1.0]


async def test_the_generator_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "load.ndjson"
    async with served(Behaviour(version="v1", error_rate=0.1)) as (_, url):
        since = time.monotonic()
        options = ["--url", url, "--rate", "100", "--duration", "1", "--out", str(path)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "autopilot.sandbox.load", *options,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await process.communicate()
    assert process.returncode == 0
    records = list(read(path))
    counted = totals(records)
    assert counted.requests >= 80
    assert 0.07 <= counted.failed / counted.requests <= 0.13
    assert f"{counted.failed:,} of {counted.requests:,} requests failed".encode() in said
    assert all(since <= record.at <= time.monotonic() for record in records)
