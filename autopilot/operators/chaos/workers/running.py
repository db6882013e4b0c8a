"""Verifying and Running: the fault is on, and somebody watches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from autopilot.kube.cache import CacheUnavailable
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.conditions import Outcome
from autopilot.operators.chaos.workers.injecting import fault, refused_by_mesh
from autopilot.operators.chaos.workers.look import Look
from autopilot.operators.chaos.workers.poll import RUN, Polls
from autopilot.operators.chaos.workers.recording import resume
from autopilot.runtime.inputs import Unreadable

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.operators.chaos.status import ExperimentStatus
    from autopilot.operators.chaos.workers.look import Crew
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.runtime.result import Result
    from autopilot.spec.model import Spec


class Running:
    """Watches the conditions until one comes true, or the time is over.

    Args:
        crew: See there.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(
        self, res: Resource[Spec, ExperimentStatus], inputs: Inputs, ctx: Context[ChaosConfig]
    ) -> Result[Any]:
        """One look."""
        look = Look(self._crew, res, inputs, ctx)
        if (outcome := look.interrupted() or look.taken_away()) is not None:
            return look.end(outcome)
        # Whether the Report can be read must not decide when the fault ends.
        with contextlib.suppress(Unreadable):
            await resume(look)
        since = look.time("injected_at") or res.phase_since
        deadline = look.time("deadline") or since
        polls = Polls(look, RUN, since)
        await polls.poll()
        found: dict[str, Any] = {}
        outcome = judged(look, polls, deadline)
        if outcome is not None:
            return look.end(outcome, {**found, **polls.status(always=True)})
        found |= _carried(look)
        status = {**found, **polls.status(always=bool(found))}
        if look.program.spec.observe_only:
            return look.stay(polls.wait(deadline), status=status or None)
        result = look.stay(
            polls.wait(deadline), status=status or None, actions=[fault(look, deadline)]
        )
        return result.beside(otherwise=refused_by_mesh(look, injecting=False))


def _carried(look: Look) -> dict[str, Any]:
    """`status.overlays`, once the fault is in force."""
    if look.status.overlays:
        return {}
    try:
        carried = look.carried()
    except CacheUnavailable:
        return {}
    return {"overlays": carried} if carried else {}


def judged(look: Look, polls: Polls, deadline: datetime) -> Outcome | None:
    """How a run ends now; None where it goes on."""
    spec, watch = look.program.spec, polls.watch
    control = spec.observe_only
    if not control and (tripped := watch.tripped(polls.conditions)) is not None:
        return tripped
    over = look.now >= deadline or polls.elapsed >= deadline - polls.since
    if control:
        return Outcome(machine.COMPLETED, "a control run: nothing was injected") if over else None
    if (blind := watch.blinded(polls.conditions, spec.max_errors)) is not None:
        return blind
    return watch.at_end(polls.conditions, polls.kept.unwatched) if over else None
