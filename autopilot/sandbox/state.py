"""What a sandbox says of itself, in memory and in its state file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.processes import Identity

if TYPE_CHECKING:
    from pathlib import Path

FILE = "state.json"
STARTING, READY, BROKEN = "starting", "ready", "broken"
FAILED, STOPPED = "failed", "stopped"


@dataclass(frozen=True, slots=True)
class Process:
    """One of a sandbox's processes.

    Attributes:
        name: `apiserver`, `node`, `envoy`, `prometheus` or `load`.
        pid: 0 while it is stopped on purpose.
        running: Whether it is there.
        url: Where it listens; empty where it doesn't.
        version: Of a program that isn't ours.
        log: The file of its output.
    """

    name: str
    pid: int
    running: bool
    url: str = ""
    version: str = ""
    log: str = ""

    @property
    def port(self) -> int:
        """The port in `url`; 0 where there is none."""
        tail = self.url.rpartition(":")[2].strip("/")
        return int(tail) if tail.isdigit() else 0


@dataclass(frozen=True, slots=True)
class State:
    """A sandbox.

    Attributes:
        name: How it is called.
        phase: `starting`, `ready`, `broken` (a process has ended), `failed` (it never came up) or
            `stopped`.
        directory: Its files; removed when it stops.
        kubeconfig: The path of its kubeconfig.
        api_url: The API server.
        ingress_url: Envoy's listener for requests from outside the mesh.
        prometheus_url: Prometheus.
        envoy_admin_url: Envoy's administration interface.
        processes: In the order of their start.
        message: Why it is broken or failed; empty otherwise.
        supervisor: The process that holds it; None in a process that holds it itself.
    """

    name: str
    phase: str
    directory: str
    kubeconfig: str = ""
    api_url: str = ""
    ingress_url: str = ""
    prometheus_url: str = ""
    envoy_admin_url: str = ""
    processes: tuple[Process, ...] = ()
    message: str = ""
    supervisor: Identity | None = None

    def process(self, name: str) -> Process:
        """A process by its name.

        Raises:
            KeyError: There is none of this name.
        """
        for process in self.processes:
            if process.name == name:
                return process
        raise KeyError(name)

    def with_supervisor(self, supervisor: Identity | None) -> State:
        """The same, held by a process."""
        return replace(self, supervisor=supervisor)

    def encode(self) -> dict[str, Any]:
        """As plain data, for the state file and for `-o json`."""
        body = asdict(self)
        for process, found in zip(body["processes"], self.processes, strict=True):
            process["port"] = found.port
        body["processes"] = list(body["processes"])
        return body


def decode(body: dict[str, Any]) -> State:
    """The reverse of `encode`.

    Raises:
        ValueError: It isn't a sandbox's state.
    """
    try:
        processes = tuple(
            Process(**{name: value for name, value in one.items() if name != "port"})
            for one in body["processes"]
        )
        held = body.get("supervisor")
        supervisor = Identity(**held) if held else None
        return State(**{**body, "processes": processes, "supervisor": supervisor})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no sandbox's state: {error}") from error


def write(directory: Path, state: State) -> None:
    """Put the state file in place, whole or not at all, readable by its owner alone."""
    partial = directory / f".{FILE}.{os.getpid()}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(state.encode(), file, indent=2)
    partial.replace(directory / FILE)


def read(directory: Path) -> State | None:
    """The state in a directory; None where there is none that can be read."""
    try:
        return decode(json.loads((directory / FILE).read_text()))
    except (OSError, ValueError):
        return None
