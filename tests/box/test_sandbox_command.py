"""`autopilot sandbox`, as a person calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from box_kit import alive, gone, wait

from autopilot.sandbox import state as states
from autopilot.sandbox.state import State, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.envoy


class Shell:
    """Runs the command with a runtime folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}
        self.env["KUBECONFIG"] = str(home / "users-own")

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        call = "from autopilot.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", call, "sandbox", *words],
            env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def state(self, name: str = "default") -> State:
        return decode(json.loads(self("status", "--name", name, "-o", "json").stdout))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = Shell(tmp_path)
    (tmp_path / "users-own").write_text("hands off\n")
    # A checkout keeps Prometheus in its own cache; an installed package in the user's.
    yield found
    for where in (tmp_path / "autopilot/sandbox").glob("*"):
        found("down", "--name", where.name)
    assert (tmp_path / "users-own").read_text() == "hands off\n"


def test_up_status_kubeconfig_and_down(shell: Shell) -> None:
    done = shell("up")
    assert done.returncode == 0, done.stderr
    state = shell.state()
    for told in ("is up (ready)", "export KUBECONFIG=", "METRICS_SERVER=", "curl", "down"):
        assert told in done.stdout
    assert str(state.process("envoy").pid) in done.stdout
    assert state.prometheus_url in done.stdout

    request = urllib.request.Request(state.ingress_url, headers={"Host": "web.demo"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer)["version"] == "v1"

    again = shell("up")
    assert again.returncode == 0
    assert "already up" in again.stdout
    assert again.stderr == ""
    other = shell("up", "--load", "50", "--scrape-interval", "0.5", "--no-demo-app", "-o", "json")
    assert other.returncode == 2
    other = shell("up", "--load", "50", "--scrape-interval", "0.5", "-o", "json")
    assert other.returncode == 0
    assert other.stderr == (
        "left as it is, started with no --load; to change that: autopilot sandbox down, then up\n"
    )
    assert decode(json.loads(other.stdout)) == shell.state() == state

    path = Path(shell("kubeconfig").stdout.strip())
    assert path.stat().st_mode & 0o777 == 0o600
    shown = yaml.safe_load(shell("kubeconfig", "--print").stdout)
    assert shown["clusters"][0]["cluster"]["server"].startswith(state.api_url)

    told = shell("status")
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, "sandbox 'default' is ready")
    assert yaml.safe_load(shell("status", "-o", "yaml").stdout)["api_url"] == state.api_url

    done = shell("down")
    assert (done.returncode, done.stdout) == (0, "sandbox 'default' is down\n")
    assert gone(state)
    assert list((shell.home / "autopilot/sandbox").iterdir()) == []

    done = shell("down")
    assert (done.returncode, done.stdout) == (0, "sandbox 'default' isn't up\n")


