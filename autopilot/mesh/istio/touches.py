"""Which services an observed object is about: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.mesh.istio.hosts import service_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from autopilot.kube.kinds import ResourceType

    Body = Mapping[str, Any]

SERVICE_NAME = "kubernetes.io/service-name"

Service = tuple[str, str]
"""Namespace and name."""


def services(kind: ResourceType, body: Body) -> frozenset[Service]:
    """The services that a change of an object bears on; empty for a kind that tells of none."""
    meta = body["metadata"]
    home = str(meta.get("namespace") or "")
    match kind.plural:
        case "services":
            return frozenset({(home, str(meta["name"]))})
        case "endpointslices":
            name = (meta.get("labels") or {}).get(SERVICE_NAME)
            return frozenset({(home, str(name))}) if name else frozenset()
        case "virtualservices":
            return frozenset(service_of(host, home) for host in _routed(body))
        case "destinationrules":
            host = (body.get("spec") or {}).get("host")
            return frozenset({service_of(host, home)}) if isinstance(host, str) else frozenset()
    return frozenset()


def _routed(body: Body) -> Iterator[str]:
    """The hosts of a VirtualService, and those that its routes lead to."""
    spec = body.get("spec") or {}
    yield from (host for host in spec.get("hosts") or () if isinstance(host, str))
    for route in spec.get("http") or ():
        if not isinstance(route, dict):
            continue
        ways = [*(route.get("route") or ()), *(route.get("mirrors") or ())]
        ways.append({"destination": route.get("mirror")})
        for way in ways:
            host = ((way or {}).get("destination") or {}).get("host")
            if isinstance(host, str):
                yield host
