"""Holding the replicas of a Deployment that somebody else owns: pure.

The mark on the Deployment itself says who holds it and what stood before, so that the undo needs
nothing else. It is written before the first change and taken away after the last, and every write
follows from what is observed: killed between any two, the next run goes on from there.

A HorizontalPodAutoscaler on the Deployment rests while the count is 0, but fights over any other:
such a fight ends as `Contested`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.kube.marks import SCALED
from autopilot.mesh.errors import Held, TargetMissing
from autopilot.mesh.steps import DEPLOYMENTS, HoldReplicas, Plan, ReleaseReplicas, Step
from autopilot.overlay.record import Holder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from autopilot.base.errors import AutopilotError
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Scale
    from autopilot.mesh.provider import Owner, World

_POINTER = "/metadata/annotations/" + SCALED.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, slots=True)
class Mark:
    """What the annotation says.

    Attributes:
        holder: Who holds the replicas.
        before: The count that an undo restores.
        after: The count that is held.
        at: ISO time of the first change.
        seen: The count when the mark was written: finding it again means that the change that
            the mark announces is still to be made; any other count is somebody's wish.
    """

    holder: Holder
    before: int
    after: int
    at: str
    seen: int

    def render(self) -> str:
        """As the annotation's text."""
        counts = {"before": self.before, "after": self.after, "at": self.at, "seen": self.seen}
        return json.dumps({**self.holder.body(), **counts})


@dataclass(frozen=True, slots=True)
class SetMark:
    """A JSON patch, under the version that was read."""

    patch: list[Body]


@dataclass(frozen=True, slots=True)
class SetReplicas:
    """A PUT of the scale subresource, under the version that was read."""

    scale: Body


def read_mark(deployment: Body) -> Mark | None:
    """The mark on a Deployment; None where there is none, or none that makes sense."""
    text = (deployment["metadata"].get("annotations") or {}).get(SCALED)
    if not text:
        return None
    try:
        said = json.loads(text)
        holder = Holder.parse(said)
        before, after = int(said["before"]), int(said["after"])
        return Mark(holder, before, after, str(said.get("at", "")), int(said.get("seen", before)))
    except (ValueError, KeyError, TypeError):
        return None


def replicas_of(deployment: Body) -> int:
    """The wanted count; a Deployment that leaves it out means one."""
    count = (deployment.get("spec") or {}).get("replicas")
    return 1 if count is None else int(count)


def next_write(step: HoldReplicas | ReleaseReplicas, live: Body) -> SetMark | SetReplicas | None:
    """The next write that a step needs, given the Deployment as it is now; None when done.

    Raises:
        Held: Somebody else holds the replicas.
    """
    mark = read_mark(live)
    if isinstance(step, ReleaseReplicas):
        if mark is None or not step.holder.succeeds(mark.holder):
            return None
        # A count that is neither was set by somebody else since: it stands.
        if replicas_of(live) == mark.after != mark.before:
            return _scale(live, mark.before)
        return _mark(live, None)
    if mark is not None and not step.holder.succeeds(mark.holder):
        raise Held(f"the replica count of {_name(live)}", str(mark.holder))
    present = replicas_of(live)
    if mark is None:
        return _mark(live, Mark(step.holder, present, step.replicas, step.at, present))
    if mark.after != step.replicas or mark.holder != step.holder:
        return _mark(live, Mark(step.holder, mark.before, step.replicas, mark.at, present))
    if present == step.replicas:
        return None
    if present != mark.seen:
        # An undo has to give back what was asked for last.
        return _mark(live, Mark(step.holder, present, step.replicas, mark.at, present))
    return _scale(live, step.replicas)


def plan_scales(owner: Owner, scales: Sequence[Scale], world: World, now: datetime) -> Plan:
    """Holds for what is wanted, releases for what this owner holds and wants no longer."""
    bodies = world.objects(DEPLOYMENTS, owner.namespace) or ()
    deployments = {body["metadata"]["name"]: body for body in bodies}
    wanted = {scale.deployment: scale.replicas for scale in scales}
    steps: list[Step] = []
    refused: list[AutopilotError] = []
    settled: list[str] = []
    for name, replicas in wanted.items():
        live = deployments.get(name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            refused.append(TargetMissing(f"Deployment {owner.namespace}/{name} isn't there"))
            continue
        hold = _hold(owner, live, replicas, now)
        try:
            if next_write(hold, live) is None:
                settled.append(_name(live))
            else:
                steps.append(hold)
        except Held as error:
            refused.append(error)
    for name, live in deployments.items():
        mark = read_mark(live)
        ours = mark is not None and owner.holder.succeeds(mark.holder)
        if mark is not None and ours and name not in wanted:
            steps.append(_release(owner, live, mark))
    return Plan(tuple(steps), tuple(refused), tuple(settled))


def lowers(step: Step) -> bool:
    """Whether a step takes capacity away."""
    if isinstance(step, HoldReplicas):
        return step.replicas < replicas_of(step.live)
    if isinstance(step, ReleaseReplicas):
        mark = read_mark(step.live)
        return mark is not None and mark.before < replicas_of(step.live) == mark.after
    return False


def _hold(owner: Owner, live: Body, replicas: int, now: datetime) -> HoldReplicas:
    mark = read_mark(live)
    present = replicas_of(live)
    repair = mark is not None and mark.after == replicas and mark.holder == owner.holder
    return HoldReplicas(
        live=live,
        holder=owner.holder,
        replicas=replicas,
        repair=repair,
        moves="forward" if replicas < present else "neutral",
        summary=f"{_name(live)}: replicas {present}→{replicas}",
        at=now.isoformat(timespec="seconds"),
    )


def _release(owner: Owner, live: Body, mark: Mark) -> ReleaseReplicas:
    present = replicas_of(live)
    change = f"replicas {present}→{mark.before}" if present == mark.after else "released as it is"
    lowered = mark.before < present == mark.after
    return ReleaseReplicas(
        live=live,
        holder=owner.holder,
        moves="neutral" if lowered else "back",
        summary=f"{_name(live)}: {change}",
    )


def _mark(live: Body, mark: Mark | None) -> SetMark:
    meta = live["metadata"]
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]}
    ]
    if mark is None:
        patch.append({"op": "remove", "path": _POINTER})
    else:
        if not meta.get("annotations"):
            patch.append({"op": "add", "path": "/metadata/annotations", "value": {}})
        patch.append({"op": "add", "path": _POINTER, "value": mark.render()})
    return SetMark(patch)


def _scale(live: Body, replicas: int) -> SetReplicas:
    meta = live["metadata"]
    return SetReplicas(
        {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {key: meta[key] for key in ("name", "namespace", "resourceVersion")},
            "spec": {"replicas": replicas},
        }
    )


def _name(live: Body) -> str:
    return f"Deployment {live['metadata']['namespace']}/{live['metadata']['name']}"
