"""The server as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULE = [sys.executable, "-m", "autopilot.sandbox.apiserver"]


class Server:
    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        read, write = os.pipe()
        arguments = ["--kubeconfig", str(self.kubeconfig), "--ready-fd", str(write)]
        arguments += ["--ready-file", str(folder / "ready"), "--parent", str(os.getpid())]
        self.process = subprocess.Popen([*MODULE, *arguments], cwd=ROOT, pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as ready:
            self.url = ready.read().strip()
        # CPU time, as a busy machine stretches every other.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        self.cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)

    def get(self, path: str) -> Any:
        config = json.loads(self.kubeconfig.read_text())
        headers = {"Authorization": "Bearer " + config["users"][0]["user"]["token"]}
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    started = Server(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def test_it_says_when_it_is_ready_and_writes_a_private_kubeconfig(
    server: Server, tmp_path: Path
) -> None:
    assert server.cpu < 2, "imports stay light: 0.3 s of CPU until it is ready"
    assert server.kubeconfig.stat().st_mode & 0o777 == 0o600
    config = json.loads(server.kubeconfig.read_text())
    assert config["current-context"] == "autopilot-sandbox"
    token = config["users"][0]["user"]["token"]
    assert config["clusters"][0]["cluster"]["server"] == f"{server.url}/{token}"
    assert (tmp_path / "ready").read_text().strip() == server.url
    assert server.get("/api/v1/namespaces")["kind"] == "NamespaceList"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_promptly_when_asked(server: Server, number: int) -> None:
    assert server.end(number) == 0


def test_it_ends_with_an_open_watch(server: Server) -> None:
    config = json.loads(server.kubeconfig.read_text())
    headers = {"Authorization": "Bearer " + config["users"][0]["user"]["token"]}
    request = urllib.request.Request(f"{server.url}/api/v1/pods?watch=1", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        assert server.end() == 0
        assert response.read() == b""


def test_it_ends_when_its_parent_dies(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'autopilot.sandbox.apiserver',"
        f" '--ready-file', {str(ready)!r}])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        pid = int(parent.stdout.readline())
        _until(ready.exists)
        parent.kill()
        _until(lambda: not _alive(pid))


def test_it_does_not_start_for_a_parent_that_is_gone() -> None:
    done = subprocess.run(
        [*MODULE, "--parent", "1"], check=False, cwd=ROOT, capture_output=True, timeout=20
    )
    assert done.returncode != 0
    assert b"is gone" in done.stderr


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _until(condition: Any) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
