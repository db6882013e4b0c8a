"""The demo, from the outside: what it ends with, and what it leaves behind."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from e2e_kit import COMMAND, Demo, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(200)]

FIELDS = {
    "name": str,
    "outcome": str,
    "phases": list,
    "weights": list,
    "decisions": list,
    "requests": dict,
    "reaction_seconds": (float, int, type(None)),
}
_ELSEWHERE = (
    "import pathlib, sys; from autopilot.sandbox.telemetry import fetch;"
    "place = pathlib.Path(sys.argv.pop()); fetch.default_cache = lambda: place;"
    "from autopilot.cli.main import main; main(['demo', 'canary'])"
)
"""The demo with a cache of its own."""

VERDICTS = {"true", "false", "unknown"}


def check_schema(record: dict[str, Any]) -> None:
    assert list(record) == ["flights"]
    for flight in record["flights"]:
        assert list(flight) == list(FIELDS)
        for name, kind in FIELDS.items():
            assert isinstance(flight[name], kind), name
        for phase in flight["phases"]:
            assert list(phase) == ["phase", "at"]
        for weight in flight["weights"]:
            assert list(weight) == ["at", "canary"]
        for decision in flight["decisions"]:
            assert list(decision) == ["at", "query", "value", "verdict"]
            assert decision["verdict"] in VERDICTS
            assert decision["value"] is None or isinstance(decision["value"], float | int)
        assert list(flight["requests"]) == ["total", "failed"]
        for what in ("phases", "weights", "decisions"):
            times = [entry["at"] for entry in flight[what]]
            assert times == sorted(times)


def test_the_demo_flies_three_flights_and_leaves_a_record_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    with Demo(tmp_path, "--json", str(out)) as demo:
        demo.says("Flight 1")
        shared = demo.shared()
        assert demo.ends(180) == 0, demo.output + demo.errors
        demo.nothing_left()
        assert not [file for file in shared if file.exists()]
    assert demo.errors == ""
    assert "\x1b" not in demo.output, "colours on a pipe"
    record = json.loads(out.read_text())
    check_schema(record)
    good, errors, slow = record["flights"]
    assert [f["outcome"] for f in record["flights"]] == ["promoted", "rolledBack", "rolledBack"]
    assert good["requests"]["failed"] == 0
    assert good["requests"]["total"] > 1000
    # 60 is the edit by hand; at the end the primary takes over.
    climb = [w["canary"] for w in good["weights"] if w["canary"] != 60]
    assert [weight for weight, _ in groupby(climb)] == [0, 10, 25, 50, 75, 100, 0]
    assert [p["phase"] for p in good["phases"]] == ["Waiting", "Evaluating", "Promoting", "Waiting"]
    assert good["reaction_seconds"] is None
    assert {d["verdict"] for d in good["decisions"]} <= {"false", "unknown"}
    for bad in (errors, slow):
        assert (bad["weights"][0]["canary"], bad["weights"][-1]["canary"]) == (0, 0)
        assert any(d["verdict"] == "true" for d in bad["decisions"])
        assert 0 < bad["reaction_seconds"] < 30
    assert errors["requests"]["failed"] > 0
    assert slow["requests"]["failed"] == 0
    for text in ("curl -s -H 'Host: web.shop'", "Phases", "breach → traffic back"):
        assert text in demo.output
    assert re.search(r"envoy +\d+\.\d+\.\d+ · pid \d+ · port \d+", demo.output)
    assert re.search(r"prometheus +\d+\.\d+\.\d+ · pid \d+ · port \d+", demo.output)


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("", signal.SIGTERM),
        ("sandbox ", signal.SIGINT),
        ("run ", signal.SIGTERM),
        ("web-primary 100→90", signal.SIGINT),
    ],
    ids=["at once", "sandbox up", "operator up", "in flight"],
)
def test_stopped_at_any_moment_it_leaves_nothing_behind(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    with Demo(tmp_path) as demo:
        if moment:
            demo.says(moment)
        else:
            # As soon as it has made its folder: before that, there is nothing to tidy up.
            until(lambda: [*demo.temporary.iterdir()])
        demo.send(number)
        assert demo.ends() == 130
        demo.nothing_left()
    assert "Traceback" not in demo.errors
    assert "stopped" in demo.errors


def test_an_impatient_second_interrupt_doesnt_cut_the_tidying_up_short(tmp_path: Path) -> None:
    with Demo(tmp_path) as demo:
        demo.says("Flight 1")
        demo.send(signal.SIGINT)
        demo.send(signal.SIGINT)
        demo.send(signal.SIGTERM)
        assert demo.ends() == 130
        demo.nothing_left()
    assert "Traceback" not in demo.errors


def test_killed_outright_its_children_end_and_only_its_own_folder_remains(tmp_path: Path) -> None:
    with Demo(tmp_path) as demo:
        demo.says("web-primary 100→90")
        assert len(demo.pids()) >= 5
        demo.send(signal.SIGKILL)
        assert demo.ends() == -signal.SIGKILL
        demo.nothing_left(files=False)
        (left,) = demo.temporary.iterdir()
        assert left.name.startswith("autopilot-demo-")


def test_without_prometheus_and_apt_it_says_in_one_line_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    env = {"PATH": str(tmp_path / "empty"), "AUTOPILOT_PROMETHEUS": ""}
    argv = (sys.executable, "-c", _ELSEWHERE, str(tmp_path / "cache"))
    with Demo(tmp_path, argv=argv, env=env) as demo:
        assert demo.ends() == 1
        demo.nothing_left()
    (line,) = demo.errors.splitlines()
    assert "install prometheus" in line


def test_stopped_while_apt_fetches_prometheus_it_ends_apt_too(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("apt-get", "exec sleep 600"), ("dpkg-deb", "exit 1")):
        (tools / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/{name}\n{script}\n")
        (tools / name).chmod(0o755)
    for name in ("touch", "sleep", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    argv = (sys.executable, "-c", _ELSEWHERE, str(tmp_path / "cache"))
    with Demo(tmp_path, argv=argv, env={"PATH": str(tools), "AUTOPILOT_PROMETHEUS": ""}) as demo:
        until((tmp_path / "apt-get").exists)
        demo.send(signal.SIGINT)
        assert demo.ends(30) == 130
        demo.nothing_left()
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["lock"]


def test_a_prometheus_that_cant_be_run_is_named(tmp_path: Path) -> None:
    with Demo(tmp_path, env={"AUTOPILOT_PROMETHEUS": str(tmp_path / "none")}) as demo:
        assert demo.ends() == 1
        demo.nothing_left()
    (line,) = demo.errors.splitlines()
    assert "AUTOPILOT_PROMETHEUS" in line


def test_without_envoy_it_says_in_one_line_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['envoy'] = None;"
        "from autopilot.cli.main import main; main(['demo', 'canary'])"
    )
    with Demo(tmp_path, argv=(sys.executable, "-c", code)) as demo:
        assert demo.ends() == 1
        demo.nothing_left()
    (line,) = demo.errors.splitlines()
    assert "Envoy" in line
    assert "pip install" in line


@pytest.mark.parametrize("place", ["none/record.json", ".", "file/record.json"])
def test_a_record_that_cant_be_written_is_refused_before_it_flies(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    with Demo(tmp_path, "--json", str(tmp_path / place)) as demo:
        assert demo.ends() == 2
        demo.nothing_left()
    assert demo.lines == []
    assert "Traceback" not in demo.errors
    assert "--json" in demo.errors


def test_who_stops_reading_its_output_stops_it(tmp_path: Path) -> None:
    argv = ("/bin/sh", "-c", 'exec "$@" | head -n 3', "sh", *COMMAND)
    with Demo(tmp_path, argv=argv) as demo:
        demo.ends()
        demo.nothing_left()
    assert len(demo.lines) == 3
    assert "Traceback" not in demo.errors
