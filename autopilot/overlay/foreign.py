"""What in a field would be somebody else's, so that it isn't overlaid unasked: pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autopilot.overlay.values import ABSENT

Judge = Callable[[Any], str]
"""From what stands in a field (or `ABSENT`) to whose it is, in words; empty: nobody minds."""


def nothing(_: Any) -> str:
    """Whatever stands there may be overlaid."""
    return ""


def a_fault(value: Any) -> str:
    """A fault that somebody injects."""
    return "" if value is ABSENT or not value else "a fault"


def a_mirror(value: Any) -> str:
    """A mirror that somebody set up."""
    return "" if value is ABSENT or not value else "a mirror"


def a_split(value: Any) -> str:
    """Traffic that somebody shares between destinations; a weight of 0 is one kept ready."""
    several = isinstance(value, list) and len(value) > 1
    return f"a split between {len(value)} destinations" if several else ""
