"""`after`: how long a phase lasts at least before a transition may leave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base import durations

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Wait:
    """A time in phase: fixed, or one that doubles with each failed visit.

    Attributes:
        first: The wait of the first visit.
        limit: The longest wait; None for one that doesn't grow.
    """

    first: timedelta
    limit: timedelta | None = None

    def __post_init__(self) -> None:
        """Check the range.

        Raises:
            ValueError: The limit is below the first wait, or what should double is nothing.
        """
        if self.limit is not None and not self.first.total_seconds() > 0:
            raise ValueError("a wait of nothing never doubles; begin with one above 0s")
        if self.limit is not None and self.limit < self.first:
            raise ValueError(f"{self}: a wait grows, so the first is the shorter one")

    @classmethod
    def parse(cls, text: str) -> Wait:
        """Read `15s` or `1m..30m`.

        Raises:
            ValueError: It is neither; the message says what would be right.
        """
        first, dots, limit = (part.strip() for part in text.partition(".."))
        return cls(durations.parse(first), durations.parse(limit) if dots else None)

    @property
    def grows(self) -> bool:
        """Whether failed visits lengthen it."""
        return self.limit is not None

    def seconds(self, failed: int) -> float:
        """The wait after this many failed visits, in seconds."""
        first = self.first.total_seconds()
        if self.limit is None:
            return first
        return float(min(first * 2.0 ** min(failed, 60), self.limit.total_seconds()))

    def __str__(self) -> str:
        first = durations.render(self.first)
        return first if self.limit is None else f"{first}..{durations.render(self.limit)}"
