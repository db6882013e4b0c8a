"""One API server as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m autopilot.sandbox.apiserver",
        description="A Kubernetes-compatible API server, in memory, on loopback.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--kubeconfig", type=Path, help="write a kubeconfig to this file")
    parser.add_argument("--ready-fd", type=int, help="write the URL to this descriptor, close it")
    parser.add_argument("--ready-file", type=Path, help="write the URL to this file")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    return parser.parse_args(argv)


def die_with_parent(parent: int | None) -> None:
    """Have the kernel end this process when its parent ends; by SIGTERM.

    The parent may have ended before the kernel was asked: `parent` is who it should be.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        raise SystemExit("the process that started this server is gone")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


async def _serve(options: argparse.Namespace) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = ApiServer()
    await server.start(port=options.port)
    if options.kubeconfig is not None:
        # JSON is YAML, and needs no import.
        write_private(options.kubeconfig, json.dumps(server.kubeconfig(), indent=2) + "\n")
    if options.ready_file is not None:
        write_private(options.ready_file, server.url + "\n")
    if options.ready_fd is not None:
        with os.fdopen(options.ready_fd, "w") as file:
            file.write(server.url + "\n")
    await ended.wait()
    await server.stop()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the parent."""
    options = _arguments(argv)
    die_with_parent(options.parent)
    asyncio.run(_serve(options))


if __name__ == "__main__":
    main()
