"""Values over time as people write them: `0%x60 6%x12 _x6`."""

from __future__ import annotations

import math
import re
from typing import Any

from autopilot.verdict.units import Kind, Unit

MOST = 100_000
"""How many values one signal may have in a row."""

UNKNOWN = "_"

_WORD = re.compile(r"(?P<value>[^\sx]+)(?:x(?P<times>[0-9]{1,7}))?")
_NUMBER = re.compile(
    r"(?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?)(?P<unit>[%a-z/]*)"
)
_SUFFIXES = {
    Kind.SHARE: {"%": 0.01},
    Kind.TIME: {"ms": 0.001, "s": 1.0, "m": 60.0},
    Kind.RATE: {"": 1.0, "/s": 1.0},
    Kind.NUMBER: {"": 1.0},
}
_TRUTHS = {"true": 1.0, "false": 0.0}


def value_of(said: Any, unit: Unit) -> float | None:
    """A value in a signal's unit; None for unknown.

    Raises:
        ValueError: It is none of that unit; the message says what would be right.
    """
    text = str(said).strip().lower() if isinstance(said, bool | int | float | str) else "?"
    if text == UNKNOWN:
        return None
    if unit is Unit.BOOL:
        if text not in _TRUTHS:
            raise ValueError(f"{str(said)[:40]!r} is neither; write true, false or _")
        return _TRUTHS[text]
    found = _NUMBER.fullmatch(text)
    suffixes = _SUFFIXES[unit.kind]
    # Nothing is nothing in any unit.
    if found and not found["unit"] and float(found["number"]) == 0:
        return 0.0
    if not found or found["unit"] not in suffixes:
        raise ValueError(f"{str(said)[:40]!r} isn't {unit.kind}; write it like {_like(unit)}")
    number = float(found["number"]) * suffixes[found["unit"]] * unit.per_base
    if not math.isfinite(number):
        raise ValueError(f"{str(said)[:40]!r} is too large; write it like {_like(unit)}")
    # 6% is 0.06 and not 0.06000000000000001, so that what is written equals what is compared.
    return float(f"{number:.15g}")


def row_of(said: Any, unit: Unit) -> list[tuple[int, float | None]]:
    """Values in a row, each with the number of times that it stands.

    Raises:
        ValueError: It is none; the message says what would be right.
    """
    if not isinstance(said, str):
        return [(1, value_of(said, unit))]
    row = []
    for word in said.split():
        found = _WORD.fullmatch(word)
        if found is None:
            raise ValueError(f"{word[:40]!r} is no value; write it like {_like(unit)}x12")
        times = int(found["times"] or 1)
        row.append((times, value_of(found["value"], unit)))
    if not row:
        raise ValueError(f"is empty; write it like {_like(unit)}x12")
    if sum(times for times, _ in row) > MOST:
        raise ValueError(f"is longer than {MOST} values; give it a longer interval, or steps")
    return row


def _like(unit: Unit) -> str:
    return "true" if unit is Unit.BOOL else unit.example
