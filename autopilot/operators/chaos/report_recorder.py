"""Collects what happens in runs, in this process's memory, and says when a Report is written.

Kept here are the points of runs that go on, and nothing that decides anything: a process that is
lost takes a few seconds of points with it, and the next one goes on from the Report.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import InvalidInput
from autopilot.operators.chaos.report_model import report_name
from autopilot.operators.chaos.report_thin import FINAL_BYTES, RUNNING_BYTES, thin, thinned
from autopilot.operators.chaos.report_wire import from_body
from autopilot.runtime.result import Keep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from autopilot.operators.chaos.report_model import (
        ConditionRecord,
        PhaseEntry,
        Point,
        RunRecord,
    )

EVERY = timedelta(seconds=5)
"""Between two writes of the Report of a run that goes on."""

MOST_POINTS = 20_000
"""Of one run in memory; beyond, they are thinned to the half."""


@dataclass(slots=True)
class _Run:
    record: RunRecord
    keep: int
    points: dict[str, list[Point]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    written: datetime | None = None
    changed: bool = True

    def most(self) -> int:
        return max(8, MOST_POINTS // max(1, len(self.points)))


class ReportRecorder:
    """A `Recorder` whose Reports are written as outputs."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    def begin(
        self, record: RunRecord, *, keep: int = 20, stored: Mapping[str, Any] | None = None
    ) -> None:
        """See `Recorder`."""
        known = self._runs.get(record.uid)
        if known is not None and known.record.run == record.run:
            known.keep = keep
            return
        run = _Run(record, keep)
        before = _stored(record, stored)
        if before is not None:
            run.record = _resumed(record, before)
        for one in run.record.conditions:
            run.points[one.name] = list(one.points)
            run.dropped[one.name] = one.dropped
        self._runs[record.uid] = run

    def sample(self, uid: str, condition: str, point: Point) -> None:
        """See `Recorder`."""
        run = self._runs.get(uid)
        points = run.points.get(condition) if run is not None else None
        if run is None or points is None:
            return
        if points and point.at <= points[-1].at:
            return
        points.append(point)
        run.changed = True
        if len(points) > run.most():
            fewer = thin(points, run.most() // 2)
            run.dropped[condition] += len(points) - len(fewer)
            points[:] = fewer

    def phase(self, uid: str, entry: PhaseEntry) -> None:
        """See `Recorder`."""
        run = self._runs.get(uid)
        if run is None:
            return
        phases = run.record.phases
        if not phases or phases[-1].phase != entry.phase:
            run.record = replace(run.record, phases=(*phases, entry))
            run.changed = True

    def note(self, uid: str, **findings: Any) -> None:
        """See `Recorder`."""
        run = self._runs.get(uid)
        if run is None:
            return
        made = replace(run.record, **findings)
        if made != run.record:
            run.record, run.changed = made, True

    def checkpoint(self, uid: str, now: datetime) -> Sequence[Any] | None:
        """See `Recorder`."""
        run = self._runs.get(uid)
        if run is None or not run.changed:
            return None
        if run.written is not None and timedelta() <= now - run.written < EVERY:
            return None
        run.written, run.changed = now, False
        return self._outputs(run, RUNNING_BYTES)

    def finish(self, uid: str, now: datetime) -> Sequence[Any] | None:
        """See `Recorder`."""
        run = self._runs.get(uid)
        if run is None:
            return None
        # The answer that brings it may have to be given again: its time stays that of the first.
        if run.record.ended is None:
            run.record = replace(run.record, ended=now)
        return self._outputs(run, FINAL_BYTES)

    def forget(self, uid: str) -> None:
        """See `Recorder`."""
        self._runs.pop(uid, None)

    def record(self, uid: str) -> RunRecord | None:
        """A run as it is recorded so far; None for an unknown one."""
        run = self._runs.get(uid)
        return None if run is None else _whole(run)

    def _outputs(self, run: _Run, most: int) -> list[Any]:
        number, name = run.record.run, run.record.experiment
        earlier = range(max(1, number - run.keep + 1), number)
        kept = [Keep(report_name(name, one)) for one in earlier]
        return [thinned(_whole(run), most).to_body(), *kept]


def _whole(run: _Run) -> RunRecord:
    conditions = tuple(
        replace(one, points=tuple(run.points[one.name]), dropped=run.dropped[one.name])
        for one in run.record.conditions
    )
    return replace(run.record, conditions=conditions)


def _stored(record: RunRecord, body: Mapping[str, Any] | None) -> RunRecord | None:
    """What the cluster has of this very run."""
    try:
        found = None if body is None else from_body(body)
    except InvalidInput:
        # A hand has been at it: it is written anew, with what is known from now on.
        return None
    same = found is not None and (found.uid, found.run) == (record.uid, record.run)
    return found if same else None


def _resumed(record: RunRecord, before: RunRecord) -> RunRecord:
    """A run that another process began: its findings, under the conditions of the spec."""
    seen = {one.name: one for one in before.conditions}

    def with_points(one: ConditionRecord) -> ConditionRecord:
        had = seen.get(one.name)
        return one if had is None else replace(one, points=had.points, dropped=had.dropped)

    return replace(
        record,
        started=before.started,
        ended=before.ended,
        phases=before.phases or record.phases,
        conditions=tuple(with_points(one) for one in record.conditions),
        verdict=record.verdict or before.verdict,
        cause=record.cause or before.cause,
        effect=record.effect or before.effect,
        recovery=record.recovery or before.recovery,
        overlays=record.overlays or before.overlays,
        expects=record.expects or before.expects,
    )