def test_up_on_a_broken_sandbox_fails_and_says_what_to_do(shell: Shell) -> None:
    shell("up")
    os.kill(shell.state().process("envoy").pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while shell.state().phase != "broken":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = shell("up")
    assert again.returncode == 1
    assert "already up (broken)" in again.stdout
    assert "ended by itself: envoy" in again.stderr
    assert "autopilot sandbox down" in again.stderr


def test_what_is_not_up_says_so(shell: Shell) -> None:
    status = shell("status")
    assert status.returncode == 1
    assert "isn't up; start it: autopilot sandbox up" in status.stdout
    found = shell("status", "-o", "json")
    assert (found.returncode, json.loads(found.stdout)["phase"]) == (1, "down")
    kubeconfig = shell("kubeconfig", "--name", "other")
    assert kubeconfig.returncode == 1
    assert "autopilot sandbox up --name other" in kubeconfig.stderr


@pytest.mark.parametrize("verb", ["up", "down", "status", "kubeconfig"])
def test_a_wrong_name_is_a_mistake_of_who_typed_it(shell: Shell, verb: str) -> None:
    done = shell(verb, "--name", "../evil")
    assert done.returncode == 2
    assert "is no name for a sandbox" in done.stderr
    assert "Traceback" not in done.stderr


def test_load_without_an_app_to_ask_is_a_mistake(shell: Shell) -> None:
    done = shell("up", "--no-demo-app", "--load", "10")
    assert done.returncode == 2
    assert "--load" in done.stderr


def test_two_names_are_two_sandboxes_and_up_may_be_called_twice_at_once(shell: Shell) -> None:
    results: list[subprocess.CompletedProcess[str]] = []

    def up(name: str) -> None:
        results.append(shell("up", "--name", name, "--no-demo-app", "-o", "json"))

    threads = [threading.Thread(target=up, args=(name,)) for name in ("a", "a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in results] == [0, 0, 0], [r.stderr for r in results]
    states: list[Any] = [json.loads(done.stdout) for done in results]
    pids = {(state["name"], state["supervisor"]["pid"]) for state in states}
    assert len(pids) == 2
    assert {name for name, _ in pids} == {"a", "b"}


def test_a_killed_supervisor_leaves_no_process_and_the_next_up_cleans_up(shell: Shell) -> None:
    assert shell("up", "--no-demo-app").returncode == 0
    state = shell.state()
    assert state.supervisor is not None
    os.kill(state.supervisor.pid, signal.SIGKILL)
    wait(lambda: gone(state))
    assert shell("status").returncode == 1
    done = shell("up", "--no-demo-app")
    assert (done.returncode, "already" in done.stdout) == (0, False)
    again = shell.state()
    assert again.supervisor != state.supervisor
    assert again.phase == "ready"


def test_a_leftover_of_a_killed_supervisor_is_cleaned_by_down(shell: Shell) -> None:
    assert shell("up", "--no-demo-app").returncode == 0
    state = shell.state()
    assert state.supervisor is not None
    os.kill(state.supervisor.pid, signal.SIGKILL)
    wait(lambda: gone(state))
    assert shell("down").stdout == "sandbox 'default' isn't up\n"
    assert list((shell.home / "autopilot/sandbox").iterdir()) == []


def test_a_dead_process_makes_the_status_broken(shell: Shell) -> None:
    assert shell("up", "--no-demo-app").returncode == 0
    state = shell.state()
    os.kill(state.process("node").pid, signal.SIGKILL)
    wait(lambda: shell.state().phase == "broken")
    told = shell("status")
    assert told.returncode == 1
    assert "node" in told.stderr
    assert "ENDED" in told.stdout
    assert shell("down").returncode == 0
    wait(lambda: gone(state))


def test_what_cannot_start_says_why_and_leaves_nothing(shell: Shell) -> None:
    shell.env["AUTOPILOT_PROMETHEUS"] = "/nonexistent/prometheus"
    done = shell("up")
    assert done.returncode == 1
    assert "could not be started" in done.stderr
    assert "AUTOPILOT_PROMETHEUS" in done.stderr
    assert list((shell.home / "autopilot/sandbox").iterdir()) == []


def test_the_command_can_be_ended_and_the_sandbox_stays(shell: Shell) -> None:
    assert shell("up", "--no-demo-app").returncode == 0
    supervisor = shell.state().supervisor
    assert supervisor is not None
    assert alive(supervisor.pid)
    assert os.getsid(supervisor.pid) == supervisor.pid


def test_interrupting_up_ends_what_it_has_started(shell: Shell) -> None:
    # A Prometheus that never answers: nothing is up before the interrupt comes.
    never = shell.home / "never-ready"
    never.write_text('#!/bin/sh\n[ "$1" = --version ] || exec sleep 60\n')
    never.chmod(0o755)
    shell.env["AUTOPILOT_PROMETHEUS"] = str(never)
    call = "from autopilot.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", call, "sandbox", "up"],
        env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    supervisor = wait(lambda: shell_state(shell.home))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in {1, 130}
    wait(lambda: not alive(supervisor))
    assert list((shell.home / "autopilot/sandbox").iterdir()) == []


def shell_state(home: Path) -> int:
    found = states.read(home / "autopilot/sandbox/default")
    return found.supervisor.pid if found and found.supervisor else 0
