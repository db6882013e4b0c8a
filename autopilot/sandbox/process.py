"""A child process that never outlives the sandbox.

The kernel ends the child when the thread that started it ends (PR_SET_PDEATHSIG), so that even a
SIGKILL of the sandbox leaves nothing behind. The child has a session of its own: Ctrl-C in the
terminal reaches the sandbox alone, which then stops its children in order.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from autopilot.base.errors import TerminalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class Child:
    """One running child process.

    Args:
        argv: The command; the first item is the binary's path.
        log: Where its output goes, appended.
        env: Its whole environment; None inherits ours.
    """

    def __init__(
        self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        parent = os.getpid()

        def tie() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            # Strictly after prctl: a parent that died before it would never be noticed.
            if os.getppid() != parent:
                os._exit(1)

        self.name = os.path.basename(argv[0])  # noqa: PTH119
        self.log = log
        with log.open("ab") as out:
            try:
                self._popen = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=dict(env) if env is not None else None,
                    preexec_fn=tie,  # noqa: PLW1509 — the only way to set the parent-death signal
                    start_new_session=True,
                )
            except OSError as error:
                raise TerminalError(f"{argv[0]} can't be started: {error}") from error

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def check(self) -> None:
        """Raise `TerminalError`, with the end of its log, if it has ended."""
        code = self._popen.poll()
        if code is not None:
            raise TerminalError(f"{self.name} ended with code {code}: {self.tail()}")

    def tail(self, characters: int = 1500) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:].strip()

    async def stop(self, *, grace: float = 5.0, with_signal: int = signal.SIGTERM) -> None:
        """Ask it to end, and kill it when it hasn't after `grace` seconds."""
        if self.running:
            self._popen.send_signal(with_signal)
            try:
                await self._ended(grace)
            finally:
                if self.running:
                    self._popen.kill()
                    self._popen.wait()

    async def _ended(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Restartable:
    """A server in a child process, which may be started again after a stop.

    Args:
        directory: Its own.
        log: The name of its log in there.
    """

    def __init__(self, directory: Path, log: str) -> None:
        self.directory = directory
        self.log = directory / log
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 when it doesn't run."""
        return self._child.pid if self._child else 0

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.running

    async def _launch(self, argv: Sequence[str], ready: Callable[[Child], Awaitable[None]]) -> None:
        """Start it and wait until it is ready; ended again where it doesn't get so far."""
        child = self._child = Child(argv, log=self.log)
        try:
            await ready(child)
        except BaseException:
            await child.stop(grace=1)
            raise

    async def _end(self) -> None:
        if self._child is not None:
            await self._child.stop()
            self._child = None
