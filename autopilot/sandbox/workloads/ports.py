"""Which real port stands for which of a pod's ports. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.workloads.behaviour import container_ports
from autopilot.sandbox.workloads.objects import Body, notes

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS = "sandbox.autopilot.mesh/ports"
"""Annotation on a pod: JSON, real port by container port."""


def published(pod: Body) -> dict[int, int]:
    """A pod's real ports by container port; empty while its node hasn't said."""
    try:
        found = json.loads(notes(pod).get(PORTS, "{}"))
        return {int(container): int(real) for container, real in found.items()}
    except (ValueError, AttributeError):
        return {}


def encoded(ports: Mapping[int, int]) -> str:
    """The annotation's text."""
    return json.dumps({str(container): real for container, real in sorted(ports.items())})


def real_port(pod: Body, service_port: Mapping[str, Any]) -> int | None:
    """Where a pod serves a Service's port; None where it doesn't.

    As in a cluster, a number works although no container declares it: all of a pod's ports lead
    to the same application.
    """
    target = service_port.get("targetPort") or service_port.get("port")
    ports = published(pod)
    if isinstance(target, str) and not target.isdigit():
        declared = container_ports(pod).get(target)
        return None if declared is None else ports.get(declared)
    return ports.get(int(target or 0)) or next(iter(ports.values()), None)
