"""An experiment that is being deleted: the fault goes first, then the Report is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.kube.cache import CacheUnavailable
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.status import ExperimentStatus
from autopilot.operators.chaos.workers.look import Look
from autopilot.operators.chaos.workers.permitted import orphans
from autopilot.operators.chaos.workers.recording import findings, resume
from autopilot.operators.chaos.workers.recovering import AGAIN
from autopilot.runtime.result import Result

if TYPE_CHECKING:
    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.operators.chaos.workers.look import Crew
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

PATIENCE = 4
"""So many times the Report of a run that was cut short is tried; nothing is held up for it."""


class Leaving:
    """The finalizer.

    Args:
        crew: See there.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(
        self, res: Resource[Spec, ExperimentStatus], inputs: Inputs, ctx: Context[ChaosConfig]
    ) -> Result[Any]:
        """Remove the fault; once nothing is left, let go."""
        look = Look(self._crew, res, inputs, ctx)
        try:
            left = bool(look.overlays())
            left = left or (res.phase in machine.ACTIVE and bool(orphans(look)))
        except CacheUnavailable:
            left = True
        if left:
            return Result.stay(actions=(), after=AGAIN)
        if res.phase not in machine.ACTIVE or ctx.attempt >= PATIENCE:
            self._crew.forget(res.uid)
            return Result.done(actions=())
        await resume(look)
        recorder = self._crew.recorder
        recorder.note(res.uid, **findings(self._ended(look)))
        reports = recorder.finish(res.uid, look.now)
        outputs = None if reports is None else {"reports": reports}
        return Result.done(actions=(), outputs=outputs)

    @staticmethod
    def _ended(look: Look) -> ExperimentStatus:
        """The status as it would be, had the run been ended before."""
        status = look.status
        gone: dict[str, Any] = {
            "overlays": [
                {**one.model_dump(exclude_none=True), "undone": one.undone or look.at()}
                for one in status.overlays
            ]
        }
        if status.verdict is None:
            gone["verdict"] = machine.ABORTED
            gone["cause"] = {"message": "the experiment was deleted while it ran"}
            gone["ended_at"] = look.at()
        return ExperimentStatus.model_validate({**status.model_dump(), **gone})
