"""The latch as a resource's status keeps it: pure.

It is the condition `Latched`, so it survives a restart. Let go of, the condition stays, as False:
its time is from when transitions are counted anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.timestamps import parse_time
from autopilot.kube.marks import UNLATCH
from autopilot.runtime.guardrails.judge import LATCHED, Latch
from autopilot.runtime.status import HISTORY, Condition
from autopilot.runtime.view import stored_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    Body = Mapping[str, Any]

APPROVED = "Approved"
NEW_GENERATION = "NewGeneration"


@dataclass(frozen=True, slots=True)
class Latched:
    """What the status says of the latch.

    Attributes:
        latch: What holds the phase; None for nothing.
        released: Why a latch that is still stored no longer holds; empty where none is.
        since: When the last one was let go of; None for never.
    """

    latch: Latch | None = None
    released: str = ""
    since: datetime | None = None


def read_latch(body: Body, *, approved: bool = False) -> Latched:
    """The latch of a resource.

    Args:
        body: The resource.
        approved: Whether a person has just let go of it.
    """
    stored = condition(body)
    if stored is None:
        return Latched()
    if stored.get("status") != "True":
        return Latched(since=parse_time(stored.get("lastTransitionTime")))
    if approved:
        return Latched(released=APPROVED)
    if stored.get("observedGeneration") != body["metadata"].get("generation"):
        return Latched(released=NEW_GENERATION)
    return Latched(Latch(str(stored.get("reason") or LATCHED), str(stored.get("message") or "")))


def condition(body: Body) -> Body | None:
    """The stored condition."""
    found = stored_status(body).get("conditions")
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and one.get("type") == LATCHED:
            return one
    return None


def is_approved(body: Body) -> bool:
    """Whether a person lets go of the latch: the annotation is there."""
    return UNLATCH in (body["metadata"].get("annotations") or {})


def entered(body: Body, since: datetime | None, until: datetime) -> tuple[datetime, ...]:
    """When phases were entered, for limits that count.

    Args:
        body: The resource.
        since: From when on; None for all.
        until: Stands for a time that makes no sense: somebody wrote it, and it counts.
    """
    stored = stored_status(body).get("phaseHistory")
    visits = [one for one in stored if isinstance(one, dict)] if isinstance(stored, list) else []
    # The first one was entered from nowhere, unless older ones have been dropped.
    times = [parse_time(one.get("at")) or until for one in visits[len(visits) < HISTORY :]]
    return tuple(at for at in times if since is None or at >= since)


def latched_condition(latch: Latch) -> Condition:
    """The condition to store."""
    return Condition(LATCHED, True, latch.reason, latch.message)


def released_condition(reason: str) -> Condition:
    """The condition once it is let go of."""
    what = "a person let go of it" if reason == APPROVED else "the spec has changed"
    return Condition(LATCHED, False, reason, what)
