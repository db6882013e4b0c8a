"""`autopilot-operator.yaml`: how a running operator behaves. Reloaded while it runs."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from autopilot.spec.guardrails import Guardrails
from autopilot.spec.model import Model
from autopilot.spec.names import is_dns_label
from autopilot.spec.types import Duration

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVELS = {
    "Debug": logging.DEBUG,
    "Info": logging.INFO,
    "Warn": logging.WARNING,
    "Error": logging.ERROR,
    "DPanic": logging.CRITICAL,
    "Panic": logging.CRITICAL,
    "Fatal": logging.CRITICAL,
}
"""In the order of the original's numbers, 0 to 6."""

_ADDRESS = re.compile(r"(?P<host>[^:\s]*|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")


def _level(value: Any) -> Any:
    names = list(_LEVELS)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    for name in names:
        if isinstance(value, str) and value.lower() in (name.lower(), str(names.index(name))):
            return name
    raise ValueError(f"{value!r} is no log level; one of {', '.join(names)}, or 0 to 6")


def _mesh(value: Any) -> Any:
    if isinstance(value, str) and value != "Istio":
        raise ValueError(f"there is no provider for {value!r}; known: Istio")
    return value


class OperatorConfig(Model):
    """The configuration of a running operator; every field has the original's default.

    Attributes:
        version: The operator's own version, for logs and metrics.
        mesh_provider: The mesh that actions are carried out on.
        control_plane_ns: Where the mesh's control plane lives.
        work_interval: How often a resource's worker runs when nothing else wakes it.
        metrics_addr: `host:port` or `:port` of metrics and probes; empty to switch them off.
        enable_leader_election: Whether replicas elect one that works.
        watch_namespace: The only namespace to work in; empty for all. The environment variable
            WATCH_NAMESPACE stands above it.
        leader_election_namespace: Where the lease lives; empty for watch_namespace.
        log_level: A name, or the original's number: 0 Debug, 1 Info, 2 Warn, 3 Error, 4 DPanic,
            5 Panic, 6 Fatal.
        config: Whatever the workers want to know; `ctx.config` in the author's model.
        guardrails: Limits that hold whatever a resource says.
    """

    version: str = "0.0.1"
    mesh_provider: Annotated[Literal["Istio"], BeforeValidator(_mesh)] = "Istio"
    control_plane_ns: str = "istio-system"
    work_interval: Duration = timedelta(seconds=5)
    metrics_addr: str = ":9091"
    enable_leader_election: bool = True
    watch_namespace: str = ""
    leader_election_namespace: str = ""
    log_level: Annotated[str, BeforeValidator(_level)] = "Info"
    config: dict[str, Any] = Field(default_factory=dict)
    guardrails: Guardrails = Guardrails()

    @property
    def logging_level(self) -> int:
        """Python's number for the log level."""
        return _LEVELS[self.log_level]

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of the metrics server, every interface without a host; None for off."""
        match = _ADDRESS.fullmatch(self.metrics_addr)
        return (match["host"].strip("[]") or "0.0.0.0", int(match["port"])) if match else None

    @property
    def home(self) -> str:
        """The namespace that the operator and its lease live in."""
        return self.leader_election_namespace or self.watch_namespace or "default"

    def with_environment(self, environ: Mapping[str, str]) -> OperatorConfig:
        """This configuration under environment variables (WATCH_NAMESPACE)."""
        namespace = environ.get("WATCH_NAMESPACE", "")
        return self.model_copy(update={"watch_namespace": namespace}) if namespace else self

    @field_validator("work_interval")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("an interval of nothing never waits; at least 1ms, like 5s")
        return value

    @field_validator("metrics_addr")
    @classmethod
    def _an_address(cls, value: str) -> str:
        match = _ADDRESS.fullmatch(value)
        if value and (match is None or int(match["port"]) > 65535):
            raise ValueError(
                f'{value!r} is no address; host:port or :port, like :9091, or "" for no metrics'
            )
        return value

    @field_validator("control_plane_ns", "watch_namespace", "leader_election_namespace")
    @classmethod
    def _a_namespace(cls, value: str) -> str:
        if value and not is_dns_label(value):
            raise ValueError(
                f"{value!r} is no namespace; lower-case letters, digits and dashes, at most 63"
            )
        return value
