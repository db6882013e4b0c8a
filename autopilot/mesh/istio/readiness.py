"""Ready endpoints of destinations, as far as they can be told: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.kinds import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autopilot.mesh.istio.destinations import Destination
    from autopilot.mesh.provider import World

ENDPOINT_SLICES = KNOWN["endpointslices"]
SERVICES = KNOWN["services"]

_SERVICE_NAME = "kubernetes.io/service-name"


def ready_endpoints(world: World, namespace: str) -> Mapping[str, int] | None:
    """Ready endpoints by service; None when they aren't observed. Absent means none.

    Raises:
        CacheUnavailable: It can't be told for now.
    """
    slices = world.objects(ENDPOINT_SLICES, namespace)
    if slices is None:
        return None
    ready: dict[str, int] = {}
    for body in slices:
        name = (body["metadata"].get("labels") or {}).get(_SERVICE_NAME, "")
        count = sum(
            (endpoint.get("conditions") or {}).get("ready") is not False
            for endpoint in body.get("endpoints") or ()
        )
        ready[name] = ready.get(name, 0) + count
    return ready


def ready_of(
    destinations: Mapping[str, Destination], home: str, world: World, *, lenient: bool
) -> dict[str, int]:
    """Ready endpoints by name; a destination whose endpoints can't be told is left out.

    Which pods a subset has isn't known here, but where the service has none the subset has none.
    Of other namespaces the caches may hold nothing: a service that isn't seen there is left out.

    Args:
        destinations: By name.
        home: The namespace that is observed in any case.
        world: What is observed.
        lenient: Whether not to know is no reason to stop: a breach that is known is worse.

    Raises:
        CacheUnavailable: Endpoints can't be told for now, and that is a reason.
    """
    found: dict[str, int] = {}
    for name, where in destinations.items():
        namespace, service = where.service
        try:
            counts = ready_endpoints(world, namespace)
        except CacheUnavailable:
            if lenient:
                continue
            raise
        if counts is None or (namespace != home and not counts):
            continue
        count = counts.get(service, 0)
        if not where.subset or count == 0:
            found[name] = count
    return found


def ports_of(world: World, namespace: str, service: str) -> Iterable[int] | None:
    """The ports of a service; None where it isn't observed."""
    try:
        services = world.objects(SERVICES, namespace)
    except CacheUnavailable:
        return None
    for body in services or ():
        if body["metadata"]["name"] == service:
            return [int(p["port"]) for p in (body.get("spec") or {}).get("ports") or ()]
    return None
