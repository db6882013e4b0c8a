"""Whether other autopilots react as an experiment expects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.base.timestamps import parse_time
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.conditions import Outcome
from autopilot.runtime.inputs import Unreadable

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.operators.chaos.compile import Expect
    from autopilot.operators.chaos.status import ExpectStatus
    from autopilot.operators.chaos.workers.look import Look
    from autopilot.runtime.inputs import Item


async def expected(look: Look, since: datetime) -> list[dict[str, Any]]:
    """`status.expects`: how the others do now.

    Args:
        look: The look at the experiment.
        since: When the fault was injected.
    """
    known = {one.what: one for one in look.status.expects}
    program = look.program
    return list(
        await asyncio.gather(
            *(_judged(look, one, known.get(one.what), since) for one in program.expects)
        )
    )


def disappointed(expects: list[dict[str, Any]]) -> Outcome | None:
    """The first expectation that didn't come true in its time."""
    for one in expects:
        if one.get("met") is False:
            return Outcome(machine.FAILED, f"expected {one['what']}: {one['message']}")
    return None


def unsure(expects: list[dict[str, Any]]) -> Outcome | None:
    """The first expectation that nobody could judge to the end of the run."""
    for one in expects:
        if one.get("met") is None:
            message = f"expected {one['what']}: {one['message']}"
            return Outcome(machine.INCONCLUSIVE, message)
    return None


async def _judged(
    look: Look, one: Expect, known: ExpectStatus | None, since: datetime
) -> dict[str, Any]:
    if known is not None and known.met is not None:
        return known.model_dump(exclude_none=True)
    made: dict[str, Any] = {"what": one.what}
    late = look.now - since > one.within
    try:
        found = await look.inputs.reader.get(one.kind, one.name, one.namespace)
    except Unreadable as error:
        # What was in time and can't be seen now may have been: nobody can say.
        return {**made, "message": str(error)}
    phase = str(found.at("status.phase", "")) if found is not None else ""
    entered = _entered(found, one, look, since) if found is not None else None
    if entered is not None and entered - since <= one.within:
        after = max(0.0, round((entered - since).total_seconds(), 3))
        message = f"seen in {one.phase} {durations.render(after)} after the injection"
        return {**made, "met": True, "after": after, "message": message}
    there = f"it is in {phase}" if phase else "it has no phase"
    message = there if found is not None else "there is none"
    return {**made, "message": message, **({"met": False} if late else {})}


def _entered(found: Item, one: Expect, look: Look, since: datetime) -> datetime | None:
    """When the phase was entered after the injection; None where it wasn't.

    A phase that was held before is no reaction. One without a history counts from when it is seen.
    """
    history = found.at("status.phaseHistory")
    if not isinstance(history, Sequence) or isinstance(history, str):
        return look.now if found.at("status.phase") == one.phase else None
    times = [
        at
        for entry in history
        if isinstance(entry, Mapping)
        and entry.get("phase") == one.phase
        and (at := parse_time(entry.get("at"))) is not None
        and at >= since
    ]
    return min(times, default=None)
