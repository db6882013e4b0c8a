"""The runtime's part of a resource's status: pure functions from old to new.

kstatus reads `Ready`, `Stalled` and observedGeneration; a person reads phase and phaseHistory;
the runtime itself reads phase, phaseSince and nextTick, and nothing else, after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import render_time, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

HISTORY = 20
"""How many phase changes a status keeps."""

MESSAGE = 1024
"""The longest message kept in a condition, in characters; the API allows 32768."""

Wire = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A wanted condition.

    Attributes:
        type: CamelCase.
        status: Whether it holds.
        reason: CamelCase.
        message: For a person.
    """

    type: str
    status: bool
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Entered:
    """A phase entered, for the history.

    Attributes:
        phase: Its name.
        reason: Why, CamelCase.
        message: Why, for a person.
    """

    phase: str
    reason: str = ""
    message: str = ""


def camel_reason(text: str, fallback: str) -> str:
    """A reason as the API accepts it: letters, digits, `_`, `,` and `:`, a letter first."""
    found = re.sub(r"[^A-Za-z0-9_,:]", "", text).lstrip("0123456789_,:").rstrip(",:")
    return found or fallback


def conditions(
    old: object, wanted: Sequence[Condition], *, generation: int, now: datetime, refresh: bool
) -> list[dict[str, Any]]:
    """The conditions to store.

    Those of types that nobody asks for here are kept as they are.

    Args:
        old: The stored ones.
        wanted: The present truth; a type is named once.
        generation: Of the spec that this is about.
        now: Becomes lastTransitionTime where the status flips.
        refresh: Whether a message that alone has changed is worth a write.
    """
    stored = [dict(c) for c in old if isinstance(c, Mapping)] if isinstance(old, list) else []
    before = {c.get("type"): c for c in stored}
    made = [_condition(before.get(c.type), c, generation, now, refresh=refresh) for c in wanted]
    named = {c.type for c in wanted}
    return made + [c for c in stored if c.get("type") not in named]


def _condition(
    old: Mapping[str, Any] | None,
    wanted: Condition,
    generation: int,
    now: datetime,
    *,
    refresh: bool,
) -> dict[str, Any]:
    status = "True" if wanted.status else "False"
    reason = camel_reason(wanted.reason, wanted.type)
    message = wanted.message[:MESSAGE]
    since = stamp(now)
    if old is not None and old.get("status") == status:
        since = str(old.get("lastTransitionTime") or since)
        if old.get("reason") == reason and not refresh:
            message = str(old.get("message") or "")
    return {
        "type": wanted.type,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }


def without(old: object, kind: str) -> list[dict[str, Any]]:
    """The stored conditions but for one type."""
    stored = old if isinstance(old, list) else []
    return [dict(c) for c in stored if isinstance(c, Mapping) and c.get("type") != kind]


def phase_fields(old: Wire, entered: Sequence[Entered], now: datetime) -> dict[str, Any]:
    """phase, phaseSince and phaseHistory after the given phases were entered, oldest first."""
    if not entered:
        return {}
    stored = old.get("phaseHistory")
    history = (
        [dict(e) for e in stored if isinstance(e, Mapping)] if isinstance(stored, list) else []
    )
    for step in entered:
        entry = {"phase": step.phase, "at": render_time(now)}
        if step.reason:
            entry["reason"] = step.reason
        if step.message:
            entry["message"] = step.message[:MESSAGE]
        history.append(entry)
    return {
        "phase": entered[-1].phase,
        "phaseSince": render_time(now),
        "phaseHistory": history[-HISTORY:],
    }


def difference(old: Wire, new: Wire) -> dict[str, Any]:
    """The merge patch (RFC 7386) that makes the named fields of `old` equal those of `new`.

    Fields that `new` doesn't name stay; one that it names as None goes. Below the top level a
    map is whole: keys that it no longer has go too.
    """
    patch: dict[str, Any] = {}
    for key, value in new.items():
        present = old.get(key)
        if value is None:
            if key in old and present is not None:
                patch[key] = None
        elif isinstance(value, Mapping) and isinstance(present, Mapping):
            gone = {k: None for k in present if k not in value}
            inner = difference(present, {**value, **gone})
            if inner:
                patch[key] = inner
        elif key not in old or not _same(present, value):
            patch[key] = value
    return patch


def merged(old: Wire, patch: Wire) -> dict[str, Any]:
    """`old` after a merge patch (RFC 7386)."""
    made = dict(old)
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, Mapping):
            inner = made.get(key)
            made[key] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            made[key] = value
    return made


def _same(one: Any, other: Any) -> bool:
    """Equality as JSON sees it: true isn't 1, but 1 is 1.0."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
