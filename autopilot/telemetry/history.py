"""What a query would have answered in the past, sample by sample, and where nobody could know."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from autopilot.telemetry.judge import Asked, judge, stale_after
from autopilot.telemetry.source import RangeSeries, Series

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from autopilot.telemetry.query import BoundQuery
    from autopilot.telemetry.sample import Sample, Why

_POINTS = 2_000


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the past.

    Attributes:
        start: The first moment.
        end: The last moment at most.
        step: Between two moments; at least a millisecond.
    """

    start: datetime
    end: datetime
    step: timedelta

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: It ends before it begins, lacks a time zone, or its step is too short.
        """
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a span's times have a time zone")
        if self.end < self.start:
            raise ValueError("a span ends before it begins")
        if self.step < timedelta(milliseconds=1):
            raise ValueError("a span's step is a millisecond at least")

    @property
    def count(self) -> int:
        """How many moments."""
        return (self.end - self.start) // self.step + 1

    def parts(self, points: int) -> list[Span]:
        """The same moments, in spans of no more than so many."""
        found = []
        for first in range(0, self.count, points):
            last = min(first + points, self.count) - 1
            start = self.start + first * self.step
            found.append(Span(start, self.start + last * self.step, self.step))
        return found


class RangeSource(Protocol):
    """Answers range queries."""

    async def query_span(self, promql: str, span: Span, *, timeout: float) -> Sequence[RangeSeries]:
        """Evaluate at each moment; `PrometheusSource.query_span`."""
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without a value.

    Attributes:
        start: The first moment without.
        end: The last one.
        why: Why; the first reason where there are several.
        detail: For people.
    """

    start: datetime
    end: datetime
    why: Why
    detail: str = ""


async def history(
    source: RangeSource, query: BoundQuery, span: Span, *, timeout: float, interval: float = 5.0
) -> list[tuple[datetime, Sample]]:
    """What a query would have answered at each moment of a span.

    Args:
        source: Whom to ask.
        query: What; its own `source` doesn't matter here.
        span: When.
        timeout: Seconds for each request of up to 2,000 moments.
        interval: Seconds between polls, from which follows when data was stale.

    Raises:
        SourceDown: The source didn't answer.
        QueryRefused: The source refuses the query.
    """
    found: list[tuple[datetime, Sample]] = []
    async for part in _history(source, query, span, timeout, interval):
        found += part
    return found


async def _history(
    source: RangeSource, query: BoundQuery, span: Span, timeout: float, interval: float
) -> AsyncIterator[list[tuple[datetime, Sample]]]:
    promql, family = query.promql, query.family
    stale = stale_after(query.interval or interval, family.span)
    asked = Asked(family.query, promql, family.timed, stale)
    for part in span.parts(_POINTS):
        moments = _by_moment(await source.query_span(promql, part, timeout=timeout), part)
        found = []
        for number in range(part.count):
            at = part.start + number * part.step
            sample = judge(family.parts(moments.get(number, ()), query.target), asked)
            found.append((at.astimezone(UTC), sample))
        yield found


def gaps(past: Sequence[tuple[datetime, Sample]]) -> list[Gap]:
    """Where there was no value."""
    found: list[Gap] = []
    open_gap = False
    for at, sample in past:
        if sample.value is not None:
            open_gap = False
        elif open_gap:
            last = found[-1]
            found[-1] = Gap(last.start, at, last.why, last.detail)
        else:
            open_gap = True
            found.append(Gap(at, at, sample.why, sample.detail))
    return found


def _by_moment(answer: Sequence[RangeSeries], span: Span) -> dict[int, list[Series]]:
    """Turn series over time into the vectors that an instant query would have answered."""
    start, step = span.start.timestamp(), span.step.total_seconds()
    moments: dict[int, list[Series]] = defaultdict(list)
    for one in answer:
        for at, value in one.points:
            # Some APIs round the times that they are asked for.
            number = math.floor((at - start) / step + 0.5)
            moments[number].append(Series(one.labels, value, at))
    return moments
