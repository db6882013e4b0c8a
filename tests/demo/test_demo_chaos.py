"""The chaos demo, from the outside: what it ends with, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(240)]


def test_the_chaos_demo_ends_as_it_should_and_leaves_a_record_and_its_reports(
    tmp_path: Path,
) -> None:
    temporary, out, reports = tmp_path / "tmp", tmp_path / "record.json", tmp_path / "reports"
    temporary.mkdir()
    wanted = ("--json", str(out), "--reports", str(reports))
    demo = subprocess.run(
        [sys.executable, "-m", "autopilot", "demo", "chaos", *wanted],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""
    assert "\x1b" not in demo.stdout, "colours on a pipe"
    assert list(temporary.iterdir()) == []
    record = json.loads(out.read_text())
    fails, copes, reacts = record["flights"]
    verdicts = [each["outcome"] for each in record["flights"]]
    assert verdicts == ["Failed", "Succeeded", "Succeeded"]
    for each in record["flights"]:
        assert all(check["held"] for check in each["checks"])
        assert each["routes_with_the_fault"] > 0
        assert sum(one["requests"] for one in each["carried"]) > 10
        went = [mark["phase"] for mark in each["phases"]]
        assert went[-2:] == ["Recovering", each["outcome"]]
    assert fails["fault_seconds"] < 12
    assert copes["fault_seconds"] >= 14.5
    assert fails["requests"]["failed"] > 0
    assert copes["requests"]["failed"] == 0
    assert {one["flag"] for one in reacts["carried"]} == {"DI"}
    went = [mark["what"] for mark in reacts["others"]]
    assert went[-3:] == ["Standby", "Trial", "Normal"]
    assert record["faults_left"] == 0
    names = sorted(page.name for page in reports.iterdir())
    assert names == ["payments-slow-1.html", "ratings-down-1.html", "ratings-down-2.html"]
    for page in reports.iterdir():
        assert "<svg" in page.read_text()
        assert str(page) in demo.stdout
    assert "faults left: 0" in demo.stdout


def test_without_its_controller_it_fails_soon_and_says_what_is_left(tmp_path: Path) -> None:
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "autopilot", "demo", "chaos"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        said, controller = "", None
        while "the fault is in the mesh" not in said or controller is None:
            line = demo.stdout.readline()
            assert line, said
            said += line
            controller = re.search(r"only chaos, pid (\d+)", said)
        os.kill(int(controller.group(1)), signal.SIGKILL)
        rest, _ = demo.communicate(timeout=60)
        assert demo.returncode == 1, said + rest
    assert "ended with code -9" in rest
    assert "Traceback" not in rest
    assert re.search(r"✗ faults left: [1-9]", rest), rest
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - began < 50, "it waited for what couldn't come"
