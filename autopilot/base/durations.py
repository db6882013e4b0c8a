"""Durations as people write them: `500ms`, `5s`, `1m30s`, `2h`.

The spelling is Go's (time.ParseDuration), which is what Kubernetes and Prometheus users know,
plus `d` for days. A bare number is refused: its unit would be a guess.
"""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 36_500 * 86_400.0
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
"""A regular expression for CRD schemas; accepts exactly what `parse` accepts, but for its limit."""


def parse(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: The text isn't a duration; the message says what would be right.
    """
    if not re.fullmatch(PATTERN, text):
        shown = text if len(text) <= 60 else text[:59] + "…"
        raise ValueError(f"{shown!r} is no duration; write a number and a unit: 500ms, 5s, 1m30s")
    seconds = sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text))
    if seconds > _LONGEST:
        raise ValueError(f"{text[:20]}… is longer than a hundred years; write 500ms, 5s, 1m30s")
    return timedelta(seconds=seconds)


def render(duration: timedelta | float) -> str:
    """Write a duration (or seconds) in its shortest exact form, like `1m30s` or `500ms`."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    millis = round(seconds * 1000)
    if millis < 0:
        return "-" + render(-seconds)
    if millis == 0:
        return "0s"
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, millis = divmod(millis, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
