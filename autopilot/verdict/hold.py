"""Judges with a memory: "for five minutes", "three times out of five".

Each is a pure value: a state and an observation make a state and a verdict. The state is small and
plain, so that it can be kept in a resource's status and survive a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Held:
    """How long something has been true.

    Attributes:
        seconds: Observed time; only stretches between two true observations count.
        at: Wall clock of the last observation, if that was true; else None.
    """

    seconds: float = 0.0
    at: datetime | None = None

    def to_status(self) -> dict[str, Any]:
        """As a status keeps it."""
        kept: dict[str, Any] = {"seconds": round(self.seconds, 3)}
        return kept | ({"at": self.at.isoformat()} if self.at else {})

    @classmethod
    def from_status(cls, kept: Mapping[str, Any] | None) -> Held:
        """From what a status kept; a fresh state where that is nothing or makes no sense."""
        try:
            at = datetime.fromisoformat(kept["at"]) if kept and kept.get("at") else None
            if at is not None and at.tzinfo is None:
                return cls()
            return cls(max(0.0, float(kept["seconds"])), at) if kept else cls()
        except (KeyError, TypeError, ValueError):
            return cls()


@dataclass(frozen=True, slots=True)
class For:
    """True once an observation has been true for a time.

    False resets the time; unknown stops its clock, without losing what has been counted. Two true
    observations further apart than `gap` leave what lay between unobserved, which counts as
    unknown: a process that slept can't have watched. A wall clock that jumps back counts nothing.

    Attributes:
        duration: How long.
        gap: The longest stretch between two observations that counts.
    """

    duration: timedelta
    gap: timedelta

    def observe(self, state: Held, verdict: Verdict, at: datetime) -> tuple[Held, Verdict]:
        """Take in an observation.

        Returns:
            The new state; true, false (not, or not yet), or unknown when the observation is.
        """
        if verdict is Verdict.FALSE:
            return Held(), Verdict.FALSE
        if verdict is Verdict.UNKNOWN:
            return Held(state.seconds), Verdict.UNKNOWN
        stretch = (at - state.at) if state.at is not None else timedelta()
        counted = stretch if timedelta() < stretch <= self.gap else timedelta()
        held = Held(state.seconds + counted.total_seconds(), at)
        return held, Verdict.of(held.seconds >= self.duration.total_seconds())


@dataclass(frozen=True, slots=True)
class Seen:
    """The last known observations, oldest first."""

    last: tuple[bool, ...] = ()

    def to_status(self) -> str:
        """As a status keeps it: `+` for true, `-` for false."""
        return "".join("+" if each else "-" for each in self.last)

    @classmethod
    def from_status(cls, kept: str | None) -> Seen:
        """From what a status kept."""
        return cls(tuple(sign == "+" for sign in kept or "" if sign in "+-"))


@dataclass(frozen=True, slots=True)
class Times:
    """True once `k` of the last `n` known observations were. Unknown ones take no place.

    Attributes:
        k: How many.
        n: Out of how many; at least k.
    """

    k: int
    n: int

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: Not 1 ≤ k ≤ n.
        """
        if not 1 <= self.k <= self.n:
            raise ValueError(f"{self.k}/{self.n}: the first is between 1 and the second")

    @classmethod
    def parse(cls, text: str) -> Times:
        """Read `3/5`.

        Raises:
            ValueError: It isn't of that form.
        """
        k, slash, n = text.partition("/")
        if not (slash and k.strip().isdigit() and n.strip().isdigit()):
            raise ValueError(f"{text!r} isn't like 3/5")
        return cls(int(k), int(n))

    def observe(self, state: Seen, verdict: Verdict) -> tuple[Seen, Verdict]:
        """Take in an observation.

        Returns:
            The new state; true, false (not, or not yet), or unknown when the observation is.
        """
        if verdict is Verdict.UNKNOWN:
            return state, Verdict.UNKNOWN
        seen = Seen((*state.last, verdict is Verdict.TRUE)[-self.n :])
        return seen, Verdict.of(sum(seen.last) >= self.k)
