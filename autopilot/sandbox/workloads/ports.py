"""Which real port stands for which of a pod's ports. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.workloads.behaviour import container_ports
from autopilot.sandbox.workloads.objects import Body, labels, notes, selects, spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def with_aliases(pod: Body, real: Mapping[int, int], services: Iterable[Body]) -> dict[int, int]:
    """A pod's ports, with those that Services ask for by number though no container declares them.

    In a cluster a declaration only informs: such a Service works. Here all of a pod's ports lead
    to one application, so the first real port stands for them.
    """
    found = dict(real)
    first = next(iter(real.values()), None)
    for service in services:
        selector = {"matchLabels": spec(service).get("selector") or {}}
        if first is None or not selects(selector, labels(pod)):
            continue
        for port in spec(service).get("ports") or ():
            target = str(port.get("targetPort") or port.get("port"))
            if target.isdigit():
                found.setdefault(int(target), first)
    return found


def real_port(pod: Body, service_port: Mapping[str, Any]) -> int | None:
    """Where a pod serves a Service's port; None where it doesn't, or hasn't said so yet."""
    target = service_port.get("targetPort") or service_port.get("port")
    ports = published(pod)
    if isinstance(target, str) and not target.isdigit():
        declared = container_ports(pod).get(target)
        return None if declared is None else ports.get(declared)
    return ports.get(int(target or 0))
