"""What a worker tells the recorder of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.errors import InvalidInput
from autopilot.base.timestamps import parse_time
from autopilot.kube.cache import CacheUnavailable
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.report_model import (
    REPORTS,
    Cause,
    ConditionRecord,
    Effect,
    ExpectRecord,
    OverlayRecord,
    PhaseEntry,
    Recovery,
    RunRecord,
)
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from autopilot.operators.chaos.conditions import Condition
    from autopilot.operators.chaos.status import ExperimentStatus
    from autopilot.operators.chaos.workers.look import Look


def begin(look: Look, run: int, started: datetime, stored: Mapping[str, Any] | None = None) -> None:
    """Start recording a run, or go on with it."""
    try:
        conditions, keep = look.program.conditions, look.program.spec.history_limit
    except InvalidInput:
        conditions, keep = (), 20
    record = RunRecord(
        experiment=look.res.name,
        namespace=look.res.namespace,
        uid=look.res.uid,
        run=run,
        spec=dict(look.raw),
        started=started,
        conditions=tuple(_condition(one) for one in conditions),
    )
    look.crew.recorder.begin(record, keep=keep, stored=stored)
    look.crew.recorded[look.res.uid] = run


async def resume(look: Look) -> None:
    """Go on recording, after a restart from the Report as it stands; and note the present phase.

    Raises:
        Unreadable: The Report can't be read.
    """
    status, uid = look.status, look.res.uid
    if look.crew.recorded.get(uid) != status.run:
        name = status.report or f"{look.res.name}-{status.run}"
        stored = await look.inputs.reader.get(REPORTS, name, look.res.namespace)
        started = look.time("started_at") or look.now
        begin(look, status.run, started, None if stored is None else stored.thaw())
    look.crew.recorder.note(uid, phases=_entered(look), **findings(status))


def _entered(look: Look) -> tuple[PhaseEntry, ...]:
    """The phases of the run, by the status's own history, which no process takes with it."""
    present = PhaseEntry(look.res.phase, look.res.phase_since)
    started = look.time("started_at") or look.res.phase_since
    try:
        where = look.program.where
        bodies = look.inputs.experiments.of((where.namespace, where.host))
    except (InvalidInput, CacheUnavailable):
        bodies = []
    found = []
    for body in bodies:
        if str(body["metadata"].get("uid")) != look.res.uid:
            continue
        for one in (body.get("status") or {}).get("phaseHistory") or ():
            phase, at = str(one.get("phase")), parse_time(one.get("at"))
            # The wait for its turn is no part of the run.
            if at is not None and at >= started and phase != machine.PENDING:
                found.append(PhaseEntry(phase, at, str(one.get("message") or "")))
    if not found or found[-1].phase != present.phase:
        found.append(present)
    return tuple(found)


def findings(status: ExperimentStatus) -> dict[str, Any]:
    """What the status has found, as the Report has it."""
    cause, effect, recovery = status.cause, status.effect, status.recovery
    return {
        "verdict": status.verdict or "",
        "cause": cause
        and Cause(cause.message, cause.condition or "", cause.value, parse_time(status.ended_at)),
        "effect": effect
        and Effect(
            effect.requests, effect.faulted, effect.flag, parse_time(effect.at), effect.message
        ),
        "recovery": recovery
        and Recovery(recovery.seconds, parse_time(status.removed_at), recovery.message),
        "overlays": tuple(
            OverlayRecord(one.object, one.change, parse_time(one.made), parse_time(one.undone))
            for one in status.overlays
        ),
        "expects": tuple(
            ExpectRecord(one.what, Verdict.of(one.met), one.after, one.message)
            for one in status.expects
        ),
    }


def _condition(one: Condition) -> ConditionRecord:
    if one.query is None:
        return ConditionRecord(one.name, one.reads, for_polls=one.for_polls)
    unit = "" if one.unit is None else one.unit.value
    return ConditionRecord(one.name, one.reads, one.operator, one.threshold, unit, one.for_polls)
