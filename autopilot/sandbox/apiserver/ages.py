"""Ages as kubectl prints them: `5s`, `3m20s`, `2d`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import parse_time

if TYPE_CHECKING:
    from datetime import datetime


def human_duration(seconds: float) -> str:
    """A duration in seconds, in at most two units, as kubectl prints it."""
    if seconds < -1:
        return "<invalid>"
    total = max(0, int(seconds))
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _pair(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _pair(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def age(since: Any, now: datetime) -> str:
    """The time since a timestamp, as a table's cell."""
    moment = parse_time(since)
    return "<unknown>" if moment is None else human_duration((now - moment).total_seconds())
