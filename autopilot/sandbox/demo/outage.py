"""What an outage of a primary leaves behind, with autopilot or without. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.load import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.sandbox.demo.record import Check, Mark

RETURNED = "failedOverAndReturned"
UNAIDED = "unaided"
UNFINISHED = "unfinished"

_BAD = 0.05
"""The share of failures that makes a second a bad one."""


@dataclass(frozen=True, slots=True)
class Step:
    """A decision of the rule, as its log line tells it.

    Attributes:
        at: Seconds since the flight began.
        phase: The phase that was judged.
        following: The phase afterwards.
        reason: In a word.
        message: For a person: which signals, with their values.
        changes: What it wrote to the mesh.
    """

    at: float
    phase: str
    following: str
    reason: str
    message: str
    changes: tuple[str, ...] = ()


@dataclass(slots=True)
class Trial:
    """What one trial risked.

    Attributes:
        at: When it began, in seconds since the flight began.
        answered: Requests that the primary answered in it.
        failed: Of these, how many failed.
    """

    at: float
    answered: int
    failed: int


@dataclass(slots=True)
class OutageRecord:
    """One service's flight through the outage.

    Attributes:
        name: For people.
        primary: The workload that breaks.
        route: The phases that it should go through; empty where no rule helps.
        began: When the flight began, on the load generator's clock.
        seconds: How long it took.
        phases: The phases entered.
        weights: The standby's share of the requests, in percent.
        faults: What was done to the primary.
        decisions: What the rule decided.
        checks: What had to hold besides.
        requests: All that were sent during the flight.
    """

    name: str
    primary: str
    route: tuple[str, ...] = ()
    began: float = 0.0
    seconds: float = 0.0
    phases: list[Mark] = field(default_factory=list)
    weights: list[Mark] = field(default_factory=list)
    faults: list[Mark] = field(default_factory=list)
    decisions: list[Step] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    requests: Sequence[stats.Record] = ()

    @property
    def outcome(self) -> str:
        """What came of it."""
        if not self.route:
            return UNAIDED
        went = tuple(str(mark.what) for mark in self.phases)
        return RETURNED if went == self.route else UNFINISHED

    @property
    def as_expected(self) -> bool:
        """Whether it went as it should, with every check held."""
        return self.outcome != UNFINISHED and all(check.held for check in self.checks)

    @property
    def totals(self) -> stats.Totals:
        """Requests and failures."""
        return stats.totals(self.requests)

    @property
    def reaction(self) -> float | None:
        """Seconds from the primary's first bad answer to the last request that it got.

        Requests of a later trial aren't counted; None where nothing was moved away.
        """
        if not self.route:
            return None
        trials = self.stays("Trial")
        until = self.began + trials[0][0] if trials else float("inf")
        return stats.reaction([r for r in self.requests if r.at < until], self.primary)

    @property
    def bad_seconds(self) -> int:
        """How many seconds had more than 5 % of failures."""
        slots = stats.timeline(self.requests, start=self.began)
        return sum(1 for slot in slots if slot.requests and slot.failed > _BAD * slot.requests)

    @property
    def trials(self) -> list[Trial]:
        """What each trial risked."""
        found = []
        for begin, end in self.stays("Trial"):
            answered = [r for r in self.between(begin, end) if r.workload == self.primary]
            found.append(Trial(begin, len(answered), stats.totals(answered).failed))
        return found

    def stays(self, phase: str) -> list[tuple[float, float]]:
        """When a phase began and ended, for each visit."""
        ends = [*(mark.at for mark in self.phases[1:]), self.seconds]
        # Without phases there is an end of nothing.
        visits = zip(self.phases, ends, strict=False)
        return [(mark.at, end) for mark, end in visits if mark.what == phase]

    def between(self, begin: float, end: float) -> list[stats.Record]:
        """The requests sent in a part of the flight, in seconds since it began."""
        return stats.window(self.requests, self.began + begin, self.began + end)

    def encode(self) -> dict[str, Any]:
        """The flight as JSON."""
        totals, reaction = self.totals, self.reaction
        return {
            "name": self.name,
            "outcome": self.outcome,
            "phases": [{"phase": mark.what, "at": round(mark.at, 3)} for mark in self.phases],
            "weights": [{"at": round(mark.at, 3), "standby": mark.what} for mark in self.weights],
            "faults": [{"at": round(mark.at, 3), "what": mark.what} for mark in self.faults],
            "decisions": [
                {
                    "at": round(step.at, 3),
                    "phase": step.phase,
                    "next": step.following,
                    "reason": step.reason,
                    "message": step.message,
                    "changes": list(step.changes),
                }
                for step in self.decisions
            ],
            "trials": [
                {"at": round(t.at, 3), "answered": t.answered, "failed": t.failed}
                for t in self.trials
            ],
            "checks": [{"what": check.what, "held": check.held} for check in self.checks],
            "requests": {"total": totals.requests, "failed": totals.failed},
            "bad_seconds": self.bad_seconds,
            "reaction_seconds": None if reaction is None else round(reaction, 3),
        }


def summary(flight: OutageRecord) -> str:
    """The flight in one line."""
    totals = flight.totals
    line = f"{totals.failed:,} of {totals.requests:,} requests failed"
    line += f" · {flight.bad_seconds} of {flight.seconds:.0f} s bad"
    if flight.reaction is not None:
        line += f" · breach → traffic away {flight.reaction:.1f} s"
    for number, trial in enumerate(flight.trials, start=1):
        line += f" · trial {number}: {trial.failed} of {trial.answered} failed"
    return line
