"""When to try again: at once after a conflict, ever more slowly after a failure.

Both are pure: the random numbers come from the caller, so a test can seed them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter.

    Attributes:
        initial: Seconds after the first failure.
        maximum: Seconds that no wait exceeds, jitter included.
        factor: Growth from one wait to the next; at least 1.
        jitter: The share of a wait that is random, from 0 to 1: 0.5 draws from [half, whole].
    """

    initial: float = 0.5
    maximum: float = 30.0
    factor: float = 2.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.initial <= self.maximum:
            raise ValueError("a back-off needs 0 < initial <= maximum")
        if self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError("a back-off needs factor >= 1 and 0 <= jitter <= 1")

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 0)."""
        # Beyond 64 doublings every sane maximum is reached, and the power would overflow.
        whole = min(self.maximum, self.initial * self.factor ** min(attempt, 64))
        return whole * (1 - self.jitter * rng.random())


@dataclass(frozen=True, slots=True)
class AtOnce:
    """For conflicts on the resourceVersion: a few attempts, milliseconds apart.

    Attributes:
        attempts: How often to try again.
        spread: Seconds; each wait is drawn from [0, spread * (attempt + 1)].
    """

    attempts: int = 5
    spread: float = 0.02

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 0)."""
        return rng.random() * self.spread * (attempt + 1)
