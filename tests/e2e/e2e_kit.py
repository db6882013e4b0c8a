"""The demo as a process, as a user runs it, and what it leaves on the machine."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence

COMMAND = (sys.executable, "-m", "autopilot", "demo", "canary")
_PORT = re.compile(r"127\.0\.0\.1:(\d+)")


class Demo:
    """One run, with a folder for temporary files of its own.

    Args:
        folder: For its temporary files and its output.
        arguments: After `autopilot demo canary`.
        argv: The whole command instead.
        env: Added to the environment.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        argv: Sequence[str] = COMMAND,
        env: dict[str, str] | None = None,
    ) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.lines: list[str] = []
        self._errors = folder / "stderr"
        environment = {**os.environ, "TMPDIR": str(self.temporary), **(env or {})}
        environment.pop("PYTEST_CURRENT_TEST", None)
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*argv, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**environment, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def errors(self) -> str:
        return self._errors.read_text(errors="replace")

    @property
    def ports(self) -> set[int]:
        return {int(port) for port in _PORT.findall(self.output)}

    def says(self, text: str, seconds: float = 60.0) -> None:
        """Wait until it has printed a text."""
        until(
            lambda: any(text in line for line in self.lines) or self.process.poll() is not None,
            seconds,
        )
        assert any(text in line for line in self.lines), self.output + self.errors

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self, seconds: float = 60.0) -> int:
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def pids(self) -> list[int]:
        """It and its children, by the folder that they inherited."""
        wanted = f"TMPDIR={self.temporary}\0".encode()
        found = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                with contextlib.suppress(OSError):
                    if wanted in (place / "environ").read_bytes():
                        found.append(int(place.name))
        return found

    def shared(self) -> set[Path]:
        """Files in shared memory that its processes have open or mapped."""
        found: set[Path] = set()
        for pid in self.pids():
            with contextlib.suppress(OSError):
                maps = Path(f"/proc/{pid}/maps").read_text()
                found |= {Path(name) for name in re.findall(r"/dev/shm/\S+", maps)}
                for fd in Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        name = str(fd.readlink())
                        found |= {Path(name)} if name.startswith("/dev/shm/") else set()
        return found

    def nothing_left(self, *, files: bool = True) -> None:
        """No process, no open port and (unless it was killed) no file."""
        until(lambda: not self.pids(), 20)
        assert not [port for port in self.ports if listens(port)]
        if files:
            assert sorted(self.temporary.iterdir()) == []

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line.rstrip("\n"))


def listens(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it didn't come true"
        time.sleep(0.02)
    return found
