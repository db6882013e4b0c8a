"""Gets the distribution's Prometheus into a cache of ours: no root, no service, no system state.

apt is asked with its own options to use lists and caches of ours, and the package is unpacked, not
installed; what it unpacks to is moved into place at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.sandbox.homes import private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OVERRIDE = "AUTOPILOT_PROMETHEUS"
"""The environment variable that names a binary to use as it is."""

_TIMEOUT = 120.0
_LOOK = 0.1
_PLACE = Path("usr/bin/prometheus")


def default_cache() -> Path:
    """`.cache/autopilot` of the checkout that we run from, else `users_cache()`."""
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file() and os.access(checkout, os.W_OK):
        return checkout / ".cache" / "autopilot" / "prometheus"
    return users_cache()


def users_cache() -> Path:
    """The user's cache folder; where that can't be written, a private temporary one.

    Raises:
        TerminalError: Neither can be written.
    """
    with contextlib.suppress(OSError, RuntimeError):
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        place = Path(base) / "autopilot" / "prometheus"
        if os.access(place / "root" / _PLACE, os.X_OK):
            return place
        # To try is the only way to know: where root may write anything, some systems still refuse.
        place.mkdir(parents=True, exist_ok=True)
        if os.access(place, os.W_OK | os.X_OK):
            return place
    place = Path(tempfile.gettempdir()) / f"autopilot-{os.getuid()}"
    try:
        # What is run from there must be nobody else's.
        return private(private(place) / "prometheus")
    except OSError as error:
        raise TerminalError(
            f"no folder for Prometheus can be written ({error}): set XDG_CACHE_HOME, or name its "
            f"binary in {OVERRIDE}"
        ) from error


def find_prometheus(cache: Path | None = None) -> Path | None:
    """The binary, if there is one already.

    Raises:
        TerminalError: `AUTOPILOT_PROMETHEUS` names something that can't be run.
    """
    named = os.environ.get(OVERRIDE)
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise TerminalError(f"{OVERRIDE} names {named}, which can't be run")
        return Path(named)
    installed = shutil.which("prometheus")
    if installed:
        return Path(installed)
    unpacked = (cache or default_cache()) / "root" / _PLACE
    return unpacked if os.access(unpacked, os.X_OK) else None


def ensure_prometheus(cache: Path | None = None, *, stop: Event | None = None) -> Path:
    """The binary, fetched if need be; blocks for a few seconds then, 120 at most.

    Args:
        cache: Where to keep it; None takes `default_cache()`.
        stop: Once it is set, what runs is ended and nothing is left of it.

    Raises:
        TerminalError: It can't be had on this machine; the message says what to install.
        RetryLater: The package couldn't be fetched just now.
    """
    place = cache or default_cache()
    if found := find_prometheus(place):
        return found
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise TerminalError(
                f"Prometheus isn't here and {tool} isn't either: install prometheus with your "
                f"package manager, or name its binary in {OVERRIDE}"
            )
    place.mkdir(parents=True, exist_ok=True)
    stop = stop or Event()
    with _alone(place / "lock", stop):
        # Somebody else may have fetched it while we waited.
        return find_prometheus(place) or _fetch(place, stop)


def _fetch(place: Path, stop: Event) -> Path:
    # In the same file system as the target, for the rename to be one step. The folders are given
    # relative to the working directory, because apt can't have spaces in them.
    deadline = time.monotonic() + _TIMEOUT
    with tempfile.TemporaryDirectory(dir=place, prefix="fetch-") as name:
        work = Path(name)
        for folder in ("lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        apt = [
            *("apt-get", "-qq", "-o", "Dir::State::Lists=./lists", "-o", "Dir::Cache=./cache"),
            *("-o", "APT::Sandbox::User=root"),
        ]
        _run([*apt, "update"], work, deadline, stop)
        _run([*apt, "download", "prometheus"], work, deadline, stop)
        packages = sorted(work.glob("prometheus_*.deb"))
        if not packages:
            raise RetryLater("apt-get download left no prometheus package")
        _run(["dpkg-deb", "-x", str(packages[0]), str(work / "root")], work, deadline, stop)
        if not os.access(work / "root" / _PLACE, os.X_OK):
            raise TerminalError(f"the distribution's prometheus package has no {_PLACE}")
        target = place / "root"
        if target.exists():
            shutil.rmtree(target)
        (work / "root").rename(target)
    return target / _PLACE


def _run(command: Sequence[str], work: Path, deadline: float, stop: Event) -> None:
    with subprocess.Popen(
        command,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        output = _output(process, command[0], deadline, stop)
    if process.returncode:
        said = output.strip().splitlines() or ["no reason given"]
        raise RetryLater(
            f"Prometheus can't be fetched: {command[0]}: {said[-1]}; "
            f"install prometheus, or name its binary in {OVERRIDE}"
        )


def _output(process: subprocess.Popen[str], name: str, deadline: float, stop: Event) -> str:
    while True:
        try:
            return process.communicate(timeout=_LOOK)[0]
        except subprocess.TimeoutExpired:
            if not stop.is_set() and time.monotonic() < deadline:
                continue
            process.kill()
            why = "was stopped" if stop.is_set() else f"hasn't ended within {_TIMEOUT:g} s"
            raise RetryLater(f"{name} {why}") from None


@contextlib.contextmanager
def _alone(lock: Path, stop: Event) -> Iterator[None]:
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop.wait(_LOOK):
                    raise RetryLater("stopped while somebody else fetched it") from None
        yield
