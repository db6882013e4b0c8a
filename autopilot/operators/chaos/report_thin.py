"""Makes a run's record small enough to be stored, without losing what decided it.

Kept before anything else: the highest and lowest value of the whole run, its first and last poll,
and the polls at which the verdict changes. What room is left shows the course: the time is cut into
equal spans, and of each stay the same four. So a spike of one poll in ten hours is still there.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autopilot.operators.chaos.report_model import Cause, ConditionRecord, PhaseEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.operators.chaos.report_model import Point, RunRecord

MOST_BYTES = 512 * 1024
"""What a stored Report stays below."""

FINAL_BYTES = 256 * 1024
"""What a final Report is thinned to: an experiment keeps many."""

RUNNING_BYTES = 96 * 1024
"""The same while the run goes on, as it is written every few seconds."""

_TEXT = 500
_WHY = 120
_MOST_PARTS = 50
_SAMPLED = 500
_MARGIN = 1.2
_CONTROL = dict.fromkeys((*range(10), *range(11, 32), 127), " ")
_SPEC_BYTES = 32 * 1024


def thinned(record: RunRecord, most: int = FINAL_BYTES) -> RunRecord:
    """The record, as far as it fits.

    Args:
        record: With all points.
        most: Bytes of its Report as JSON; what isn't points is cut as well where that is needed.
    """
    record = _with_short_texts(record)
    points = sum(len(one.points) for one in record.conditions)
    bare = size(_with_points(record, 0))
    few = min(points, _SAMPLED)
    each = (size(_with_points(record, few)) - bare) / max(few, 1)
    if bare + each * points * _MARGIN <= most:
        return record
    keep = max(0, int((most - bare) / each))
    while size(small := _with_points(record, keep)) > most and keep:
        keep = int(keep * 0.9)
    return small


def size(record: RunRecord) -> int:
    """Bytes of the Report as JSON."""
    return len(json.dumps(record.to_body(), ensure_ascii=False, separators=(",", ":")).encode())


def thin(points: Sequence[Point], most: int) -> tuple[Point, ...]:
    """At most so many points, in the order of time.

    Args:
        points: In the order of time.
        most: How many stay; the extremes and the first and last poll come first, then the polls at
            which the verdict changes, then what shows the course.
    """
    if len(points) <= most:
        return tuple(points)
    kept: set[int] = set()
    for wanted in (_extremes(points, range(len(points))), _changes(points)):
        kept.update(itertools.islice((i for i in wanted if i not in kept), most - len(kept)))
    return tuple(points[index] for index in sorted(kept | _course(points, most - len(kept))))


def _extremes(points: Sequence[Point], where: Sequence[int]) -> list[int]:
    """Highest, lowest, first, last; each once."""
    known = [index for index in where if points[index].value is not None]
    chosen = [where[0], where[-1]] if where else []
    if known:
        values = {index: points[index].value or 0.0 for index in known}
        chosen = [max(known, key=values.__getitem__), min(known, key=values.__getitem__), *chosen]
    return list(dict.fromkeys(chosen))


def _changes(points: Sequence[Point]) -> Iterable[int]:
    """The polls at which the verdict becomes another; what fails first."""
    changes = [
        index
        for index in range(1, len(points))
        if points[index].verdict is not points[index - 1].verdict
    ]
    return sorted(changes, key=lambda index: (not points[index].verdict.is_true, index))


def _course(points: Sequence[Point], most: int) -> set[int]:
    """The extremes of equal spans of time."""
    if most < 4:
        return set()
    spans = most // 4
    begin, end = points[0].at, points[-1].at
    step = (end - begin) / spans
    kept: set[int] = set()
    grouped: list[list[int]] = [[] for _ in range(spans)]
    for index, point in enumerate(points):
        number = int((point.at - begin) / step) if step else index * spans // len(points)
        grouped[min(max(number, 0), spans - 1)].append(index)
    for group in grouped:
        kept.update(_extremes(points, group))
    return kept


def _with_points(record: RunRecord, most: int) -> RunRecord:
    """So many points in all, shared out: a condition that needs less leaves it to others."""
    shares: dict[int, int] = {}
    order = sorted(range(len(record.conditions)), key=lambda i: len(record.conditions[i].points))
    left = most
    for done, index in enumerate(order):
        shares[index] = min(len(record.conditions[index].points), left // (len(order) - done))
        left -= shares[index]
    conditions = tuple(
        _thin_condition(one, shares[index]) for index, one in enumerate(record.conditions)
    )
    return replace(record, conditions=conditions)


def _thin_condition(one: ConditionRecord, most: int) -> ConditionRecord:
    points = thin(one.points, most)
    return replace(one, points=points, dropped=one.dropped + len(one.points) - len(points))


def _with_short_texts(record: RunRecord) -> RunRecord:
    """A Report is cut wherever somebody else's text may be long."""
    spec: Any = record.spec
    if len(json.dumps(spec, ensure_ascii=False, default=str).encode()) > _SPEC_BYTES:
        spec = {"omitted": f"larger than {_SPEC_BYTES} bytes"}
    cause = record.cause
    return replace(
        record,
        spec=spec,
        cause=cause and Cause(cut(cause.message), cause.condition, cause.value, cause.at),
        phases=tuple(
            PhaseEntry(one.phase, one.at, cut(one.message)) for one in record.phases[:_MOST_PARTS]
        ),
        conditions=tuple(
            replace(
                one,
                reads=cut(one.reads),
                points=tuple(
                    replace(point, why=cut(point.why, _WHY))
                    if len(point.why) > _WHY // 4
                    else point
                    for point in one.points
                ),
            )
            for one in record.conditions[:_MOST_PARTS]
        ),
        effect=record.effect and replace(record.effect, message=cut(record.effect.message)),
        recovery=record.recovery and replace(record.recovery, message=cut(record.recovery.message)),
        overlays=tuple(
            replace(one, change=cut(one.change)) for one in record.overlays[:_MOST_PARTS]
        ),
        expects=tuple(
            replace(one, what=cut(one.what), message=cut(one.message))
            for one in record.expects[:_MOST_PARTS]
        ),
    )


def cut(text: str, most: int = _TEXT) -> str:
    """A text of at most so many bytes in UTF-8, and an ellipsis where it was longer.

    Control characters, which JSON spells with six bytes each, become blanks.
    """
    data = text[:most].translate(_CONTROL).encode(errors="replace")
    if len(text) <= most and len(data) <= most:
        return data.decode()
    return data[:most].decode(errors="ignore") + "…"
