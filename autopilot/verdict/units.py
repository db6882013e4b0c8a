"""What a signal is measured in, and how people write values of it."""

from __future__ import annotations

import math
from enum import StrEnum


class Kind(StrEnum):
    """What can be compared with what."""

    SHARE = "a share"
    TIME = "a time"
    RATE = "a rate"
    NUMBER = "a number"
    TRUTH = "true or false"


class Unit(StrEnum):
    """The unit that a signal's values are in; the text is how a person declares it."""

    RATIO = "ratio"
    PERCENT = "%"
    SECONDS = "s"
    MILLISECONDS = "ms"
    RATE = "1/s"
    COUNT = "count"
    BOOL = "bool"

    @property
    def kind(self) -> Kind:
        """What it measures."""
        return _KINDS[self]

    @property
    def per_base(self) -> int:
        """How many of it make one of its kind's base unit: a ratio's 1, a second."""
        return {Unit.PERCENT: 100, Unit.MILLISECONDS: 1000}.get(self, 1)

    @property
    def said(self) -> str:
        """For messages: the unit with its kind."""
        return {
            Unit.RATIO: "a ratio from 0 to 1",
            Unit.PERCENT: "in %",
            Unit.SECONDS: "in seconds",
            Unit.MILLISECONDS: "in ms",
            Unit.RATE: "per second",
            Unit.COUNT: "a number",
            Unit.BOOL: "true or false",
        }[self]

    @property
    def example(self) -> str:
        """A value as one would write it in a condition."""
        return {
            Unit.RATIO: "5%",
            Unit.PERCENT: "5%",
            Unit.SECONDS: "1.5s",
            Unit.MILLISECONDS: "800ms",
            Unit.RATE: "200",
            Unit.COUNT: "2",
            Unit.BOOL: "true",
        }[self]


_KINDS = {
    Unit.RATIO: Kind.SHARE,
    Unit.PERCENT: Kind.SHARE,
    Unit.SECONDS: Kind.TIME,
    Unit.MILLISECONDS: Kind.TIME,
    Unit.RATE: Kind.RATE,
    Unit.COUNT: Kind.NUMBER,
    Unit.BOOL: Kind.TRUTH,
}


def render(value: float | None, unit: Unit | None, digits: int = 3) -> str:
    """A value for people: `6.2 %`, `812 ms`, `1.5 s`, `200/s`, `unknown`.

    Args:
        value: In the unit; None for unknown.
        unit: None for a bare number.
        digits: How many digits count; whole digits are always shown.
    """
    if value is None:
        return "unknown"
    if unit is Unit.BOOL:
        return "true" if value else "false"
    if unit in {Unit.RATIO, Unit.PERCENT}:
        return f"{_number(value * 100 / unit.per_base, digits)} %"
    if unit in {Unit.SECONDS, Unit.MILLISECONDS}:
        seconds = value / unit.per_base
        if 0 < abs(seconds) < 1 or (seconds == 0 and unit is Unit.MILLISECONDS):
            return f"{_number(seconds * 1000, digits)} ms"
        return f"{_number(seconds, digits)} s"
    return _number(value, digits) + ("/s" if unit is Unit.RATE else "")


def _number(value: float, digits: int) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    whole = math.floor(math.log10(abs(value))) + 1
    if whole > 15 or whole < -5:
        return f"{value:.{digits}g}"
    text = f"{value:.{max(0, digits - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
