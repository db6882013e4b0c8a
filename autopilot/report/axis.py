"""Round numbers for axes."""

from __future__ import annotations

import math

_NARROW = 1e-6
"""Of the values themselves: a range narrower than that is noise."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MINUTE, _HOUR = 60, 3600
_TIMES = (
    *(0.5, 1, 2, 5, 10, 15, 30),
    *(one * _MINUTE for one in (1, 2, 5, 10, 15, 30)),
    *(one * _HOUR for one in (1, 2, 4, 12, 24)),
)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers that enclose a range: the first is at most `low`, the last at least `high`.

    Args:
        low: The smallest value.
        high: The largest; a range of no width is widened.
        about: How many steps are wished for.
    """
    if not high - low > _NARROW * max(abs(low), abs(high)):
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(one * power for one in _STEPS if one * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def time_ticks(seconds: float, about: int = 6) -> list[float]:
    """Round times from 0 up to a number of seconds.

    Args:
        seconds: What the axis spans.
        about: At most so many steps.
    """
    step = next((one for one in _TIMES if seconds / one <= about), 0.0)
    step = step or math.ceil(seconds / about / 86_400) * 86_400
    return [number * step for number in range(math.floor(seconds / step) + 1)]


def clock(seconds: float) -> str:
    """A time on an axis: `0.5 s`, `45 s`, `2:30`, `1:05:00`."""
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
