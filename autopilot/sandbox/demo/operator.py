"""Operators as processes: scaffolded, run and killed through the command line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import yaml

from autopilot.base.errors import TerminalError
from autopilot.sandbox.process import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Line = dict[str, Any]

COMMAND = (sys.executable, "-m", "autopilot")
_POLL = 0.02


async def command(*arguments: str, timeout: float = 60.0) -> str:
    """Run a verb of the command line and return what it prints.

    Raises:
        TerminalError: It failed; the message has what it printed.
    """
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # A Ctrl-C is ours alone: we end it.
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    text = output.decode(errors="replace")
    if process.returncode:
        raise TerminalError(f"autopilot {' '.join(arguments)} failed: {text.strip()}")
    return text


async def scaffold(directory: Path, *, kind: str, group: str, version: str) -> list[str]:
    """`autopilot init` and `autopilot generate --check`; returns the project's files."""
    await command(
        *("init", str(directory), "--kind", kind, "--group", group, "--version", version),
        *("--template", "canary"),
    )
    await command("generate", str(directory), "--check")
    return files_of(directory)


def files_of(directory: Path) -> list[str]:
    """All files below a directory, relative to it."""
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def configure(directory: Path, values: Mapping[str, Any]) -> None:
    """Change fields of the project's `autopilot-operator.yaml`, as its owner would."""
    file = directory / "autopilot-operator.yaml"
    present = yaml.safe_load(file.read_text()) or {}
    file.write_text(yaml.safe_dump({**present, **values}, sort_keys=False))


class Verb:
    """A verb of the command line that runs until it is stopped.

    Args:
        arguments: The verb and what follows it.
        kubeconfig: The sandbox's.
        metrics: Prometheus's address.
        log: Where its log lines go, as JSON.
    """

    def __init__(self, *arguments: str, kubeconfig: Path, metrics: str, log: Path) -> None:
        self._argv = [
            *COMMAND,
            *(*arguments, "--kubeconfig", str(kubeconfig), "--log-format", "json"),
        ]
        self._env = {**os.environ, "METRICS_SERVER": metrics, "PYTHONUNBUFFERED": "1"}
        self._env.pop("KUBECONFIG", None)
        self._log = log
        log.touch()
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The process id of the one that runs, or ran last."""
        return self._child.pid if self._child else 0

    @property
    def log(self) -> Path:
        """Its log."""
        return self._log

    def start(self) -> None:
        """Start it; the log goes on where it was."""
        self._child = Child(self._argv, log=self._log, env=self._env)

    def check(self) -> None:
        """Raise `TerminalError` with the end of its log when it has ended on its own."""
        if self._child is not None:
            self._child.check()

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        if self._child is not None:
            await self._child.stop(with_signal=signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._child is not None:
            await self._child.stop()


class Operator(Verb):
    """The process of a generated operator.

    Args:
        directory: The project.
        kubeconfig: The sandbox's.
        metrics: Prometheus's address.
        log: Where its log lines go, as JSON.
    """

    def __init__(self, directory: Path, *, kubeconfig: Path, metrics: str, log: Path) -> None:
        super().__init__("run", str(directory), kubeconfig=kubeconfig, metrics=metrics, log=log)


async def follow(log: Path, deliver: Callable[[Line], None]) -> None:
    """Deliver each JSON line of a growing file, until cancelled; other lines are passed over."""
    with log.open("rb") as lines:
        rest = b""
        while True:
            chunk = lines.read()
            if not chunk:
                await asyncio.sleep(_POLL)
                continue
            *whole, rest = (rest + chunk).split(b"\n")
            for text in whole:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    deliver(line)
