"""The failover demo, from the outside: what it ends with, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(200)]


def test_the_failover_demo_ends_as_it_should_and_leaves_a_record_and_nothing_else(
    tmp_path: Path,
) -> None:
    temporary, out = tmp_path / "tmp", tmp_path / "record.json"
    temporary.mkdir()
    demo = subprocess.run(
        [sys.executable, "-m", "autopilot", "demo", "failover", "--json", str(out)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""
    assert "\x1b" not in demo.stdout, "colours on a pipe"
    assert list(temporary.iterdir()) == []
    aided, alone = json.loads(out.read_text())["flights"]
    assert (aided["outcome"], alone["outcome"]) == ("failedOverAndReturned", "unaided")
    went = [mark["phase"] for mark in aided["phases"]]
    assert went == ["Normal", "Standby", "Trial", "Standby", "Trial", "Normal"]
    shares = [mark["standby"] for mark in aided["weights"]]
    assert [share for share, _ in groupby(shares)] == [0, 100, 95, 100, 95, 75, 50, 0]
    assert [trial["failed"] > 0 for trial in aided["trials"]] == [True, False]
    assert all(check["held"] for check in aided["checks"])
    assert aided["requests"]["failed"] * 3 < alone["requests"]["failed"]
    assert 0 < aided["reaction_seconds"] < 30
    assert alone["reaction_seconds"] is None
    assert alone["bad_seconds"] > aided["bad_seconds"]
    moves = [step for step in aided["decisions"] if step["phase"] != step["next"]]
    assert [step["next"] for step in moves] == went[1:]
    assert all(step["message"] for step in moves)
    for text in ("kind: Rule", "spec, labels, annotations, field owners as before", "Phases"):
        assert text in demo.stdout


def test_a_failed_look_at_the_place_for_the_record_comes_before_anything_else(
    tmp_path: Path,
) -> None:
    out = str(tmp_path / "none" / "record.json")
    demo = subprocess.run(
        [sys.executable, "-m", "autopilot", "demo", "failover", "--json", out],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert demo.returncode == 2
    assert "there is no folder" in demo.stderr
    assert demo.stdout == ""


@pytest.mark.parametrize("moment", ["run  ", "which answers half"], ids=["at once", "in flight"])
def test_without_its_controller_it_fails_soon_and_leaves_nothing(
    tmp_path: Path, moment: str
) -> None:
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "autopilot", "demo", "failover"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        said, controller = "", None
        while moment not in said or controller is None:
            line = demo.stdout.readline()
            assert line, said
            said += line
            controller = re.search(r"only rules, pid (\d+)", said)
        os.kill(int(controller.group(1)), signal.SIGKILL)
        rest, _ = demo.communicate(timeout=60)
        assert demo.returncode == 1, said + rest
    assert "ended with code -9" in rest
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - began < 50, "it waited for what couldn't come"
