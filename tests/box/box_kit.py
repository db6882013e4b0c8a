"""What the tests of the box ask of the machine."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.processes import identify

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.sandbox.state import State


def pids(state: State) -> list[int]:
    return [process.pid for process in state.processes if process.pid]


def ports(state: State) -> list[int]:
    urls = (state.api_url, state.ingress_url, state.prometheus_url, state.envoy_admin_url)
    return [int(url.rpartition(":")[2]) for url in urls]


def listens(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def alive(pid: int) -> bool:
    return identify(pid) is not None


def wait(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it didn't come true"
        time.sleep(0.02)
    return found


async def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := check()):  # noqa: ASYNC110 — another process can only be asked
            await asyncio.sleep(0.02)
        return found


def gone(state: State) -> bool:
    return not any(alive(pid) for pid in pids(state)) and not any(
        listens(port) for port in ports(state)
    )
