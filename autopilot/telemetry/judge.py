"""From what a source said to a sample: the one place that decides what counts as known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from autopilot.telemetry.sample import Sample, Why

if TYPE_CHECKING:
    from autopilot.telemetry.query import Parts


_SLACK = 1.0
_STALE_INTERVALS = 3
_STALE_SECONDS = 20.0


def stale_after(interval: float, span: float) -> float:
    """Seconds after which data says nothing about the present.

    Three intervals of the query or half its window, and no less than 20 s: scrapes are mostly 15
    apart. A window holds four scrapes, as the documents ask: after half of it two are missing.

    Args:
        interval: Seconds between polls.
        span: The query's window in seconds; 0 where it has none.
    """
    return max(_STALE_INTERVALS * interval, _STALE_SECONDS, span / 2)


@dataclass(frozen=True, slots=True)
class Asked:
    """How an answer was asked for.

    Attributes:
        query: The query's name.
        promql: As sent.
        timed: Whether the answer should carry the time of its scrape.
        stale_after: Seconds after which an answer says nothing about the present.
        detail: What the source said beside it (its warnings).
    """

    query: str
    promql: str
    timed: bool
    stale_after: float
    detail: str = ""


def judge(parts: Parts, asked: Asked) -> Sample:
    """Turn parts into a sample.

    Age is the evaluation's time less the scrape's, both by the source's clock, so a clock of
    ours that runs ahead or behind makes nothing stale and nothing fresh. A value without a
    present scrape (the target is gone, and only the window still remembers it) is stale.
    """
    timed = asked.timed or parts.at is not None
    at = _present(parts.at, parts.evaluated) if timed else parts.evaluated
    why, detail = _why(parts, at, asked)
    known = why is Why.KNOWN
    fresh = why is not Why.STALE
    requests = _count(parts.requests) if fresh else None
    of = _count(parts.of) if fresh else None
    if of is not None and parts.requests is None and not parts.values:
        requests = 0.0
    return Sample(
        query=asked.query,
        promql=asked.promql,
        value=parts.values[0] if known else None,
        at=None if at is None else datetime.fromtimestamp(at, UTC),
        requests=requests,
        of=of,
        why=why,
        detail="; ".join(text for text in (detail, asked.detail) if text),
    )


def _count(number: float | None) -> float | None:
    """A number of requests; None for what can't be one."""
    return number if number is not None and math.isfinite(number) and number >= 0 else None


def _present(at: float | None, evaluated: float | None) -> float | None:
    """A scrape's time; None for what can't be one: no number, or after the evaluation.

    Both are times of one clock, so a later one is a mistake (milliseconds, like as not), and
    would never grow stale.
    """
    if at is None or not math.isfinite(at) or at < 0:
        return None
    return None if evaluated is not None and at > evaluated + _SLACK else at


def _why(parts: Parts, at: float | None, asked: Asked) -> tuple[Why, str]:
    if len(parts.values) > 1:
        return Why.AMBIGUOUS, f"{len(parts.values)} series; sum them, or select one"
    if at is not None and parts.evaluated is not None:
        age = parts.evaluated - at
        if age > asked.stale_after:
            return Why.STALE, f"last scraped {age:.1f} s ago"
    if not parts.values:
        return Why.NO_DATA, ""
    if at is None:
        return Why.STALE, "the last scrape didn't find it any more"
    if not math.isfinite(parts.values[0]):
        if parts.requests == 0:
            return Why.NO_DATA, "no requests in the window"
        return Why.NOT_FINITE, str(parts.values[0])
    return Why.KNOWN, ""
