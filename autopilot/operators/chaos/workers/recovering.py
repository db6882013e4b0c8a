"""Recovering: the verdict is made; the fault is removed, and looked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import InvalidInput
from autopilot.kube.cache import CacheUnavailable
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.evidence import LONGEST, gather, recent
from autopilot.operators.chaos.model import RecoverySpec
from autopilot.operators.chaos.status import ExperimentStatus
from autopilot.operators.chaos.workers.injecting import fault
from autopilot.operators.chaos.workers.look import Look
from autopilot.operators.chaos.workers.permitted import orphans
from autopilot.operators.chaos.workers.recording import findings, resume
from autopilot.operators.chaos.workers.running import effect_of
from autopilot.runtime.result import Note, Result

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.operators.chaos.workers.look import Crew
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

AGAIN = timedelta(milliseconds=200)
"""Until what was just written is looked at."""

RETRY = timedelta(seconds=5)
"""Between two tries of a recovery that has failed."""


CALM = timedelta(seconds=1)
"""Between two looks at whether requests still carry the fault's flag."""

_LOOKED_FOR = "nothing of the fault is left in any object; requests are looked at"


@dataclass(frozen=True, slots=True)
class _Calm:
    """How it was seen that all is over.

    Attributes:
        removed: When no object carried anything of the fault any more.
        message: What was checked.
        seen: When no request carried its flag; None where that wasn't seen.
        effect: What the fault did in all, for the status; None where that can't be counted.
    """

    removed: datetime
    message: str
    seen: datetime | None = None
    effect: dict[str, Any] | None = None


class Recovering:
    """Removes the fault until nothing of it is left, writes the Report, and says how it ended.

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
        left = self._left(look)
        ended = look.time("ended_at") or res.phase_since
        failing = res.phase == machine.RECOVERY_FAILED
        late = look.now - ended > _within(look)
        if left and late and not failing:
            return self._failed(look, left)
        if left:
            return Result.stay(actions=(), after=RETRY if failing else AGAIN, message=left)
        await resume(look)
        removed = look.time("removed_at")
        if removed is None:
            removed = look.now
            if look.status.injected_at:
                # Told before telemetry is asked: how long it took, whatever becomes of the rest.
                return Result.stay(
                    actions=(), status={"removed_at": look.at()}, after=CALM, message=_LOOKED_FOR
                )
        calm = await self._calm(look, removed)
        if calm is None:
            if late and not failing and look.now - removed > _within(look):
                return self._failed(look, "requests still carry the fault's flag")
            return Result.stay(actions=(), after=CALM, message=_LOOKED_FOR)
        return self._over(look, ended, calm)

    async def _calm(self, look: Look, removed: datetime) -> _Calm | None:
        """What telemetry says of the end; None where it isn't over, or can't be told yet."""
        effect = look.status.effect
        if not look.status.injected_at:
            return _Calm(removed, "")
        if effect is None or not effect.faulted:
            return _Calm(removed, "no object carries anything of the fault")
        try:
            injected = fault(look, look.now)
        except (InvalidInput, AssertionError):
            # The spec was changed since: what to look for isn't known any more.
            return _Calm(removed, "no object carries anything of the fault")
        if _anothers(look):
            message = "no object carries the fault; another's is there, so flags say nothing"
            return _Calm(removed, message)
        elapsed = look.now - removed
        evidence = await gather(look.inputs, injected, recent(elapsed))
        if evidence.requests is None:
            if elapsed < min(LONGEST, _within(look)):
                return None
            message = f"no object carries the fault; telemetry can't tell: {evidence.why}"
            return _Calm(removed, message)
        if evidence.flags:
            # The last requests under the fault may lie just behind its removal, where a window that
            # begins there would see them for as long as it grows.
            evidence = await gather(look.inputs, injected, recent(elapsed / 2))
            if evidence.requests is None or evidence.flags:
                return None
        began = look.time("injected_at") or removed
        total = await gather(look.inputs, injected, look.now - began)
        found = None
        if total.requests is not None and total.flags:
            found = {**effect_of(look, total), "at": effect.at}
        message = "no object carries the fault, and no request its flag"
        return _Calm(removed, message, look.now, found)

    @staticmethod
    def _left(look: Look) -> str:
        """What of the fault is left in objects; empty for nothing."""
        try:
            held, bare = look.overlays(), orphans(look)
        except CacheUnavailable as error:
            return f"whether anything of the fault is left can't be told: {error}"
        names = [
            f"{body['metadata'].get('namespace')}/{body['metadata']['name']}" for body, _ in held
        ]
        if names:
            return f"the fault is still on VirtualService {', '.join(names)}"
        lost = "its mark was taken away, so only its owner may remove it"
        return f"the fault is still on {', '.join(bare)}: {lost}" if bare else ""

    @staticmethod
    def _failed(look: Look, left: str) -> Result[Any]:
        result: Result[Any] = Result.to(
            machine.RECOVERY_FAILED, reason=machine.RECOVERY_FAILED, message=left
        )
        note = Note("Warning", machine.RECOVERY_FAILED, f"{left}; it goes on being removed")
        return result.beside(events=(note,), back=True)

    def _over(self, look: Look, ended: datetime, calm: _Calm) -> Result[Any]:
        """The Report is written, and then the status says how the run ended."""
        status, uid = look.status, look.res.uid
        verdict = status.verdict if status.verdict in machine.VERDICTS else machine.ERROR
        removed = calm.removed
        found: dict[str, Any] = {"removed_at": look.at(removed)}
        if calm.effect is not None:
            found["effect"] = calm.effect
        if status.injected_at:
            seconds = max(0.0, round(((calm.seen or removed) - ended).total_seconds(), 3))
            found["recovery"] = {"seconds": seconds, "message": calm.message}
            found["overlays"] = [
                {**one.model_dump(exclude_none=True), "undone": one.undone or look.at(removed)}
                for one in status.overlays
            ]
        if status.recovery is not None:
            # Found by a process that got no further, it stays: each try would find another.
            found = {}
        made = ExperimentStatus.model_validate({**status.model_dump(), **found})
        recorder = self._crew.recorder
        recorder.note(uid, **findings(made))
        reports = recorder.finish(uid, look.now)
        cause = status.cause.message if status.cause else ""
        result: Result[Any] = Result.to(
            verdict,
            actions=(),
            outputs=None if reports is None else {"reports": reports},
            status=found,
            reason=verdict,
            message=cause,
        )
        return result.beside(back=True)


def _anothers(look: Look) -> bool:
    """Whether an object that carried the fault has one of somebody else's."""
    for one in look.status.overlays:
        namespace, _, name = one.object.partition(" ")[2].partition("/")
        for body in look.inputs.routes.of((namespace, name)):
            routes = (body.get("spec") or {}).get("http") or ()
            if any(isinstance(each, dict) and each.get("fault") for each in routes):
                return True
    return False


def _within(look: Look) -> timedelta:
    """How long the recovery may take before it counts as failed."""
    try:
        return look.program.spec.recovery.within
    except InvalidInput:
        return RecoverySpec().within
