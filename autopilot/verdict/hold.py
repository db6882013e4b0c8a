"""Judges with a memory: "for five minutes", "three times out of five".

Each is a pure value: a state and an observation make a state and a verdict. The state is small and
plain, so that it can be kept in a resource's status and survive a restart.

No wall clock is read here. What counts is the time that one process has lived through, by its
monotonic clock: so neither a jump of the wall clock nor a restart ever shortens a duration. A
restart keeps what was counted and counts nothing for the time when nobody watched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

# Sums of floating seconds may fall this short of the duration that they make.
EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Held:
    """How long something has been true.

    Attributes:
        seconds: Observed time; only stretches between two true observations count.
        running: Whether the last observation was true.
    """

    seconds: float = 0.0
    running: bool = False

    def to_status(self) -> dict[str, Any]:
        """As a status keeps it; seconds are rounded down, so that keeping never hurries."""
        return {"seconds": math.floor(self.seconds * 1000 + 1e-3) / 1000, "running": self.running}

    @classmethod
    def from_status(cls, kept: Mapping[str, Any] | None) -> Held:
        """From what a status kept; a fresh state where that is nothing or makes no sense."""
        return cls(seconds_in(kept, "seconds"), bool(kept.get("running"))) if kept else cls()


@dataclass(frozen=True, slots=True)
class For:
    """True once an observation has been true for a time.

    False resets the time; unknown stops its clock, without losing what has been counted.

    Attributes:
        duration: How long.
        gap: The longest stretch between two observations that counts, in seconds: a process that
            slept longer can't have watched, and what nobody watched is unknown. None where the
            caller knows that nothing changed in between.
    """

    duration: timedelta
    gap: float | None = None

    def observe(self, state: Held, verdict: Verdict, elapsed: float | None) -> tuple[Held, Verdict]:
        """Take in an observation.

        Args:
            state: After the observation before.
            verdict: What is observed.
            elapsed: Seconds since the observation before, by a monotonic clock; None when that
                was made by another process, or there is none.

        Returns:
            The new state; true, false (not, or not yet), or unknown when the observation is.
        """
        if verdict is Verdict.FALSE:
            return Held(), Verdict.FALSE
        if verdict is Verdict.UNKNOWN:
            return Held(state.seconds), Verdict.UNKNOWN
        counted = elapsed if state.running and elapsed is not None and elapsed > 0 else 0.0
        if self.gap is not None and counted > self.gap:
            counted = 0.0
        enough = self.duration.total_seconds()
        # Beyond the duration there is nothing to count: a state that stands still costs no write.
        held = Held(min(state.seconds + counted, enough), running=True)
        return held, Verdict.of(self.left(held) == 0)

    def left(self, state: Held) -> float:
        """Seconds that a state still lacks; 0 when it lacks none."""
        lacking = self.duration.total_seconds() - state.seconds
        return lacking if lacking > EPSILON else 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The last known observations, oldest first."""

    last: tuple[bool, ...] = ()

    def to_status(self) -> str:
        """As a status keeps it: `+` for true, `-` for false."""
        return "".join("+" if each else "-" for each in self.last)

    @classmethod
    def from_status(cls, kept: object) -> Seen:
        """From what a status kept; signs that make no sense are passed over."""
        text = kept if isinstance(kept, str) else ""
        return cls(tuple(sign == "+" for sign in text if sign in "+-"))


@dataclass(frozen=True, slots=True)
class Times:
    """True once `k` of the last `n` known observations were. Unknown ones take no place.

    Attributes:
        k: How many.
        n: Out of how many; at least k, at most 1000.
    """

    k: int
    n: int

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: Not 1 ≤ k ≤ n ≤ 1000.
        """
        if not 1 <= self.k <= self.n:
            raise ValueError(f"{self.k}/{self.n}: the first is between 1 and the second")
        if self.n > 1000:
            raise ValueError(f"{self.k}/{self.n}: at most 1000 observations are kept")

    @classmethod
    def parse(cls, text: str) -> Times:
        """Read `3/5`.

        Raises:
            ValueError: It isn't of that form.
        """
        k, slash, n = (part.strip() for part in text.partition("/"))
        short = len(k) <= 6 and len(n) <= 6
        if not (slash and short and all(part.isascii() and part.isdigit() for part in (k, n))):
            raise ValueError(f"{text[:40]!r} isn't like 3/5")
        return cls(int(k), int(n))

    def observe(self, state: Seen, verdict: Verdict) -> tuple[Seen, Verdict]:
        """Take in an observation.

        Returns:
            The new state; true, false (not, or not yet), or unknown when the observation is.
        """
        if verdict is Verdict.UNKNOWN:
            return state, Verdict.UNKNOWN
        seen = Seen((*state.last, verdict is Verdict.TRUE)[-self.n :])
        return seen, self.says(seen)

    def says(self, state: Seen) -> Verdict:
        """What a state amounts to: true or false."""
        return Verdict.of(sum(state.last[-self.n :]) >= self.k)


def seconds_in(kept: Mapping[str, Any], key: str) -> float:
    """A number of seconds that a status kept; 0 where it makes no sense."""
    value = kept.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value < 1e12 else 0.0
