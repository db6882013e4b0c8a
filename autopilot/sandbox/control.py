"""Starting and stopping a sandbox that outlives the command which asked for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import TerminalError
from autopilot.sandbox import homes
from autopilot.sandbox import state as states
from autopilot.sandbox.processes import identify

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.sandbox.state import State

UP_SECONDS = 150.0
"""Longer than the fetch of Prometheus may take, which a machine's first `up` may have to do."""

DOWN_SECONDS = 20.0
_started: list[subprocess.Popen[bytes]] = []
"""Supervisors that outlive this process on purpose; a Popen that is dropped would complain."""

_WISH = "wish.json"
_LOOK = 0.02
_TAIL = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a sandbox should be like.

    Attributes:
        demo_app: Whether to install the demo app.
        load: Requests a second on it; None for none.
        scrape_interval: Seconds.
    """

    demo_app: bool = True
    load: float | None = None
    scrape_interval: float = 0.5

    def arguments(self) -> list[str]:
        """For the supervisor."""
        found = ["--scrape-interval", str(self.scrape_interval)]
        if self.demo_app:
            found.append("--demo-app")
        if self.load is not None:
            found += ["--load", str(self.load)]
        return found


def asked(name: str) -> Wish | None:
    """What a sandbox that is up was started with; None where that can't be told.

    Raises:
        InvalidInput: The name can't be a sandbox's.
    """
    try:
        return Wish(**json.loads((homes.home(name) / _WISH).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def up(name: str, wish: Wish) -> tuple[State, bool]:
    """Start a sandbox and wait until it serves; returns its state, and whether it was up already.

    Raises:
        InvalidInput: The name can't be a sandbox's.
        TerminalError: It could not be started.
    """
    process: subprocess.Popen[bytes] | None = None
    with homes.alone():
        already = homes.find(name)
        if already is None:
            homes.clean(name)
            where = homes.home(name)
            process = _spawn(where, wish)
            # Before the lock is let go: to the next `up` a folder without a state is a leftover.
            first = states.State(name, states.STARTING, str(where))
            states.write(where, first.with_supervisor(identify(process.pid)))
    try:
        return _wait(name, process), already is not None
    except KeyboardInterrupt:
        if process is not None:
            down(name)
        raise


def down(name: str) -> bool:
    """End a sandbox and wait for it; False when it wasn't up.

    Raises:
        InvalidInput: The name can't be a sandbox's.
        TerminalError: It doesn't end.
    """
    found = homes.find(name)
    if found is None or found.supervisor is None:
        homes.clean(name)
        return False
    held = found.supervisor
    _signal(held.pid, signal.SIGTERM)
    if not _ended(found, DOWN_SECONDS):
        # Its processes end with it.
        _signal(held.pid, signal.SIGKILL)
        if not _ended(found, DOWN_SECONDS):
            raise TerminalError(f"the sandbox {name!r} (pid {held.pid}) doesn't end")
    homes.clean(name)
    return True


def _spawn(where: Path, wish: Wish) -> subprocess.Popen[bytes]:
    where.mkdir(mode=0o700)
    (where / _WISH).write_text(json.dumps(asdict(wish)))
    command = [sys.executable, "-m", "autopilot.sandbox.supervisor", "--home", str(where)]
    # A sandbox has its own kubeconfig; what the environment says of others is none of its business.
    env = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    with (where / homes.LOG).open("ab") as log:
        process = subprocess.Popen(
            [*command, *wish.arguments()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            start_new_session=True,
        )
    _started.append(process)
    return process


def _wait(name: str, process: subprocess.Popen[bytes] | None) -> State:
    where, deadline = homes.home(name), time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        found = states.read(where)
        if found is not None and found.phase == states.FAILED:
            _ended(found, DOWN_SECONDS)
            homes.clean(name)
            raise TerminalError(f"the sandbox {name!r} could not be started: {found.message}")
        if found is not None and found.phase != states.STARTING:
            return found
        if (process is not None and process.poll() is not None) or (
            process is None and homes.find(name) is None
        ):
            said = _tail(where)
            homes.clean(name)
            raise TerminalError(f"the sandbox {name!r} ended while it started: {said}")
        time.sleep(_LOOK)
    raise TerminalError(f"the sandbox {name!r} isn't up after {UP_SECONDS:g} s: {_tail(where)}")


def _tail(where: Path) -> str:
    try:
        return (where / homes.LOG).read_text(errors="replace")[-_TAIL:].strip()
    except OSError:
        return "it left no log"


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        # It has just ended by itself.
        return


def _ended(state: State, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while state.supervisor is not None and state.supervisor.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK)
    return True
