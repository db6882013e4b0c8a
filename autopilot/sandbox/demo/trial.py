"""What a run of an experiment leaves behind, as the demo saw it from outside. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.load import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.sandbox.demo.evidence import Carried
    from autopilot.sandbox.demo.record import Check, Mark

UNFINISHED = "unfinished"

VERDICTS = ("Succeeded", "Failed", "Aborted", "Inconclusive", "Error", "Completed")
"""The phases in which a run is over."""


@dataclass(slots=True)
class TrialRecord:
    """One run of one experiment.

    Attributes:
        name: For people.
        experiment: The experiment's name.
        expected: The verdict that it is flown for.
        report: The Report's name; empty until there is one.
        began: When the flight began, on the load generator's clock.
        seconds: How long it took.
        phases: The experiment's phases, as they were entered.
        others: What another autopilot did meanwhile.
        cause: Why it ended so, in the experiment's own words.
        laid: When the fault was first seen in the route; None where it never was.
        gone: When the route was first seen without it again.
        in_force: Routes that had the fault by Envoy's own configuration, while it was on.
        carried: Requests that carried the fault, by (service, flag), as Envoy counted them.
        checks: What had to hold besides.
        requests: All that were sent during the flight.
    """

    name: str
    experiment: str
    expected: str
    report: str = ""
    began: float = 0.0
    seconds: float = 0.0
    phases: list[Mark] = field(default_factory=list)
    others: list[Mark] = field(default_factory=list)
    cause: str = ""
    laid: float | None = None
    gone: float | None = None
    in_force: int = 0
    carried: Carried = field(default_factory=Counter)
    checks: list[Check] = field(default_factory=list)
    requests: Sequence[stats.Record] = ()

    @property
    def outcome(self) -> str:
        """The verdict."""
        last = str(self.phases[-1].what) if self.phases else ""
        return last if last in VERDICTS else UNFINISHED

    @property
    def as_expected(self) -> bool:
        """Whether it ended as it should, with every check held."""
        return self.outcome == self.expected and all(check.held for check in self.checks)

    @property
    def totals(self) -> stats.Totals:
        """Requests and failures."""
        return stats.totals(self.requests)

    @property
    def fault_seconds(self) -> float | None:
        """How long the route had the fault; None where that wasn't seen."""
        return None if self.laid is None or self.gone is None else self.gone - self.laid

    def encode(self) -> dict[str, Any]:
        """The flight as JSON."""
        totals, lasted = self.totals, self.fault_seconds
        return {
            "name": self.name,
            "experiment": self.experiment,
            "expected": self.expected,
            "outcome": self.outcome,
            "cause": self.cause,
            "report": self.report,
            "phases": [{"phase": mark.what, "at": round(mark.at, 3)} for mark in self.phases],
            "others": [{"at": round(mark.at, 3), "what": mark.what} for mark in self.others],
            "fault_seconds": None if lasted is None else round(lasted, 3),
            "routes_with_the_fault": self.in_force,
            "carried": [
                {"service": service, "flag": flag, "requests": count}
                for (service, flag), count in sorted(self.carried.items())
            ],
            "checks": [{"what": check.what, "held": check.held} for check in self.checks],
            "requests": {"total": totals.requests, "failed": totals.failed},
        }


def summary(flight: TrialRecord) -> str:
    """The flight in one line."""
    totals, lasted = flight.totals, flight.fault_seconds
    line = f"{totals.failed:,} of {totals.requests:,} requests failed"
    if lasted is not None:
        line += f" · fault on for {lasted:.1f} s"
    return f"{line} · {flight.cause}" if flight.cause else line
