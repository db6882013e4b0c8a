"""What happens around a rule in virtual time: its signals as steps, and who approves."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEVER = math.inf

_UNSAID = "nobody says"


@dataclass(frozen=True, slots=True)
class Track:
    """A signal over time: each value holds until the next one; before the first it is unknown.

    Attributes:
        times: Seconds from the beginning, ascending.
        values: In the signal's unit; None for unknown. Two that follow each other differ.
        why: Why it is unknown, for each value; may be empty.
    """

    times: tuple[float, ...] = ()
    values: tuple[float | None, ...] = ()
    why: tuple[str, ...] = ()

    @classmethod
    def of(cls, points: Iterable[tuple[float, float | None, str]]) -> Track:
        """A track of (time, value, why) in order; what changes nothing is left out."""
        kept: list[tuple[float, float | None, str]] = []
        for at, value, why in points:
            if kept and kept[-1][0] == at:
                kept.pop()
            if not kept or kept[-1][1] != value:
                kept.append((at, value, why))
        times, values, reasons = zip(*kept, strict=True) if kept else ((), (), ())
        return cls(tuple(times), tuple(values), tuple(reasons) if any(reasons) else ())

    def at(self, seconds: float) -> float | None:
        """The value at a time."""
        index = bisect_right(self.times, seconds) - 1
        return self.values[index] if index >= 0 else None

    def unknown(self, until: float) -> list[tuple[float, float, str]]:
        """When it isn't known: beginning, end and why."""
        edges = [(0.0, None, _UNSAID), *zip(self.times, self.values, self._reasons(), strict=True)]
        ends = [*(at for at, _, _ in edges[1:]), until]
        return [
            (at, min(end, until), why)
            for (at, value, why), end in zip(edges, ends, strict=True)
            if value is None and min(end, until) > at
        ]

    def _reasons(self) -> tuple[str, ...]:
        return self.why or ("",) * len(self.times)


@dataclass(frozen=True, slots=True)
class Script:
    """What a flight is flown through.

    Attributes:
        until: Seconds that it lasts.
        tracks: By signal; one that is missing is unknown all the time.
        approvals: When somebody opens the way to which phase.
        start: The phase that it begins in; empty for the initial one.
        epoch: When it begins, by the wall clock.
    """

    until: float
    tracks: Mapping[str, Track] = field(default_factory=dict)
    approvals: tuple[tuple[float, str], ...] = ()
    start: str = ""
    epoch: datetime = datetime(2026, 1, 1, tzinfo=UTC)


class Cursor:
    """Reads a track forward, without looking for its place each time."""

    __slots__ = ("_index", "_times", "_track", "_values")

    def __init__(self, track: Track) -> None:
        self._track = track
        self._times = track.times
        self._values = track.values
        self._index = -1

    def to(self, now: float) -> tuple[float | None, float]:
        """Go to a time that isn't before the last one: the value, and since when it holds."""
        times, index = self._times, self._index
        while index + 1 < len(times) and times[index + 1] <= now:
            index += 1
        self._index = index
        return (self._values[index], times[index]) if index >= 0 else (None, 0.0)

    def after(self, now: float) -> float:
        """When it changes next."""
        self.to(now)
        index = self._index + 1
        return self._times[index] if index < len(self._times) else NEVER

    def unknown_at(self, at: float) -> bool:
        """Whether it is unknown at a time that isn't after its next change."""
        index = self._index + 1
        if index >= len(self._times) or self._times[index] > at:
            index -= 1
        return index < 0 or self._values[index] is None

    def before(self, at: float) -> float:
        """When it last changes before a time."""
        index = bisect_left(self._times, at) - 1
        return self._times[index] if index >= 0 else 0.0

    @property
    def why(self) -> str:
        """Why the present value isn't known, where that is told."""
        if self._index < 0:
            return _UNSAID
        return self._track.why[self._index] if self._track.why else ""
