"""Names, folders, and what is left of sandboxes that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from autopilot.base.errors import InvalidInput
from autopilot.sandbox import homes
from autopilot.sandbox import state as states
from autopilot.sandbox.processes import Identity, identify
from autopilot.sandbox.state import Process, State

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def leave(name: str, supervisor: Identity | None) -> Path:
    where = homes.home(name)
    where.mkdir()
    (where / "supervisor.log").write_text("bye")
    states.write(where, State(name, states.READY, str(where), supervisor=supervisor))
    return where


@pytest.mark.parametrize("name", ["a", "default", "my-box-2", "0", "a" * 40])
def test_a_good_name_is_taken(name: str) -> None:
    assert homes.check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a.b", "a b", "a" * 41, "ä"])
def test_a_name_that_could_be_a_path_or_an_option_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for a sandbox"):
        homes.check_name(name)


def test_the_folder_is_closed_to_others(runtime: Path) -> None:
    runtime.chmod(0o755)
    assert homes.root().stat().st_mode & 0o777 == 0o700


def test_without_a_runtime_folder_the_cache_is_used(tmp_path: Path) -> None:
    assert homes.root({"HOME": str(tmp_path)}) == tmp_path / ".cache/autopilot/sandbox"
    cache = tmp_path / "elsewhere"
    found = homes.root({"HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache)})
    assert found == cache / "autopilot/sandbox"


def test_a_runtime_folder_that_is_not_there_cannot_be_made_is_passed_over(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    env = {"XDG_RUNTIME_DIR": str(blocked), "HOME": str(tmp_path)}
    assert homes.root(env) == tmp_path / ".cache/autopilot/sandbox"


def test_a_runtime_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    found = homes.root({"XDG_RUNTIME_DIR": str(gone), "HOME": str(tmp_path)})
    assert found == tmp_path / ".cache/autopilot/sandbox"
    assert not gone.exists()


def test_a_sandbox_whose_supervisor_lives_is_found() -> None:
    leave("mine", identify(os.getpid()))
    found = homes.find("mine")
    assert found is not None
    assert found.phase == "ready"
    assert not homes.clean("mine")


def test_a_sandbox_whose_supervisor_is_dead_is_a_leftover() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    who = identify(child.pid)
    where = leave("mine", who)
    assert homes.find("mine") is not None
    child.kill()
    child.communicate()
    assert homes.find("mine") is None
    assert homes.clean("mine")
    assert not where.exists()


def test_a_process_id_given_to_somebody_else_is_not_the_supervisor() -> None:
    me = identify(os.getpid())
    assert me is not None
    leave("mine", Identity(me.pid, me.started - 100, me.boot))
    assert homes.find("mine") is None


def test_a_process_of_an_earlier_boot_is_not_the_supervisor() -> None:
    me = identify(os.getpid())
    assert me is not None
    leave("mine", Identity(me.pid, me.started, "another-boot"))
    assert homes.find("mine") is None


def test_a_process_that_nobody_waited_for_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    who = identify(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identify(child.pid) is None
    assert who is None or not who.alive
    child.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', "null"])
def test_a_state_file_that_cannot_be_read_is_a_leftover(text: str) -> None:
    where = homes.home("mine")
    where.mkdir()
    (where / states.FILE).write_text(text)
    assert homes.find("mine") is None
    assert homes.clean("mine")


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    process = Process("envoy", 7, running=True, url="http://127.0.0.1:99", version="1.40.0")
    state = State("a", "ready", "/x", processes=(process,), supervisor=Identity(1, 2, "b"))
    states.write(tmp_path, state)
    assert states.read(tmp_path) == state
    assert (tmp_path / states.FILE).stat().st_mode & 0o777 == 0o600
    assert state.process("envoy").port == 99
    with pytest.raises(KeyError):
        state.process("nginx")


def test_every_folder_with_a_good_name_is_listed() -> None:
    leave("two", None)
    leave("one", None)
    assert homes.names() == ["one", "two"]
