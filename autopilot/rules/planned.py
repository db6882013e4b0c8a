"""What a rule would make of the mesh, phase by phase: pure, over observed bodies."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.overlay.record import read
from autopilot.rules.words import describe
from autopilot.runtime.guardrails.judge import Move, Record, judge
from autopilot.runtime.guardrails.limits import Limits
from autopilot.runtime.guardrails.permission import Known, refusal
from autopilot.runtime.guardrails.steps import about, forward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.actions import Overlaid
    from autopilot.mesh.provider import Owner, Preview, T, World
    from autopilot.mesh.steps import Plan
    from autopilot.rules.program import Program

_CONTEXT = 2
"""Lines around a change."""


class Planner(Protocol):
    """As much of a provider as a plan needs."""

    def plan(self, owner: Owner, actions: Sequence[Overlaid], world: World, now: datetime) -> Plan:
        """The steps."""
        ...

    def preview(
        self, owner: Owner, actions: Sequence[Overlaid], world: World, now: datetime
    ) -> list[Preview]:
        """What would become of each object."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """One mesh object.

    Attributes:
        object: Like `VirtualService shop/checkout`.
        made: Whether it isn't there yet.
        diff: Lines of a unified diff of its spec; empty where only marks change.
        marks: How many marks of the rule it would carry.
    """

    object: str
    made: bool
    diff: tuple[str, ...]
    marks: int


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A phase at one rung of its ladder.

    Attributes:
        phase: The phase.
        rung: From 0.
        of: How many rungs.
        actions: What it wants, in few words.
        objects: What would change, from the rung below or, for the first one, from what is there.
        refused: Why some of it couldn't be done now.
        guardrails: What would hold it up.
    """

    phase: str
    rung: int
    of: int
    actions: tuple[str, ...]
    objects: tuple[ObjectPlan, ...]
    refused: tuple[str, ...]
    guardrails: tuple[str, ...]


class Observed:
    """A world of given bodies, over which later ones are laid.

    Args:
        bodies: By kind; a kind that is left out isn't observed.
    """

    def __init__(self, bodies: Mapping[ResourceType, Sequence[Body]]) -> None:
        self._bodies = {kind: {_key(body): body for body in each} for kind, each in bodies.items()}

    def objects(self, kind: ResourceType, namespace: str | None = None) -> Iterable[Body] | None:
        """All of a kind; None when it isn't observed."""
        found = self._bodies.get(kind)
        if found is None:
            return None
        return [
            body
            for body in found.values()
            if namespace is None or body["metadata"].get("namespace") == namespace
        ]

    def derived(
        self, kind: ResourceType, make: Callable[[Iterable[Body], T | None], T]
    ) -> T | None:
        """What is made of all of a kind, anew at each call."""
        found = self.objects(kind)
        return None if found is None else make(found, None)

    def get(self, kind: ResourceType, name: str, namespace: str | None = None) -> Body | None:
        """One body; None where it isn't there, or isn't observed."""
        return self._bodies.get(kind, {}).get((namespace or "", name))

    def after(self, previews: Iterable[Preview]) -> Observed:
        """The world as it would be."""
        bodies = {kind: [*each.values()] for kind, each in self._bodies.items()}
        for preview in previews:
            kind = preview.target.kind
            kept = [b for b in bodies.get(kind, []) if _key(b) != _key(preview.after)]
            bodies[kind] = [*kept, _as_stored(preview.after)]
        return Observed(bodies)


def planned(
    program: Program, planner: Planner, owner: Owner, world: Observed, now: datetime
) -> list[StepPlan]:
    """What each phase, at each rung, would make of the mesh.

    Args:
        program: The rule.
        planner: The mesh's provider.
        owner: The rule as it is in the cluster, or would be.
        world: What is observed.
        now: For marks.
    """
    found = []
    for name, plan in program.phases.items():
        there = world
        for rung in range(max(1, plan.rungs)):
            wanted = [action.at(rung) for action in plan.actions]
            steps = planner.plan(owner, wanted, there, now)
            previews = planner.preview(owner, wanted, there, now)
            found.append(
                StepPlan(
                    phase=name,
                    rung=rung,
                    of=max(1, plan.rungs),
                    actions=tuple(describe(action) for action in wanted),
                    objects=tuple(object_plan(preview, owner) for preview in previews),
                    refused=tuple(dict.fromkeys(str(error) for error in steps.refused)),
                    guardrails=tuple(_guards(program, name, wanted, steps, there, now)),
                )
            )
            there = there.after(previews)
    return found


def _guards(
    program: Program,
    phase: str,
    wanted: Sequence[Overlaid],
    steps: Plan,
    world: Observed,
    now: datetime,
) -> Iterable[str]:
    """What of the rule's own limits, protections and permissions would hold a step up.

    Counts of transitions depend on what will have been, so they are no part of it.
    """
    limits = Limits().within(program.limits)
    known = Known(
        lambda name: world.get(NAMESPACES, name),
        lambda home, name: world.get(KNOWN["services"], name, home),
    )
    moves = forward(steps)
    if not moves:
        return
    trip = refusal(about(program.namespace, wanted, steps), limits, known)
    if trip is not None:
        yield f"{trip.reason}: {trip.message}"
    trip = judge(Move(phase, None, steps=moves), limits, Record(now=now, since=now))
    if trip is not None:
        yield f"{trip.reason}: {trip.message}"


def object_plan(preview: Preview, owner: Owner) -> ObjectPlan:
    """What would become of one object, to print."""
    before = {} if preview.before is None else preview.before.get("spec") or {}
    after = preview.after.get("spec") or {}
    return ObjectPlan(
        object=str(preview.target),
        made=preview.before is None,
        diff=tuple(_diff(before, after)),
        marks=sum(owner.holder.succeeds(each.holder) for each in read(preview.after).overlays),
    )


def _diff(before: Any, after: Any) -> Iterable[str]:
    lines = difflib.unified_diff(_yaml(before), _yaml(after), lineterm="", n=_CONTEXT)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def _yaml(value: Any) -> list[str]:
    if not value:
        return []
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).splitlines()


def _as_stored(body: Body) -> Body:
    """A body that isn't there yet, with what the API would give it."""
    meta = {"uid": "planned", "resourceVersion": "0", **body["metadata"]}
    return {**body, "metadata": meta}


def _key(body: Body) -> tuple[str, str]:
    meta = body["metadata"]
    return str(meta.get("namespace") or ""), str(meta["name"])
