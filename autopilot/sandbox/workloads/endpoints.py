"""A Service and its Endpoints and EndpointSlices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.kinds import ENDPOINTS
from autopilot.sandbox.workloads import endpoints_model as model
from autopilot.sandbox.workloads.objects import Body, deleting, labels, meta
from autopilot.sandbox.workloads.world import ENDPOINT_SLICES, PODS, SERVICES

if TYPE_CHECKING:
    from autopilot.kube.kinds import ResourceType
    from autopilot.sandbox.workloads.world import World

_SLICE_FIELDS = ("addressType", "endpoints", "ports")
_ENDPOINTS_FIELDS = ("subsets",)


async def sync(world: World, namespace: str, name: str) -> float | None:
    """Make the endpoints of a Service what its pods are; end them with it."""
    service = world[SERVICES].get(namespace, name)
    present = world[ENDPOINTS].get(namespace, name)
    slices = [one for one in world[ENDPOINT_SLICES].all(namespace) if _belongs(one, name)]
    if service is None or deleting(service):
        if present is not None and _ours(present):
            await world.delete(ENDPOINTS, present)
        for one in slices:
            await world.delete(ENDPOINT_SLICES, one)
        return None
    if not model.has_selector(service):
        return None
    members = model.members(service, world[PODS].all(namespace))
    wanted = model.endpoints_of(service, members)
    await _put(world, ENDPOINTS, present, wanted, _ENDPOINTS_FIELDS)
    kept = {meta(one)["name"]: one for one in slices}
    for body in model.slices_of(service, members):
        before = kept.pop(meta(body)["name"], None)
        await _put(world, ENDPOINT_SLICES, before, body, _SLICE_FIELDS)
    for one in kept.values():
        await world.delete(ENDPOINT_SLICES, one)
    return None


def service_of(body: Body) -> str:
    """The Service that Endpoints or an EndpointSlice belong to; empty if none of ours."""
    if body.get("kind") == "EndpointSlice":
        return labels(body).get(model.SERVICE_NAME, "")
    return str(meta(body)["name"]) if _ours(body) else ""


async def _put(
    world: World, kind: ResourceType, before: Body | None, wanted: Body, compared: tuple[str, ...]
) -> None:
    if before is None:
        await world.create(kind, wanted, wanted["metadata"]["namespace"])
        return
    same = all((before.get(name) or []) == wanted[name] for name in compared)
    tagged = labels(before) | wanted["metadata"]["labels"] == labels(before)
    if same and tagged:
        return
    body = {**before, **{name: wanted[name] for name in compared}}
    body["metadata"] = {**meta(before), "labels": labels(before) | wanted["metadata"]["labels"]}
    await world.replace(kind, body)


def _belongs(body: Body, service: str) -> bool:
    found = labels(body)
    return found.get(model.SERVICE_NAME) == service and found.get(model.MANAGED_BY) == model.MANAGER


def _ours(body: Body) -> bool:
    return labels(body).get("endpoints.kubernetes.io/managed-by") == model.MANAGER
