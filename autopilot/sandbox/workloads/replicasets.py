"""A ReplicaSet and its pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.base.timestamps import parse_time
from autopilot.kube.client import ApiError
from autopilot.sandbox.workloads.objects import (
    Body,
    active,
    available,
    condition,
    deleting,
    is_ready,
    labels,
    meta,
    selects,
    spec,
)
from autopilot.sandbox.workloads.ownership import claimed
from autopilot.sandbox.workloads.templates import pod_of, wanted_replicas
from autopilot.sandbox.workloads.world import PODS, REPLICA_SETS

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.sandbox.workloads.world import World

BURST = 100
"""The most pods that one sync makes or ends."""


async def sync(world: World, namespace: str, name: str) -> float | None:
    """Make or end pods until there are as many as wanted; tell the counts."""
    body = world[REPLICA_SETS].get(namespace, name)
    if body is None:
        return None
    pods = await claimed(world, body, PODS)
    problem = None
    if not deleting(body):
        problem = await _scale(world, body, [pod for pod in pods if active(pod)])
        pods = await claimed(world, body, PODS)
    standing = [pod for pod in pods if active(pod)]
    await world.set_status(REPLICA_SETS, body, status_of(body, standing, world.now()))
    if problem is not None:
        raise problem
    return soonest_available(standing, _min_ready(body), world.now())


async def _scale(world: World, body: Body, pods: list[Body]) -> ApiError | None:
    missing = wanted_replicas(body) - len(pods)
    try:
        for _ in range(min(missing, BURST)):
            await world.create(PODS, pod_of(body), meta(body)["namespace"])
    except ApiError as error:
        # The status must still be told: `replicas` is how anybody sees that pods are missing.
        return error
    for pod in surplus(pods, min(-missing, BURST)):
        await world.delete(PODS, pod)
    return None


def surplus(pods: list[Body], count: int) -> list[Body]:
    """The pods to end first: those not ready, then the youngest."""
    if count <= 0:
        return []
    by_age = sorted(pods, key=lambda pod: str(meta(pod).get("creationTimestamp")), reverse=True)
    return sorted(by_age, key=is_ready)[:count]


def status_of(body: Body, pods: list[Body], now: datetime) -> Body:
    """The counts of a ReplicaSet's active pods."""
    wanted = (spec(body).get("template") or {}).get("metadata", {}).get("labels") or {}
    full = [pod for pod in pods if selects({"matchLabels": wanted}, labels(pod))]
    return {
        "replicas": len(pods),
        "fullyLabeledReplicas": len(full),
        "readyReplicas": sum(is_ready(pod) for pod in pods),
        "availableReplicas": sum(available(pod, _min_ready(body), now) for pod in pods),
        "observedGeneration": meta(body).get("generation", 1),
    }


def soonest_available(pods: list[Body], min_ready: float, now: datetime) -> float | None:
    """Seconds until the next ready pod becomes available; None when none is on its way."""
    waits = []
    for pod in pods:
        found = condition(pod, "Ready")
        since = parse_time((found or {}).get("lastTransitionTime"))
        if is_ready(pod) and since is not None and not available(pod, min_ready, now):
            waits.append(min_ready - (now - since).total_seconds())
    return max(0.05, min(waits)) if waits else None


def _min_ready(body: Body) -> float:
    return float(spec(body).get("minReadySeconds") or 0)
