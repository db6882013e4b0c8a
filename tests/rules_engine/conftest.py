"""A Prometheus with a past that a test has written."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from typing import TYPE_CHECKING

import pytest

from autopilot.sandbox.telemetry.fetch import ensure_prometheus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from rules_past import Past


@pytest.fixture
async def remembering(tmp_path: Path) -> AsyncIterator[Callable[[Past], Awaitable[str]]]:
    """Start a Prometheus that remembers a past; its address."""
    binary = await asyncio.to_thread(ensure_prometheus)
    running: list[asyncio.subprocess.Process] = []

    async def start(past: Past) -> str:
        text, data = tmp_path / "past.om", tmp_path / "data"
        text.write_text(past.text())
        promtool = str(binary.with_name("promtool"))
        make = ("tsdb", "create-blocks-from", "openmetrics", str(text), str(data))
        tool = await asyncio.create_subprocess_exec(promtool, *make, stdout=-1, stderr=-1)
        _, said = await asyncio.wait_for(tool.communicate(), 60)
        assert tool.returncode == 0, said
        (tmp_path / "prometheus.yml").write_text("global: {}\n")
        process = await asyncio.create_subprocess_exec(
            str(binary),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            "--web.listen-address=127.0.0.1:0",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        running.append(process)
        return await asyncio.wait_for(_listening(process), 60)

    try:
        yield start
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await process.communicate()
            process._transport.close()  # type: ignore[attr-defined]


async def _listening(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    address, ready, said = "", False, ""
    while not (address and ready):
        line = (await process.stderr.readline()).decode()
        assert line, said
        said += line
        if found := re.search(r"Listening on.* address=\"?(127\.0\.0\.1:\d+)", line):
            address = f"http://{found[1]}"
        ready = ready or "Server is ready to receive web requests" in line
    return address
