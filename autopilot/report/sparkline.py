"""A line of a plot in eight levels: enough to see a ramp, a dip or a spike in a terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEVELS = "▁▂▃▄▅▆▇█"
GAP = " "
_TOP = len(LEVELS) - 1


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over time.

    Attributes:
        label: What it is, with its unit.
        points: (seconds since the beginning, value), in any order; None where nothing is known.
        pick: Which point stands for a column: `max` shows spikes, `min` shows dips.
        low: The bottom of the scale; None for the smallest value.
        high: The top of the scale; None for the largest value.
    """

    label: str
    points: Sequence[tuple[float, float | None]]
    pick: Callable[[Sequence[float]], float] = max
    low: float | None = None
    high: float | None = None


def columns(curve: Curve, seconds: float, width: int) -> list[float | None]:
    """One value for each of `width` columns that share `seconds`; None for an empty one."""
    slots: list[list[float]] = [[] for _ in range(width)]
    for at, value in curve.points:
        if value is not None and 0 <= at <= seconds:
            slots[min(width - 1, int(at / seconds * width))].append(value)
    return [curve.pick(slot) if slot else None for slot in slots]


def scale(curve: Curve) -> tuple[float, float]:
    """The bottom and the top of the scale."""
    known = [value for _, value in curve.points if value is not None] or [0.0]
    low = min(known) if curve.low is None else curve.low
    high = max(known) if curve.high is None else curve.high
    return low, high


def line(values: Sequence[float | None], low: float, high: float) -> str:
    """The values as blocks; the lowest is the bottom of the scale or less, and nothing above it."""
    span = high - low
    text = ""
    for value in values:
        if value is None:
            text += GAP
        else:
            part = (value - low) / span if span > 0 else 0.0
            text += LEVELS[max(0, min(_TOP, math.ceil(part * _TOP)))]
    return text


def plot(curves: Sequence[Curve], *, seconds: float, width: int = 60) -> list[str]:
    """Several curves above one time axis.

    Args:
        curves: Each becomes one line.
        seconds: What the axis spans.
        width: Columns of the plot itself, without labels.
    """
    seconds = max(seconds, 1e-9)
    margin = max((len(curve.label) for curve in curves), default=0)
    lines = []
    for curve in curves:
        low, high = scale(curve)
        drawn = line(columns(curve, seconds, width), low, high)
        lines.append(f"{curve.label:<{margin}}  {drawn}  {low:.4g} … {high:.4g}")
    ticks = 4 if width >= 40 else 2
    axis = ""
    for tick in range(ticks + 1):
        column = round(tick * width / ticks)
        mark = f"{seconds * tick / ticks:.0f} s"
        start = min(column, width - len(mark)) if tick == ticks else column
        axis = axis.ljust(start) + mark
    return [*lines, " " * (margin + 2) + axis]
