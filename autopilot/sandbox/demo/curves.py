"""What a flight looked like over its time, as lines of a plot. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.report.sparkline import Curve
from autopilot.sandbox.load import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.sandbox.demo.record import Mark

WIDTH = 50
"""Columns of a plot: with its labels it fits a terminal of 80."""


def share(label: str, marks: Sequence[Mark], seconds: float) -> Curve:
    """A percentage that holds until it changes: its value in the middle of each column."""
    step = seconds / WIDTH
    points: list[tuple[float, float | None]] = []
    weight = 0.0
    left = list(marks)
    for column in range(WIDTH):
        at = (column + 0.5) * step
        while left and left[0].at <= at:
            weight = float(left.pop(0).what)
        points.append((at, weight))
    return Curve(label, points, low=0, high=100)


def answers(requests: Sequence[stats.Record], began: float, seconds: float) -> list[Curve]:
    """Success rate and latency, a point for each column.

    Args:
        requests: With times of the load generator's clock.
        began: On that clock.
        seconds: How long it took.
    """
    step = seconds / WIDTH
    slots = stats.timeline(requests, start=began, step=step)
    rates = [(s.at + step / 2, _percent(s.success_rate)) for s in slots]
    known = [rate for _, rate in rates if rate is not None]
    slow = [(s.at + step / 2, _millis(s.p99)) for s in slots]
    return [
        Curve("success %", rates, pick=min, low=min([*known, 90.0]), high=100),
        Curve("p99 ms", slow, low=0),
    ]


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 100


def _millis(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
