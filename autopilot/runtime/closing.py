"""The last status write of a sync: phase, history, conditions, next tick. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import render_time
from autopilot.runtime import reasons
from autopilot.runtime.status import (
    Condition,
    Entered,
    conditions,
    difference,
    phase_fields,
    without,
)
from autopilot.runtime.view import stored_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from types import EllipsisType

    from autopilot.runtime.setbacks import Setback

_GOES_ON = "Progressing"

PASSING = frozenset({reasons.CONFLICT, reasons.CONTESTED})
"""Conditions that are there only while they hold."""
_HELD = "the annotation holds workers and writes"


@dataclass(frozen=True, slots=True)
class Closing:
    """How a sync ended, as the status shall tell it.

    Attributes:
        now: The wall clock.
        entered: Phases entered, oldest first.
        ready: The condition Ready.
        stalled: The condition Stalled.
        refresh: Whether a message that alone has changed is worth a write.
        tick: The stored timer: a time, None for no timer, or `...` to leave it.
        more: Further conditions that hold; those of `PASSING` that aren't among them go.
    """

    now: datetime
    ready: Condition
    stalled: Condition
    entered: Sequence[Entered] = ()
    refresh: bool = True
    tick: datetime | EllipsisType | None = ...
    more: Sequence[Condition] = ()


def succeeded(reason: str, message: str) -> tuple[Condition, Condition]:
    """Ready and Stalled after a sync that went well."""
    return (
        Condition(reasons.READY, True, reason, message),
        Condition(reasons.STALLED, False, _GOES_ON),
    )


def still(body: Mapping[str, Any], phase: str) -> tuple[Condition, Condition]:
    """Ready and Stalled of a resource of which there is nothing new to say.

    Args:
        body: The resource; what it says stands, unless it says that it isn't ready.
        phase: The reason where nothing stands.
    """
    for stored in without(stored_status(body).get("conditions"), ""):
        if stored.get("type") == reasons.READY and stored.get("status") == "True":
            return succeeded(str(stored.get("reason")), str(stored.get("message") or ""))
    return succeeded(phase, "")


def latched(reason: str, message: str) -> tuple[Condition, Condition]:
    """Ready and Stalled of a resource whose phase a guardrail holds until a person lets go."""
    return (
        Condition(reasons.READY, False, reason, message),
        Condition(reasons.STALLED, True, reason, message),
    )


def held_up(setback: Setback) -> tuple[Condition, Condition]:
    """Ready and Stalled after one that didn't."""
    ready = Condition(reasons.READY, False, setback.reason, setback.message)
    if setback.stalled:
        return ready, Condition(reasons.STALLED, True, setback.reason, setback.message)
    return ready, Condition(reasons.STALLED, False, _GOES_ON)


def closing_patch(body: Mapping[str, Any], closing: Closing) -> dict[str, Any]:
    """The merge patch of the status; empty when it says all that already."""
    status = stored_status(body)
    generation = int(body["metadata"].get("generation") or 0)
    wanted = [closing.ready, closing.stalled, *closing.more]
    over = {reasons.PAUSED, reasons.HALTED, *PASSING} - {
        condition.type for condition in closing.more
    }
    stored = [c for c in without(status.get("conditions"), "") if c.get("type") not in over]
    new: dict[str, Any] = {
        **phase_fields(status, closing.entered, closing.now),
        "observedGeneration": generation,
        "conditions": conditions(
            stored, wanted, generation=generation, now=closing.now, refresh=closing.refresh
        ),
    }
    if closing.tick is not ...:
        new["nextTick"] = None if closing.tick is None else render_time(closing.tick)
    return difference(status, new)


def paused_patch(body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The merge patch that says that the resource is held; the rest stays as it was."""
    return _held_patch(body, Condition(reasons.PAUSED, True, reasons.PAUSED, _HELD), now)


def halted_patch(body: Mapping[str, Any], order: str, now: datetime) -> dict[str, Any]:
    """The merge patch that says that an order to halt holds; the rest stays as it was."""
    return _held_patch(body, Condition(reasons.HALTED, True, reasons.HALTED, order), now)


def _held_patch(body: Mapping[str, Any], held: Condition, now: datetime) -> dict[str, Any]:
    generation = int(body["metadata"].get("generation") or 0)
    status = stored_status(body)
    stored = without(status.get("conditions"), "")
    kept = [c for c in stored if c.get("type") not in {held.type, reasons.HALTED}]
    found = conditions(stored, [held], generation=generation, now=now, refresh=False)[0]
    wanted = [*kept, found]
    return {} if _same(stored, wanted) else {"conditions": wanted}


def _same(stored: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether they say the same, in whatever order."""
    return len(stored) == len(wanted) and all(each in stored for each in wanted)


def ready_reason(body: Mapping[str, Any]) -> tuple[str, str]:
    """Status and reason of the stored condition Ready; empty where there is none."""
    for condition in without(stored_status(body).get("conditions"), ""):
        if condition.get("type") == reasons.READY:
            return str(condition.get("status")), str(condition.get("reason"))
    return "", ""
