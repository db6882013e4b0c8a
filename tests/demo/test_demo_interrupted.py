"""Ctrl-C in the demo, at any time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.envoy


def scaffolding(place: Path) -> bool:
    return any(place.glob("autopilot-demo-*"))


def serving(place: Path) -> bool:
    return any(place.glob("autopilot-demo-*/sandbox/node-ready"))


def running() -> str:
    """The command lines of all processes."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes().decode(errors="replace"))
    return "\n".join(found)


def controlled(place: Path) -> bool:
    return any(log.stat().st_size for log in place.glob("autopilot-demo-*/controller.log"))


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("canary", scaffolding),
        ("canary", serving),
        ("failover", scaffolding),
        ("failover", serving),
        ("failover", controlled),
        ("chaos", controlled),
    ],
)
def test_ctrl_c_leaves_nothing_behind_and_is_no_traceback(
    tmp_path: Path, name: str, moment: Callable[[Path], bool]
) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "autopilot", "demo", name],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As from a terminal, the signal goes to all of the group.
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not moment(tmp_path):
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(demo.pid, signal.SIGINT)
    said, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130, said
    assert "everything is cleaned up" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in running()
