"""A controller as a process of its own, killed with SIGKILL after every single write.

Processes are forked from one that has imported everything, so a life takes half a second.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from halt_kit import Cluster

WRITES = ("create", "update", "patch", "delete")
WRITTEN = (
    "rules.autopilot.mesh",
    "virtualservices.networking.istio.io",
    "destinationrules.networking.istio.io",
)
PATIENCE = 90.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["autopilot.cli.controlling", "autopilot.runtime.kopf_shell", "autopilot.rules.definition"]
)


def control(kubeconfig: str) -> None:
    """Be a controller of rules."""
    from autopilot.cli.cluster import Access
    from autopilot.cli.controlling import Orders, serve

    nowhere = "http://127.0.0.1:9"
    asyncio.run(serve(Orders(Access(kubeconfig, None, nowhere), ("rules",), metrics_addr="")))


class Controller:
    """One process."""

    def __init__(self, kubeconfig: Path) -> None:
        self._process = _context.Process(target=control, args=(str(kubeconfig),), daemon=True)
        self._process.start()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    async def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        await asyncio.to_thread(self._process.join, 10)
        assert not self._process.is_alive()
        self._process.close()


async def until(condition: Callable[[], object], controller: Controller) -> None:
    """Wait in real time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert controller.alive, "the controller ended by itself"
        assert time.monotonic() < end, "it doesn't get anywhere"
        await asyncio.sleep(0.01)


async def live_dying(
    cluster: Cluster, done: Callable[[], bool], check: Callable[[], Any], *, most: int = 40
) -> int:
    """Lives of one write each, until all is done; how many it took."""
    kills = 0
    while not done():
        faults = cluster.server.faults
        numbers = [
            faults.add(
                Fault(
                    "latency-after",
                    verb=verb,
                    resource=resource,
                    seconds=600,
                    agent="autopilot/controller",
                )
            )
            for verb in WRITES
            for resource in WRITTEN
        ]
        controller = Controller(cluster.kubeconfig)
        try:
            await until(lambda: any(map(faults.hits, numbers)) or done(), controller)  # noqa: B023
        finally:
            await controller.kill()
            for number in numbers:
                faults.remove(number)
        kills += 1
        check()
        assert kills < most, "it doesn't get anywhere"
    return kills


async def live(cluster: Cluster, done: Callable[[], bool]) -> None:
    """One life in peace: what is done stays as it is."""
    controller = Controller(cluster.kubeconfig)
    try:
        await until(done, controller)
        requests = cluster.server.requests
        await until(lambda: requests.matching(verb="watch", resource=WRITTEN[0]), controller)
        await asyncio.sleep(1.0)
        assert done()
    finally:
        await controller.kill()
