"""A Report as Kubernetes stores it: times of polls are seconds since the run began."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autopilot.base.errors import InvalidInput, Problem
from autopilot.base.timestamps import parse_time, render_time
from autopilot.operators.chaos.report_model import (
    EXPERIMENT,
    REPORTS,
    Cause,
    ConditionRecord,
    Effect,
    ExpectRecord,
    OverlayRecord,
    PhaseEntry,
    Point,
    Recovery,
    RunRecord,
)
from autopilot.operators.chaos.report_parts import (
    CausePart,
    ConditionPart,
    EffectPart,
    RecoveryPart,
    ReportSpec,
)
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_LABEL = 63


def to_body(record: RunRecord) -> dict[str, Any]:
    """The Report of a run, as it is applied."""
    labels = {EXPERIMENT: record.experiment} if len(record.experiment) <= _LONGEST_LABEL else {}
    return {
        "apiVersion": REPORTS.api_version,
        "kind": REPORTS.kind,
        "metadata": {"name": record.name, "namespace": record.namespace, "labels": labels},
        "spec": _spec(record),
    }


def from_body(body: Mapping[str, Any]) -> RunRecord:
    """Read a Report.

    Raises:
        InvalidInput: It isn't one.
    """
    name = str((body.get("metadata") or {}).get("name", ""))
    try:
        part = ReportSpec.model_validate(body.get("spec"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(each) for each in ("spec", *first["loc"]))
        raise InvalidInput([Problem("", 0, f"Report {name}: {path}", first["msg"])]) from None
    started = parse_time(part.started)
    if started is None:
        raise InvalidInput([Problem("", 0, f"Report {name}: spec.started", "is no time")])
    namespace = str((body.get("metadata") or {}).get("namespace", ""))
    return _record(part, namespace, started)


def _spec(record: RunRecord) -> dict[str, Any]:
    """Without what is absent: an empty field and a field that isn't there say the same."""
    cause, effect, recovery = record.cause, record.effect, record.recovery
    made = {
        "experiment": record.experiment,
        "uid": record.uid,
        "run": record.run,
        "verdict": record.verdict,
        "cause": cause
        and _kept(message=cause.message, condition=cause.condition)
        | _kept(value=_number(cause.value), at=_written(cause.at)),
        "started": render_time(record.started),
        "ended": _written(record.ended),
        "phases": [
            {"phase": one.phase, "at": render_time(one.at)} | _kept(message=one.message)
            for one in record.phases
        ],
        "conditions": [_condition(one, record.started) for one in record.conditions],
        "effect": effect
        and {"requests": round(effect.requests, 1), "faulted": round(effect.faulted, 1)}
        | _kept(flag=effect.flag, at=_written(effect.at), message=effect.message),
        "recovery": recovery
        and {"seconds": round(recovery.seconds, 3)}
        | _kept(removed=_written(recovery.removed), message=recovery.message),
        "overlays": [
            {"object": one.object, "change": one.change}
            | _kept(made=_written(one.made), undone=_written(one.undone))
            for one in record.overlays
        ],
        "expects": [
            {"what": one.what}
            | _kept(met=_told(one.met), after=_number(one.after), message=one.message)
            for one in record.expects
        ],
        "spec": dict(record.spec),
    }
    return {key: value for key, value in made.items() if value not in (None, "", [], {})}


def _condition(one: ConditionRecord, started: datetime) -> dict[str, Any]:
    return {
        "name": one.name,
        **_kept(reads=one.reads, operator=one.operator, threshold=_number(one.threshold)),
        **_kept(unit=one.unit),
        "forPolls": one.for_polls,
        "samples": [_point(point, started) for point in one.points],
        **({"dropped": one.dropped} if one.dropped else {}),
    }


def _point(point: Point, started: datetime) -> dict[str, Any]:
    return {"at": round((point.at - started).total_seconds(), 3)} | _kept(
        value=_number(point.value), fails=_told(point.verdict), why=point.why
    )


def _kept(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None and value != ""}


def _number(value: float | None) -> float | None:
    """Six significant digits: more is noise, and takes room. What isn't finite isn't known."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _told(verdict: Verdict) -> bool | None:
    return None if verdict is Verdict.UNKNOWN else verdict is Verdict.TRUE


def _written(at: datetime | None) -> str | None:
    return None if at is None else render_time(at)


def _record(part: ReportSpec, namespace: str, started: datetime) -> RunRecord:
    return RunRecord(
        experiment=part.experiment,
        namespace=namespace,
        uid=part.uid,
        run=part.run,
        spec=part.spec,
        started=started,
        ended=parse_time(part.ended),
        phases=tuple(
            PhaseEntry(one.phase, parse_time(one.at) or started, one.message) for one in part.phases
        ),
        conditions=tuple(_condition_record(one, started) for one in part.conditions),
        verdict=part.verdict,
        cause=_cause(part.cause) if part.cause else None,
        effect=_effect(part.effect) if part.effect else None,
        recovery=_recovery(part.recovery) if part.recovery else None,
        overlays=tuple(
            OverlayRecord(one.object, one.change, parse_time(one.made), parse_time(one.undone))
            for one in part.overlays
        ),
        expects=tuple(
            ExpectRecord(one.what, Verdict.of(one.met), one.after, one.message)
            for one in part.expects
        ),
    )


def _cause(part: CausePart) -> Cause:
    return Cause(part.message, part.condition, part.value, parse_time(part.at))


def _effect(part: EffectPart) -> Effect:
    return Effect(part.requests, part.faulted, part.flag, parse_time(part.at), part.message)


def _recovery(part: RecoveryPart) -> Recovery:
    return Recovery(part.seconds, parse_time(part.removed), part.message)


def _condition_record(one: ConditionPart, started: datetime) -> ConditionRecord:
    points = tuple(
        Point(started + timedelta(seconds=each.at), each.value, each.why, Verdict.of(each.fails))
        for each in one.samples
    )
    return ConditionRecord(
        one.name,
        one.reads,
        one.operator,
        one.threshold,
        one.unit,
        one.for_polls,
        points,
        one.dropped,
    )
