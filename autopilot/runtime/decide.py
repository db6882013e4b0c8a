"""From what a worker answered to what may be written: pure, and all or nothing.

A refused answer has a reason that goes into a condition, and nothing of it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autopilot.mesh.actions import Action, OutlierDetection, Scale, Shed, Split
from autopilot.runtime import reasons
from autopilot.runtime.outputs import OutputSet, read_outputs
from autopilot.runtime.refused import Refused
from autopilot.runtime.result import NOTHING_ASIDE, Aside, Note, Notice, Result
from autopilot.runtime.status import camel_reason, difference
from autopilot.spec.model import RESERVED_STATUS, Model

if TYPE_CHECKING:
    from datetime import timedelta

    from autopilot.machine.table import PhaseMachine
    from autopilot.runtime.definition import OperatorDefinition, PhaseDefinition


@dataclass(frozen=True, slots=True)
class Decision:
    """A validated answer.

    Attributes:
        phase: The phase that the worker ran in.
        enter: The phase to enter; None to stay.
        status: The author's status fields to merge, as on the wire; None removes one.
        outputs: The kinds that the worker spoke of.
        actions: The whole wanted set; None leaves what stands.
        reason: CamelCase.
        message: For a person.
        after: When the timer shall fire; None for the operator's interval.
        finished: A finalizer has nothing left to do.
        quiet: The worker stays and has nothing to say: what it said last goes on standing.
        aside: What goes with it.
    """

    phase: str
    enter: str | None = None
    status: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[OutputSet, ...] = ()
    actions: tuple[Action, ...] | None = None
    reason: str = ""
    message: str = ""
    after: timedelta | None = None
    finished: bool = False
    quiet: bool = False
    aside: Aside = NOTHING_ASIDE


@dataclass(frozen=True, slots=True)
class Subject:
    """What a decision is about, as far as checking needs it.

    Attributes:
        definition: The operator kind.
        machine: Its table.
        phase: The phase (or finalizer) whose worker answered.
        namespace: The resource's own.
        status: The resource's stored status, as on the wire.
        finalizing: Whether the worker is the finalizer's.
    """

    definition: OperatorDefinition
    machine: PhaseMachine
    phase: PhaseDefinition
    namespace: str
    status: Mapping[str, Any]
    finalizing: bool = False


def decide(subject: Subject, result: object) -> Decision:
    """Check an answer.

    Raises:
        Refused: It isn't allowed.
    """
    if not isinstance(result, Result):
        raise Refused(
            reasons.NO_RESULT,
            f"the worker of {subject.phase.name} returned {type(result).__name__}; "
            "return Result.stay(...) or Result.to(...)",
        )
    enter = _target(subject, result)
    reason = camel_reason(result.reason, enter or subject.phase.name)
    return Decision(
        phase=subject.phase.name,
        enter=enter,
        status=_status(subject, result.status),
        outputs=read_outputs(subject.phase, result.outputs, subject.namespace),
        actions=_actions(subject, result.actions),
        reason=reason,
        message=result.message,
        after=result.after,
        finished=result.finished,
        quiet=enter is None and not result.reason and not result.message,
        aside=_aside(result.aside),
    )


def _target(subject: Subject, result: Result[Any]) -> str | None:
    if result.finished and not subject.finalizing:
        raise Refused(
            reasons.UNDECLARED_PHASE,
            f"Result.done() ends a finalizer; {subject.phase.name} is a phase: enter a final one",
        )
    target = result.phase
    if target is None:
        return None
    if subject.finalizing:
        raise Refused(
            reasons.UNDECLARED_PHASE,
            f"a finalizer enters no phase, not {target} either; "
            "return Result.stay() while there is work and Result.done() at the end",
        )
    known = [node.name for node in subject.machine.nodes]
    if target not in known:
        raise Refused(
            reasons.UNDECLARED_PHASE,
            f"{subject.phase.name} went to {target}, which isn't a declared phase "
            f"({', '.join(known)})",
        )
    if target == subject.phase.name:
        return None
    if not subject.machine.legal(subject.phase.name, target):
        legal = ", ".join(subject.machine.targets(subject.phase.name)) or "nowhere"
        raise Refused(
            reasons.ILLEGAL_TRANSITION,
            f"{subject.phase.name} went to {target}; its declared transitions are: {legal}",
        )
    return target


def _actions(subject: Subject, actions: object) -> tuple[Action, ...] | None:
    if actions is None:
        return None
    if not isinstance(actions, list | tuple):
        raise Refused(reasons.INVALID_ACTION, "actions is a list: the whole wanted set")
    taken: set[tuple[Any, ...]] = set()
    for action in actions:
        if not isinstance(action, Action):
            raise Refused(
                reasons.INVALID_ACTION, f"{type(action).__name__} is no action of this version"
            )
        if action.name not in subject.phase.actions:
            raise Refused(
                reasons.UNDECLARED_ACTION,
                f"{subject.phase.name} returned the action {action.name}, which it doesn't "
                f"declare; add `actions: [{action.name}]` to the phase",
            )
        about, key = _about(action)
        if (action.name, *key) in taken:
            raise Refused(
                reasons.INVALID_ACTION, f"two {action.name} actions for {about}; one is enough"
            )
        taken.add((action.name, *key))
    return tuple(actions)


def _about(action: Action) -> tuple[str, tuple[Any, ...]]:
    """What an action is about: for people, and told apart from all others of its name."""
    match action:
        case Split():
            return action.host, (action.host,)
        case Scale():
            return action.deployment, (action.deployment,)
        case OutlierDetection():
            # A DestinationRule knows neither routes nor callers.
            return action.where.host, (action.where.namespace, action.where.host)
        case Shed():
            which = tuple(sorted((name, tuple(of)) for name, of in action.headers.items()))
            return action.where.host, (action.where, which)
    return action.where.host, (action.where,)


def _aside(aside: object) -> Aside:
    """What goes with an answer, checked."""
    if not isinstance(aside, Aside):
        raise Refused(reasons.NO_RESULT, f"aside is an Aside, not {type(aside).__name__}")
    for what, kind in ((aside.events, Note), (aside.notices, Notice), (aside.used, str)):
        for one in what:
            if not isinstance(one, kind):
                raise Refused(
                    reasons.NO_RESULT, f"{type(one).__name__} where a {kind.__name__} is due"
                )
    return aside


def _status(subject: Subject, given: object) -> dict[str, Any]:
    """The author's fields, checked by the author's model, as on the wire."""
    model = subject.definition.status
    if given is None:
        return {}
    if isinstance(given, Model):
        given = {name: getattr(given, name) for name in type(given).model_fields}
    if not isinstance(given, Mapping):
        raise Refused(reasons.INVALID_STATUS, "status is a map of top-level fields")
    names: dict[str, str] = {n: info.alias or n for n, info in model.model_fields.items()}
    wire = {alias: name for name, alias in names.items()}
    wanted: dict[str, Any] = {}
    for key, value in given.items():
        alias = names.get(str(key), str(key))
        if alias in RESERVED_STATUS or _camel(alias) in RESERVED_STATUS:
            raise Refused(
                reasons.RESERVED_STATUS,
                f"status.{alias} belongs to the runtime; the phase is entered with Result.to(...)",
            )
        if alias not in wire and model.model_config.get("extra") != "allow":
            declared = ", ".join(sorted(names)) or "none"
            raise Refused(
                reasons.INVALID_STATUS,
                f"status.{key} isn't a field of {model.__name__} (declared: {declared})",
            )
        wanted[alias] = value
    return _validated(subject, wanted, wire)


def _validated(
    subject: Subject, wanted: Mapping[str, Any], wire: Mapping[str, str]
) -> dict[str, Any]:
    model = subject.definition.status
    whole = {k: v for k, v in {**subject.status, **wanted}.items() if k not in RESERVED_STATUS}
    try:
        checked = model.model_validate(whole)
    except ValidationError as error:
        raise Refused(reasons.INVALID_STATUS, describe(error, "status")) from None
    included = {wire.get(alias, alias) for alias in wanted}
    dumped: dict[str, Any] = checked.model_dump(
        mode="json", by_alias=True, include=included, exclude_none=True
    )
    return {alias: dumped.get(alias) for alias in wanted}


def changed_status(decision: Decision, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch of the author's fields that differ from what is stored."""
    return difference(stored, decision.status)


def describe(error: ValidationError, root: str) -> str:
    """All that a model refuses, each with its path."""
    found = []
    for one in error.errors(include_url=False):
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in one["loc"])
        found.append(f"{root}{path}: {one['msg']}")
    return "; ".join(found)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda m: m.group(1).upper(), name)
