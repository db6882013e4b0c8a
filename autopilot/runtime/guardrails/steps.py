"""A plan as guardrails see it: pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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
from autopilot.overlay.record import read
from autopilot.overlay.values import same
from autopilot.runtime.guardrails.judge import Forward
from autopilot.runtime.guardrails.permission import About

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.mesh.actions import Action
    from autopilot.mesh.steps import Plan, Step


def forward(plan: Plan) -> tuple[Forward, ...]:
    """The writes that move traffic forward; what only puts back a foreign change isn't one."""
    return tuple(
        Forward(step.summary, _namespace(step), _moved(step))
        for step in plan.changes
        if step.moves == "forward" and not is_repair(step)
    )


def is_repair(step: Step) -> bool:
    """Whether a step only sets back what somebody else did to what its holder holds already."""
    if isinstance(step, HoldReplicas):
        return step.repair
    if not isinstance(step, PutOverlay) or step.live is None:
        return False
    wish = step.wish
    return any(
        wish.holder.succeeds(overlay.holder)
        and overlay.action == wish.action
        and overlay.fields
        and all(
            same(value, overlay.holds(name)) or same(value, overlay.asked.get(name))
            for name, value in wish.wanted.items()
        )
        and {*overlay.fields} == {*wish.wanted}
        for overlay in read(step.live).overlays
    )


def without_forward(plan: Plan) -> Plan:
    """What is left of a plan that must not move forward.

    Deletions, and what takes capacity away, rely on what came before them.
    """
    dropped = [step for step in plan.steps if _is_forward(step)]
    if not dropped:
        return plan
    kept = (
        step
        for step in plan.steps
        if not (_is_forward(step) or isinstance(step, DeleteOwned | MakeBase) or lowers(step))
    )
    return replace(plan, steps=tuple(kept))


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
        _namespace(step) for step in plan.changes if step.moves == "forward" and _namespace(step)
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


def _namespace(step: Step) -> str:
    if isinstance(step, PutOverlay | TakeBack):
        return step.target.namespace or ""
    body = step.body if isinstance(step, ApplyOwned | MakeBase) else step.live
    return str(body["metadata"].get("namespace") or "")
