"""What a flight leaves behind: phases, weights, decisions, requests. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.load import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMOTED = "promoted"
ROLLED_BACK = "rolledBack"
UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that changed, in seconds since the flight began."""

    at: float
    what: str | int


@dataclass(frozen=True, slots=True)
class Decision:
    """One query's answer as a worker judged it.

    Attributes:
        at: Seconds since the flight began.
        query: The PromQL.
        value: The answer; None when unknown.
        verdict: `true`, `false` or `unknown`, of the comparison that the worker made.
    """

    at: float
    query: str
    value: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Check:
    """Something that had to hold during the flight."""

    what: str
    held: bool


@dataclass(slots=True)
class FlightRecord:
    """One flight.

    Attributes:
        name: For people.
        expected: The outcome that the flight is flown for.
        outcome: What came of it.
        seconds: How long it took.
        phases: The phases entered.
        weights: The canary's share of the requests, in percent.
        decisions: What was read and how it was judged.
        checks: What had to hold besides the outcome.
        requests: All that were sent during the flight, with times of the load generator's clock.
        began: When the flight began, on that clock.
        canary: The workload that was on trial.
        limit: Seconds beyond which an answer of the canary counts as bad; None for no limit.
    """

    name: str
    expected: str
    canary: str
    limit: float | None = None
    began: float = 0.0
    outcome: str = UNFINISHED
    seconds: float = 0.0
    phases: list[Mark] = field(default_factory=list)
    weights: list[Mark] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    requests: Sequence[stats.Record] = ()

    @property
    def totals(self) -> stats.Totals:
        """Requests and failures."""
        return stats.totals(self.requests)

    @property
    def reaction(self) -> float | None:
        """Seconds from the canary's first bad answer to the last request that it answered.

        None for a flight that was flown to be promoted: nothing had to be taken back.
        """
        if self.expected != ROLLED_BACK:
            return None
        return stats.reaction(self.requests, self.canary, slower_than=self.limit)

    @property
    def as_expected(self) -> bool:
        """Whether the flight ended as it should, with every check held."""
        clean = self.expected != PROMOTED or self.totals.failed == 0
        return self.outcome == self.expected and clean and all(c.held for c in self.checks)

    def encode(self) -> dict[str, Any]:
        """The flight as JSON."""
        totals = self.totals
        reaction = self.reaction
        return {
            "name": self.name,
            "outcome": self.outcome,
            "phases": [{"phase": mark.what, "at": round(mark.at, 3)} for mark in self.phases],
            "weights": [{"at": round(mark.at, 3), "canary": mark.what} for mark in self.weights],
            "decisions": [
                {
                    "at": round(decision.at, 3),
                    "query": decision.query,
                    "value": decision.value,
                    "verdict": decision.verdict,
                }
                for decision in self.decisions
            ],
            "requests": {"total": totals.requests, "failed": totals.failed},
            "reaction_seconds": None if reaction is None else round(reaction, 3),
        }


def summary(flight: FlightRecord) -> str:
    """The flight in one line."""
    totals = flight.totals
    line = f"{totals.failed:,} of {totals.requests:,} requests failed"
    if flight.reaction is not None:
        line += f" · breach → traffic back {flight.reaction:.1f} s"
    if flight.limit is not None and flight.expected == ROLLED_BACK:
        slow = sum(
            1 for r in flight.requests if r.workload == flight.canary and r.duration > flight.limit
        )
        line += f" · {slow} answered slower than {flight.limit * 1000:.0f} ms"
    return line
