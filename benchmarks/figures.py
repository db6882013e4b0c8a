"""Measured values and what may be said of them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.load.stats import bad

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autopilot.sandbox.load.stats import Record


def quantile(values: Sequence[float], q: float) -> float:
    """A quantile by the nearest-rank method; NaN without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle; NaN without values."""
    if not values:
        return math.nan
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity.

    Attributes:
        name: What was measured.
        unit: `ms`, `s`, `MB`, `1/s`, or empty for a count or a ratio.
        values: One per trial.
        aim: The issue's target for the median, as people write it; empty for none.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    aim: str = ""

    def encode(self) -> dict[str, Any]:
        """As JSON: the summary and the values."""
        return {
            "name": self.name,
            "unit": self.unit,
            "n": len(self.values),
            "median": _plain(median(self.values)),
            "p99": _plain(quantile(self.values, 0.99)),
            "max": _plain(quantile(self.values, 1.0)),
            "aim": self.aim,
            "values": [_plain(value) for value in self.values],
        }


@dataclass(slots=True)
class Outcome:
    """What one benchmark found.

    Attributes:
        name: The benchmark.
        figures: In the order in which they are to be read.
        notes: What else has to be known to read them.
    """

    name: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, unit: str, *values: float, aim: str = "") -> None:
        """Add a figure."""
        self.figures.append(Figure(name, unit, tuple(values), aim))

    def encode(self) -> dict[str, Any]:
        """As JSON."""
        figures = [figure.encode() for figure in self.figures]
        return {"name": self.name, "figures": figures, "notes": self.notes}


def last_of_version(records: Iterable[Record], version: str, since: float) -> Record | None:
    """The request sent last, at or after `since`, that a version answered."""
    found = (r for r in records if r.version == version and r.at >= since)
    return max(found, key=lambda record: record.at, default=None)


def first_bad_of_version(records: Iterable[Record], version: str) -> Record | None:
    """The failed answer of a version that was complete first."""
    is_bad = bad()
    found = (r for r in records if r.version == version and is_bad(r))
    return min(found, key=lambda record: record.done, default=None)


def arrivals(series: Iterable[Mapping[str, Any]]) -> list[float]:
    """When the samples of series that began in a range arrived, each moment once, in order.

    Args:
        series: Of a matrix, as Prometheus answers a query of raw samples.
    """
    return sorted({float(at) for one in series for at, _ in one["values"]})


def _plain(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
