"""Istio's host names: which service a spelling means, and which VirtualServices are for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autopilot.kube.client import Body

CLUSTER_DOMAIN = "cluster.local"


def qualify(host: str, namespace: str) -> str:
    """The full name of a service: `web`, `web.demo`, `web.demo.svc` → `web.demo.svc.cluster.local`.

    A name of more parts that isn't a service's, like `api.example.com`, is left as it is; one of
    two parts is taken for a service and its namespace, as a resolver in the cluster would.
    """
    parts = host.rstrip(".").lower().split(".")
    if len(parts) == 1:
        parts = [parts[0], namespace]
    if len(parts) == 2 or (len(parts) == 3 and parts[2] == "svc"):
        return f"{parts[0]}.{parts[1]}.svc.{CLUSTER_DOMAIN}"
    return ".".join(parts)


def short(host: str) -> str:
    """The first part: the service's own name."""
    return host.split(".", 1)[0].lower()


def service_of(host: str, namespace: str) -> tuple[str, str]:
    """The (namespace, name) of the service that a host means."""
    parts = qualify(host, namespace).split(".")
    return (parts[1] if len(parts) > 1 else namespace), parts[0]


def for_host(virtual_services: Iterable[Body], host: str, namespace: str) -> Iterator[Body]:
    """The VirtualServices that route a host for callers in a namespace.

    One that is exported only elsewhere doesn't. One for gateways alone does: callers from outside
    would pass a second one by. A wildcard doesn't: Istio prefers the exact host.
    """
    wanted = qualify(host, namespace)
    for body in virtual_services:
        home = body["metadata"].get("namespace", "")
        spec = body.get("spec") or {}
        if not _visible(spec.get("exportTo"), home, namespace):
            continue
        if any(qualify(str(name), home) == wanted for name in spec.get("hosts") or ()):
            yield body


def _visible(export_to: list[str] | None, home: str, namespace: str) -> bool:
    if not export_to:
        return True
    seen = {home if name == "." else name for name in export_to}
    return "*" in seen or namespace in seen


def in_mesh(body: Body) -> bool:
    """Whether a VirtualService is for callers within the mesh, not for gateways alone."""
    return "mesh" in ((body.get("spec") or {}).get("gateways") or ["mesh"])


def exported(body: Body, namespace: str) -> bool:
    """Whether an object is in force for callers in a namespace."""
    home = body["metadata"].get("namespace", "")
    return _visible((body.get("spec") or {}).get("exportTo"), home, namespace)


def spelled(host: str, namespace: str) -> str:
    """A host (given in full) as an object in a namespace spells it: short where that means it."""
    service = short(host)
    return service if qualify(service, namespace) == host else host
