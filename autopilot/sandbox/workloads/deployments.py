"""A Deployment and its ReplicaSets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.kube.client import AlreadyExists
from autopilot.sandbox.workloads import deployment_status, rollout, templates
from autopilot.sandbox.workloads.objects import (
    Body,
    active,
    available,
    controller_of,
    deleting,
    is_ready,
    meta,
    notes,
    spec,
    status,
    uid,
)
from autopilot.sandbox.workloads.ownership import claimed
from autopilot.sandbox.workloads.templates import wanted_replicas
from autopilot.sandbox.workloads.world import DEPLOYMENTS, PODS, REPLICA_SETS

if TYPE_CHECKING:
    from autopilot.sandbox.workloads.world import World

KEPT_REVISIONS = 10


@dataclass(frozen=True, slots=True)
class Family:
    """A Deployment's ReplicaSets, the oldest first."""

    newest: Body | None
    old: list[Body]
    made: bool = False

    def all(self) -> list[Body]:
        """Old ones first."""
        return [*self.old, *([self.newest] if self.newest is not None else [])]


async def sync(world: World, namespace: str, name: str) -> float | None:
    """Move one step towards the present template and number of replicas."""
    body = world[DEPLOYMENTS].get(namespace, name)
    if body is None:
        return None
    sets = await claimed(world, body, REPLICA_SETS)
    family = _family(body, sets)
    if not deleting(body):
        if not spec(body).get("paused"):
            family = await _with_newest(world, body, sets)
            body = world[DEPLOYMENTS].get(namespace, name) or body
        await _scale(world, body, family)
        await _forget_old(world, body, family)
    now = world.now()
    counts = _counts(world, family, float(spec(body).get("minReadySeconds") or 0))
    limits = rollout.budget(spec(body).get("strategy"), wanted_replicas(body))
    newest = deployment_status.Newest(
        str(meta(family.newest)["name"]) if family.newest else "", family.made
    )
    told = deployment_status.status_of(body, counts, newest, limits.unavailable, now)
    await world.set_status(DEPLOYMENTS, body, told)
    return deployment_status.until_deadline({**body, "status": told}, now)


def _family(body: Body, sets: list[Body], *, made: bool = False) -> Family:
    by_age = sorted(
        sets, key=lambda one: (str(meta(one).get("creationTimestamp")), templates.revision(one))
    )
    newest = next((one for one in by_age if templates.same_template(one, body)), None)
    return Family(newest, [one for one in by_age if one is not newest], made)


async def _with_newest(world: World, body: Body, sets: list[Body]) -> Family:
    family = _family(body, sets)
    limits = rollout.budget(spec(body).get("strategy"), wanted_replicas(body))
    most = wanted_replicas(body) + limits.surge
    number = templates.highest_revision(family.old) + 1
    if family.newest is None:
        made = await _make(world, body, number, most)
        family = _family(body, [*sets, made], made=True)
    else:
        number = max(number, templates.revision(family.newest))
        change = templates.retold(family.newest, body, number, most)
        if change:
            after = await world.patch(REPLICA_SETS, family.newest, change)
            family = Family(after or family.newest, family.old)
    if notes(body).get(templates.REVISION) != str(number):
        patch = {"metadata": {"annotations": {templates.REVISION: str(number)}}}
        await world.patch(DEPLOYMENTS, body, patch)
    return family


async def _make(world: World, body: Body, number: int, most: int) -> Body:
    namespace = meta(body)["namespace"]
    collisions = int(status(body).get("collisionCount") or 0)
    wanted = templates.replica_set_of(body, collisions, number, most)
    try:
        return await world.create(REPLICA_SETS, wanted, namespace)
    except AlreadyExists:
        there = await world.client.get(REPLICA_SETS, wanted["metadata"]["name"], namespace)
        owner = controller_of(there)
        if owner and owner.get("uid") == uid(body) and templates.same_template(there, body):
            world[REPLICA_SETS].cache.observe(there)
            return there
        told = {"collisionCount": collisions + 1}
        await world.set_status(DEPLOYMENTS, body, told)
        raise


async def _scale(world: World, body: Body, family: Family) -> None:
    wanted = wanted_replicas(body)
    if spec(body).get("paused"):
        standing = [one for one in family.all() if wanted_replicas(one)]
        if len(standing) == 1 and wanted_replicas(standing[0]) != wanted:
            await _resize(world, body, standing[0], wanted)
        return
    if family.newest is None:
        return
    strategy = spec(body).get("strategy") or {}
    new = _seen(world, body, family.newest)
    old = [_seen(world, body, one) for one in family.old]
    if strategy.get("type") == "Recreate":
        step = rollout.recreate(wanted, new, old)
    else:
        step = rollout.rolling(wanted, rollout.budget(strategy, wanted), new, old)
    for one in family.all():
        name = meta(one)["name"]
        if name in step:
            await _resize(world, body, one, step[name])


async def _resize(world: World, body: Body, replica_set: Body, replicas: int) -> None:
    before, name = wanted_replicas(replica_set), meta(replica_set)["name"]
    await world.patch(REPLICA_SETS, replica_set, {"spec": {"replicas": replicas}})
    way = "up" if replicas > before else "down"
    told = f"Scaled {way} replica set {name} from {before} to {replicas}"
    world.events.record(body, "Normal", "ScalingReplicaSet", told)


def _pods(world: World, replica_set: Body) -> list[Body]:
    owner = uid(replica_set)
    return [
        pod
        for pod in world[PODS].all(meta(replica_set)["namespace"])
        if (controller_of(pod) or {}).get("uid") == owner
    ]


def _seen(world: World, body: Body, replica_set: Body) -> rollout.Replicas:
    pods = _pods(world, replica_set)
    patience = float(spec(body).get("minReadySeconds") or 0)
    now = world.now()
    return rollout.Replicas(
        name=str(meta(replica_set)["name"]),
        wanted=wanted_replicas(replica_set),
        available=sum(active(pod) and available(pod, patience, now) for pod in pods),
        pods=len(pods),
    )


def _counts(world: World, family: Family, patience: float) -> deployment_status.Counts:
    now = world.now()
    pods = [pod for one in family.all() for pod in _pods(world, one) if active(pod)]
    updated = [pod for pod in _pods(world, family.newest) if active(pod)] if family.newest else []
    return deployment_status.Counts(
        replicas=len(pods),
        updated=len(updated),
        ready=sum(is_ready(pod) for pod in pods),
        available=sum(available(pod, patience, now) for pod in pods),
    )


async def _forget_old(world: World, body: Body, family: Family) -> None:
    limit = spec(body).get("revisionHistoryLimit")
    kept = KEPT_REVISIONS if limit is None else int(limit)
    idle = [one for one in family.old if not wanted_replicas(one) and not _pods(world, one)]
    by_revision = sorted(idle, key=templates.revision)
    for one in by_revision[: max(0, len(family.old) - kept)]:
        if not deleting(one):
            await world.delete(REPLICA_SETS, one)
