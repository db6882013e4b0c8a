"""What a Deployment says of itself, as `kubectl rollout` reads it: counts, conditions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.timestamps import parse_time, stamp
from autopilot.sandbox.workloads.objects import (
    Body,
    condition,
    meta,
    spec,
    status,
)
from autopilot.sandbox.workloads.templates import wanted_replicas

if TYPE_CHECKING:
    from datetime import datetime

DEFAULT_DEADLINE = 600.0
_PROGRESS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


@dataclass(frozen=True, slots=True)
class Counts:
    """Active pods of a Deployment.

    Attributes:
        updated: Of the present template.
    """

    replicas: int
    updated: int
    ready: int
    available: int


@dataclass(frozen=True, slots=True)
class Newest:
    """The ReplicaSet of the present template.

    Attributes:
        name: Its name; empty while there is none.
        made: Whether this very sync made it.
    """

    name: str
    made: bool = False


def complete(deployment: Body, counts: Counts) -> bool:
    """Whether the rollout has come to its end."""
    wanted = wanted_replicas(deployment)
    return counts.updated == counts.replicas == counts.available == wanted


def deadline(deployment: Body) -> float:
    """ProgressDeadlineSeconds."""
    found = spec(deployment).get("progressDeadlineSeconds")
    return DEFAULT_DEADLINE if found is None else float(found)


def status_of(
    deployment: Body, counts: Counts, newest: Newest, unavailable: int, now: datetime
) -> Body:
    """The whole status.

    Args:
        deployment: With the status before.
        counts: Its pods.
        newest: The ReplicaSet that the rollout goes to.
        unavailable: maxUnavailable, resolved.
        now: The wall clock.
    """
    wanted = wanted_replicas(deployment)
    told: Body = {
        "observedGeneration": meta(deployment).get("generation", 1),
        "replicas": counts.replicas,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "unavailableReplicas": max(0, wanted - counts.available),
    }
    progressed = any(status(deployment).get(name, 0) != told[name] for name in _PROGRESS)
    conditions = [
        _available(deployment, counts, wanted - unavailable, now),
        _progressing(deployment, counts, newest, progressed=progressed, now=now),
    ]
    others = [
        one
        for one in status(deployment).get("conditions") or ()
        if one.get("type") not in {"Available", "Progressing"}
    ]
    told["conditions"] = others + [one for one in conditions if one is not None]
    return told


def until_deadline(deployment: Body, now: datetime) -> float | None:
    """Seconds until the rollout counts as stuck; None when it is over, or already stuck."""
    found = condition(deployment, "Progressing")
    if found is None or found.get("reason") in {
        "NewReplicaSetAvailable",
        "ProgressDeadlineExceeded",
    }:
        return None
    since = parse_time(found.get("lastUpdateTime"))
    if since is None:
        return None
    return max(0.1, deadline(deployment) - (now - since).total_seconds() + 0.1)


def _available(deployment: Body, counts: Counts, least: int, now: datetime) -> Body:
    if counts.available >= least:
        reason, text = "MinimumReplicasAvailable", "Deployment has minimum availability."
        return _condition(deployment, ("Available", "True", reason, text), now)
    reason, text = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return _condition(deployment, ("Available", "False", reason, text), now)


def _progressing(
    deployment: Body, counts: Counts, newest: Newest, *, progressed: bool, now: datetime
) -> Body | None:
    before = condition(deployment, "Progressing")
    if spec(deployment).get("paused"):
        if before is None or before.get("reason") == "DeploymentPaused":
            return before
        told = ("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        return _condition(deployment, told, now)
    named = f'ReplicaSet "{newest.name}"'
    if complete(deployment, counts):
        text = f"{named} has successfully progressed."
        return _condition(deployment, ("Progressing", "True", "NewReplicaSetAvailable", text), now)
    if newest.made or before is None or before.get("reason") == "DeploymentPaused":
        told = ("Progressing", "True", "NewReplicaSetCreated", f"Created new replica set {named}")
        return _condition(deployment, told, now, renew=True)
    if before.get("reason") == "NewReplicaSetAvailable" and not _replaced(before, named):
        # A finished rollout stays finished when a pod is lost, or the deployment is scaled.
        return before
    if progressed or _replaced(before, named):
        told = ("Progressing", "True", "ReplicaSetUpdated", f"{named} is progressing.")
        return _condition(deployment, told, now, renew=True)
    since = parse_time(before.get("lastUpdateTime"))
    if since is not None and (now - since).total_seconds() >= deadline(deployment):
        told = (
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            f"{named} has timed out progressing.",
        )
        return _condition(deployment, told, now)
    return before


def _replaced(before: Body, named: str) -> bool:
    return named not in str(before.get("message", ""))


def _condition(
    deployment: Body, told: tuple[str, str, str, str], now: datetime, *, renew: bool = False
) -> Body:
    kind, state, reason, text = told
    before = condition(deployment, kind)
    wanted: Body = {"type": kind, "status": state, "reason": reason, "message": text}
    if before is not None and not renew and all(before.get(k) == v for k, v in wanted.items()):
        return before
    turned = before is None or before.get("status") != state
    moved = stamp(now) if turned or before is None else before.get("lastTransitionTime")
    return {**wanted, "lastUpdateTime": stamp(now), "lastTransitionTime": moved}
