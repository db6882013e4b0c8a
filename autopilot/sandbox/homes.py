"""Where sandboxes keep their state, and which of them are up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem, TerminalError
from autopilot.sandbox import state as states

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autopilot.sandbox.state import State

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
LOG = "supervisor.log"
BOX = "box"
_TRIES = 100
_PAUSE = 0.02


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        InvalidInput: It can't be a sandbox's.
    """
    if not NAME.fullmatch(name):
        hint = "use at most 40 of a-z, 0-9 and -, with no - at either end"
        raise InvalidInput([Problem("", 0, "--name", f"{name!r} is no name for a sandbox", hint)])
    return name


def root(env: Mapping[str, str] | None = None) -> Path:
    """The folder of all sandboxes of this user, made if need be, closed to others.

    `$XDG_RUNTIME_DIR`, which ends with the user's session, else the cache folder, else the
    machine's temporary folder.

    Raises:
        TerminalError: None of them can be written to.
    """
    env = os.environ if env is None else env
    candidates = []
    if (runtime := env.get("XDG_RUNTIME_DIR")) and _is_ours(Path(runtime)):
        candidates.append(Path(runtime) / "autopilot")
    if cache := env.get("XDG_CACHE_HOME"):
        candidates.append(Path(cache) / "autopilot")
    elif home := env.get("HOME"):
        candidates.append(Path(home) / ".cache" / "autopilot")
    candidates.append(Path(tempfile.gettempdir()) / f"autopilot-{os.getuid()}")
    for candidate in candidates:
        with contextlib.suppress(OSError):
            private(candidate)
            return private(candidate / "sandbox")
    tried = ", ".join(str(candidate) for candidate in candidates)
    raise TerminalError(f"no folder for the sandbox's state can be written: {tried}")


def home(name: str) -> Path:
    """The folder of one sandbox, whether it exists or not."""
    return root() / check_name(name)


def find(name: str) -> State | None:
    """The state of a sandbox whose supervisor lives; None otherwise."""
    found = states.read(home(name))
    if found is None or found.supervisor is None or not found.supervisor.alive:
        return None
    return found


def clean(name: str) -> bool:
    """Remove what a sandbox that isn't up has left; True if there was something.

    Its processes have ended with their supervisor: the kernel sees to that.
    """
    where = home(name)
    if find(name) is not None or not where.exists():
        return False
    for _ in range(_TRIES):
        # A process that is just ending may put a file where we have just looked.
        shutil.rmtree(where, ignore_errors=True)
        if not where.exists():
            return True
        time.sleep(_PAUSE)
    raise TerminalError(f"{where} can't be removed")


def names() -> list[str]:
    """The sandboxes that have a folder, up or not."""
    return sorted(one.name for one in root().iterdir() if NAME.fullmatch(one.name))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep others from starting a sandbox at the same moment."""
    descriptor = os.open(root(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_ours(path: Path) -> bool:
    """Whether a runtime folder is there and this user's: after `su` it names somebody else's."""
    try:
        return path.is_dir() and path.stat().st_uid == os.getuid()
    except OSError:
        return False


def private(path: Path) -> Path:
    """A folder, made if need be, that is this user's alone.

    Raises:
        OSError: It can't be made or written, or is somebody else's.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.stat()
    if found.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to somebody else")
    if found.st_mode & 0o077:
        path.chmod(0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} can't be written")
    return path
