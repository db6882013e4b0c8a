"""A plan as guardrails see it: pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import AutopilotError
from autopilot.mesh.actions import Mirror, Scale, Shift, Split
from autopilot.mesh.istio.hosts import service_of
from autopilot.mesh.scaling import lowers
from autopilot.mesh.steps import (
    ApplyOwned,
    DeleteOwned,
    HoldReplicas,
    MakeBase,
    PutOverlay,
    TakeBack,
)
from autopilot.overlay.draft import strayed
from autopilot.overlay.places import Places
from autopilot.overlay.record import WHOLE, read
from autopilot.overlay.values import at, path_of, same
from autopilot.runtime.guardrails.judge import Forward
from autopilot.runtime.guardrails.permission import About

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.mesh.actions import Action
    from autopilot.mesh.steps import Plan, Step
    from autopilot.overlay.record import Overlay
    from autopilot.overlay.values import Path


def forward(plan: Plan) -> tuple[Forward, ...]:
    """The writes that move traffic forward; what only puts back a foreign change isn't one."""
    return tuple(
        Forward(step.summary, namespace_of(step), _moved(step))
        for step in plan.changes
        if step.moves == "forward" and not is_repair(step)
    )


def is_repair(step: Step) -> bool:
    """Whether a step only sets back what somebody else did to what its holder holds already."""
    if isinstance(step, HoldReplicas):
        return step.repair
    if not isinstance(step, PutOverlay):
        return False
    found = _held(step)
    return found is not None and same(dict(step.wish.wanted), _asked(found[0]))


def without_forward(plan: Plan) -> Plan:
    """What is left of a plan that must not move forward.

    What is held already is held on: where somebody else changed it, it is set back. Deletions, and
    what takes capacity away, rely on what came before them.
    """
    if not any(_is_forward(step) for step in plan.steps):
        return plan
    kept: list[Step] = []
    for step in plan.steps:
        if not _is_forward(step):
            if not (isinstance(step, DeleteOwned | MakeBase) or lowers(step)):
                kept.append(step)
        elif isinstance(step, PutOverlay) and (again := _again(step)) is not None:
            kept.append(again)
    return replace(plan, steps=tuple(kept))


def _again(step: PutOverlay) -> PutOverlay | None:
    """The write that holds what was held before, where somebody else has changed it."""
    found = _held(step)
    if found is None or step.live is None:
        return None
    overlay, place = found
    changed = [
        name
        for name in overlay.fields
        if not same(at(step.live, (*place, *path_of(name))), overlay.holds(name))
    ]
    places = Places(step.live, read(step.live).overlays)
    if not changed and not (overlay.inserted and strayed(step.live, places, step.wish, place)):
        return None
    asked = _asked(overlay)
    wish = (
        replace(step.wish, insert=asked[WHOLE], fields={})
        if overlay.inserted
        else replace(step.wish, fields=asked)
    )
    summary = f"{step.target}: {overlay.action} as it was held"
    return replace(step, wish=wish, summary=summary, moved=0.0)


def _held(step: PutOverlay) -> tuple[Overlay, Path] | None:
    """The overlay that the holder has where a step wants one, and its place."""
    if step.live is None:
        return None
    wish, overlays = step.wish, read(step.live).overlays
    places = Places(step.live, overlays)
    for overlay in overlays:
        if not wish.may_be(overlay):
            continue
        found = places.find(overlay)
        if not isinstance(found, tuple):
            continue
        if wish.insert is not None:
            if overlay.locator.name == wish.insert["name"]:
                return overlay, found
            continue
        try:
            if places.locate(wish.locator) == found:
                return overlay, found
        except AutopilotError:
            continue
    return None


def _asked(overlay: Overlay) -> dict[str, Any]:
    """What was wanted of an overlay, before the server made of it what it holds."""
    return {name: overlay.asked.get(name, overlay.holds(name)) for name in overlay.fields}


def hazards_only(plan: Plan) -> Plan:
    """What is left of a plan that changes no phase: hazards that it would have removed."""
    steps = (_hazards_of(step) for step in plan.steps if isinstance(step, TakeBack))
    return replace(plan, steps=tuple(step for step in steps if step.chosen), refused=())


def about(home: str, actions: Sequence[Action], plan: Plan) -> About:
    """What a plan acts on."""
    services: set[tuple[str, str]] = set()
    foreign: set[str] = set()
    for action in actions:
        named = set(_services(action, home))
        services |= named
        # A split makes an object of its own, in its own namespace.
        if not isinstance(action, Split | Scale):
            foreign |= {namespace for namespace, _ in named}
    spaces = {
        namespace_of(step)
        for step in plan.changes
        if step.moves == "forward" and namespace_of(step)
    }
    return About(home, frozenset(spaces), frozenset(services), frozenset(foreign | spaces))


def _services(action: Action, home: str) -> Iterable[tuple[str, str]]:
    if isinstance(action, Scale):
        return
    if isinstance(action, Split):
        yield service_of(action.host, home)
        yield from (service_of(name, home) for name in action.weights)
        return
    there = action.where.namespace or home
    yield service_of(action.where.host, there)
    names = (
        [name for name, weight in action.weights.items() if weight > 0]
        if isinstance(action, Shift)
        else [action.to]
        if isinstance(action, Mirror)
        else []
    )
    yield from (service_of(name.partition("/")[0], there) for name in names)


def _is_forward(step: Step) -> bool:
    return step.moves == "forward" and not is_repair(step)


def _hazards_of(step: TakeBack) -> TakeBack:
    """A step without the protections that it takes back."""
    hazards = {each.id for each in read(step.live).overlays if each.effect == "hazard"}
    return replace(step, chosen=step.chosen & hazards)


def _moved(step: Step) -> float:
    return step.moved if isinstance(step, ApplyOwned | PutOverlay) else 0.0


def namespace_of(step: Step) -> str:
    """The namespace of the object that a step writes."""
    if isinstance(step, PutOverlay | TakeBack):
        return step.target.namespace or ""
    body = step.body if isinstance(step, ApplyOwned | MakeBase) else step.live
    return str(body["metadata"].get("namespace") or "")
