"""True, false or unknown: Kleene's strong three-valued logic."""

from __future__ import annotations

from enum import Enum
from typing import NoReturn


class Verdict(Enum):
    """What a judge says. It refuses to be a bool: unknown must be handled, not guessed.

    Compare by identity (`verdict is Verdict.TRUE`) or ask `is_true`, `is_false`, `is_unknown`;
    combine with `&`, `|` and `~`.
    """

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, value: bool | None) -> Verdict:
        """A verdict from a bool, or from None for unknown."""
        return cls.UNKNOWN if value is None else cls.TRUE if value else cls.FALSE

    @property
    def is_true(self) -> bool:
        """Certainly so."""
        return self is Verdict.TRUE

    @property
    def is_false(self) -> bool:
        """Certainly not so."""
        return self is Verdict.FALSE

    @property
    def is_unknown(self) -> bool:
        """Nobody can say."""
        return self is Verdict.UNKNOWN

    def __and__(self, other: Verdict) -> Verdict:
        """False if either is, else unknown if either is."""
        both = (self, other)
        if Verdict.FALSE in both:
            return Verdict.FALSE
        return Verdict.UNKNOWN if Verdict.UNKNOWN in both else Verdict.TRUE

    def __or__(self, other: Verdict) -> Verdict:
        """True if either is, else unknown if either is."""
        both = (self, other)
        if Verdict.TRUE in both:
            return Verdict.TRUE
        return Verdict.UNKNOWN if Verdict.UNKNOWN in both else Verdict.FALSE

    def __invert__(self) -> Verdict:
        """The opposite; unknown stays unknown."""
        return {Verdict.TRUE: Verdict.FALSE, Verdict.FALSE: Verdict.TRUE}.get(self, self)

    def __bool__(self) -> NoReturn:
        """Refused."""
        raise TypeError(
            "a verdict may be unknown, so it is no bool; ask .is_true, .is_false or .is_unknown"
        )

    def __float__(self) -> NoReturn:
        """Refused."""
        raise TypeError("a verdict is no number")

    def __lt__(self, other: object) -> NoReturn:
        """Refused."""
        raise TypeError("verdicts have no order; ask .is_true, .is_false or .is_unknown")

    __gt__ = __le__ = __ge__ = __lt__
