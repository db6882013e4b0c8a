"""`python -m autopilot.sandbox.node`: the pods and the controllers, in one process and one loop."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from autopilot.base import logs
from autopilot.base.clock import SystemClock
from autopilot.base.tasks import cancel_and_wait
from autopilot.sandbox.install import install
from autopilot.sandbox.processes import text_of
from autopilot.sandbox.upstream import MeshUpstreams
from autopilot.sandbox.workloads.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from autopilot.sandbox.mesh.controller import Mesh

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.01


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m autopilot.sandbox.node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="waited for")
    parser.add_argument("--envoy", type=Path, required=True, help="Envoy's directory")
    parser.add_argument("--admin", type=Path, required=True, help="a file with Envoy's admin URL")
    parser.add_argument("--ready-file", type=Path, required=True, help="told when all is up")
    parser.add_argument("--demo-app", action="store_true", help="apply the demo app")
    parser.add_argument("--log-level", default="INFO")
    return parser.parse_args(argv)


async def _run(options: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(_serve(options, stop))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        # What follows the signal is `_serve`'s own end; only its start can hang on a missing file.
        await asyncio.wait({running}, timeout=3)
    stopped.cancel()
    if running.done():
        running.result()
    await cancel_and_wait(running, stopped)


async def _serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    from autopilot.kube.http import connect
    from autopilot.sandbox.mesh.controller import Mesh

    await _written(options.kubeconfig)
    client = await connect(str(options.kubeconfig), user_agent="autopilot-sandbox")
    try:
        await install(client, demo_app=options.demo_app)
        admin = await _written(options.admin)
        mesh = Mesh(client, directory=options.envoy, admin_url=admin, clock=SystemClock())
        upstreams = MeshUpstreams(lambda: mesh.ports)
        workloads = Workloads(client, upstreams=upstreams)
        async with asyncio.TaskGroup() as group:
            for part in (workloads.run(stop), mesh.run(stop)):
                group.create_task(_until(part, stop))
            group.create_task(_tell(options.ready_file, mesh, stop))
        await upstreams.close()
    finally:
        await client.close()


async def _until(part: Awaitable[None], stop: asyncio.Event) -> None:
    """Run a part; its end, however it comes, is the end of all."""
    try:
        await part
    finally:
        stop.set()


async def _tell(path: Path, mesh: Mesh, stop: asyncio.Event) -> None:
    ready, stopped = asyncio.create_task(mesh.ready.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    stopped.cancel()
    if mesh.ready.is_set():
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps({"ingress": mesh.ingress_port}))
        partial.replace(path)


async def _written(path: Path) -> str:
    """The text of a file that another process is about to write."""
    while True:
        if text := text_of(path):
            return text
        await asyncio.sleep(LOOK_SECONDS)


def main(argv: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    options = _arguments(argv)
    logs.configure(logging.getLevelNamesMapping().get(options.log_level.upper(), logging.INFO))
    asyncio.run(_run(options))


if __name__ == "__main__":
    main()
