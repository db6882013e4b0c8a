"""A query's answer, which may be that nobody knows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime


class Why(StrEnum):
    """Why a sample has no value."""

    KNOWN = ""
    NO_DATA = "no data"
    NOT_FINITE = "not a finite number"
    AMBIGUOUS = "several series where one was asked for"
    STALE = "stale"
    SOURCE_DOWN = "source down"
    REFUSED = "query refused"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One comparison that a worker made on a sample: kept for the log and for replays."""

    relation: str
    limit: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Sample:
    """What a query answered.

    Attributes:
        query: The query's name.
        promql: The query as sent.
        value: In the query's unit; None whenever it isn't known. Never NaN.
        at: When the data behind it was scraped; None when there is none.
        requests: How many requests the value stands on, in its window; None if not asked for.
        of: How many requests the whole route had in that window; None if not asked for.
        why: Why there is no value.
        detail: What the source said, for people.
        judgements: Filled by `below` and `above`; not part of equality.
    """

    query: str
    promql: str = ""
    value: float | None = None
    at: datetime | None = None
    requests: float | None = None
    of: float | None = None
    why: Why = Why.KNOWN
    detail: str = ""
    judgements: list[Judgement] = field(default_factory=list, compare=False, repr=False)

    def below(self, limit: float, *, min_requests: float = 0) -> Verdict:
        """Whether the value is under a limit; unknown without a value or with too few requests."""
        return self._judge("<", limit, min_requests)

    def above(self, limit: float, *, min_requests: float = 0) -> Verdict:
        """Whether the value is over a limit; unknown without a value or with too few requests."""
        return self._judge(">", limit, min_requests)

    def silent(self, share: float, *, min_requests: float) -> Verdict:
        """Whether the backend answers nothing although its share should have reached it.

        A version that has crashed produces no error of its own: it is failing once its expected
        share of its route's requests reaches the minimum. Below that nobody can say.

        Args:
            share: The part of the route's requests that the backend should get, 0 to 1.
            min_requests: How many expected requests it takes for silence to mean something.
        """
        if self.of is None or self.requests is None:
            verdict = Verdict.UNKNOWN
        elif self.requests > 0:
            verdict = Verdict.FALSE
        else:
            verdict = Verdict.of(True if self.of * share >= max(1.0, min_requests) else None)
        self.judgements.append(Judgement("silent at share", share, verdict))
        return verdict

    def _judge(self, relation: str, limit: float, min_requests: float) -> Verdict:
        few = min_requests > 0 and (self.requests or 0) < min_requests
        if self.value is None or few or math.isnan(limit):
            verdict = Verdict.UNKNOWN
        else:
            verdict = Verdict.of(self.value < limit if relation == "<" else self.value > limit)
        self.judgements.append(Judgement(relation, limit, verdict))
        return verdict

    def __bool__(self) -> NoReturn:
        """Refused."""
        raise TypeError(
            "a sample may be unknown, so it is no bool; use .below(), .above() or .value"
        )

    def __float__(self) -> NoReturn:
        """Refused."""
        raise TypeError(
            "a sample may be unknown, so it is no number; use .value, which may be None"
        )

    def __lt__(self, other: object) -> NoReturn:
        """Refused."""
        raise TypeError("a sample may be unknown; use .below() or .above(), which can say so")

    __gt__ = __le__ = __ge__ = __lt__
