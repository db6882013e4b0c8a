"""Failure conditions over polls: pure.

What isn't known is never taken for good: NaN, no data, a query that fails and a source that is down
each are *unknown*, and unknown neither trips a condition nor passes an experiment.
"""

from __future__ import annotations

import math
import operator as ops
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from autopilot.telemetry.sample import Sample, Why
from autopilot.verdict.units import Unit, render
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from autopilot.operators.chaos.model_conditions import Operator
    from autopilot.telemetry.query import BoundQuery

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": ops.lt,
    "<=": ops.le,
    ">": ops.gt,
    ">=": ops.ge,
    "==": ops.eq,
    "!=": ops.ne,
}

NoData = Literal["inconclusive", "fail", "ignore"]

_EMPTY = frozenset({Why.NO_DATA, Why.NOT_FINITE})
"""The source answered, and what it has is nothing."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A failure condition, compiled.

    Attributes:
        name: As in the spec, or made up from the index.
        reads: What it reads, for people.
        query: What is asked; None for a webhook.
        url: What is called; empty for a query.
        operator: How a value is compared; a webhook's is `!=`.
        threshold: In the query's unit.
        unit: Of value and threshold; None for a bare number.
        for_polls: It trips when true in so many polls one after another.
        on_no_data: What no data means.
        counted: Whether a value stands on requests, of which there must be some.
    """

    name: str
    reads: str
    query: BoundQuery | None = None
    url: str = ""
    operator: Operator = "<"
    threshold: float = 0.0
    unit: Unit | None = None
    for_polls: int = 1
    on_no_data: NoData = "inconclusive"
    counted: bool = False

    def told(self, value: float | None) -> str:
        """For people: `errors at reviews: 100 % > 10 %`."""
        if self.query is None:
            return f"{self.name}: {self.reads} answered {value or 0:.0f}"
        shown, limit = render(value, self.unit), render(self.threshold, self.unit)
        return f"{self.name}: {self.reads} is {shown}, {self.operator} {limit}"


@dataclass(frozen=True, slots=True)
class Look:
    """What one poll of one condition showed.

    Attributes:
        verdict: TRUE where the value is one that fails the experiment.
        value: None where it isn't known. Never NaN.
        why: Why it isn't known.
        lost: Whether there is no telemetry at all, rather than no data in it.
        at: When the data was scraped; None where that isn't told.
    """

    verdict: Verdict
    value: float | None = None
    why: str = ""
    lost: bool = False
    at: datetime | None = None


def look_at(condition: Condition, answer: Sample | int | str) -> Look:
    """Judge an answer.

    Args:
        condition: Which.
        answer: A sample; of a webhook its HTTP status, or why there is none.
    """
    if isinstance(answer, str):
        return Look(Verdict.UNKNOWN, None, answer, lost=True)
    if isinstance(answer, int):
        return Look(Verdict.of(not 200 <= answer < 300), float(answer), f"answered {answer}")
    value = answer.value
    why = f"{answer.why}: {answer.detail}" if answer.detail else str(answer.why)
    if value is None or answer.why is not Why.KNOWN:
        lost = answer.why not in _EMPTY
        return Look(Verdict.UNKNOWN, None, why or str(Why.NO_DATA), lost=lost, at=answer.at)
    if not math.isfinite(value):
        return Look(Verdict.UNKNOWN, None, str(Why.NOT_FINITE), at=answer.at)
    if condition.counted and answer.requests is not None and answer.requests <= 0:
        return Look(Verdict.UNKNOWN, None, "no requests", at=answer.at)
    fails = OPERATORS[condition.operator](value, condition.threshold)
    return Look(Verdict.of(fails), value, "", at=answer.at)


@dataclass(frozen=True, slots=True)
class Tally:
    """What is remembered of one condition between polls.

    Attributes:
        streak: In how many polls one after another it was true; unknown stops the count.
        blank: In how many polls one after another there was no data.
        known: Whether its value was ever known in this run.
        last: What the last poll said.
        value: The last known value.
        why: Why the last poll knew none.
    """

    streak: int = 0
    blank: int = 0
    known: bool = False
    last: Verdict = Verdict.UNKNOWN
    value: float | None = None
    why: str = ""

    def after(self, condition: Condition, look: Look) -> Tally:
        """After another poll."""
        value = self.value if look.value is None else look.value
        made = replace(self, last=look.verdict, why=look.why, value=value)
        if look.verdict is Verdict.TRUE:
            return replace(made, streak=self.streak + 1, blank=0, known=True)
        if look.verdict is Verdict.FALSE:
            return replace(made, streak=0, blank=0, known=True)
        if look.lost or condition.on_no_data == "ignore":
            return made
        if condition.on_no_data == "fail":
            return replace(made, streak=self.streak + 1, blank=self.blank + 1)
        return replace(made, blank=self.blank + 1)

    def to_wire(self) -> dict[str, Any]:
        """As the status keeps it."""
        made: dict[str, Any] = {"last": self.last.value}
        made |= {"streak": self.streak} if self.streak else {}
        made |= {"blank": self.blank} if self.blank else {}
        made |= {"known": True} if self.known else {}
        made |= {"value": self.value} if self.value is not None else {}
        return made | ({"why": self.why} if self.why else {})

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Tally:
        """As `to_wire` wrote it; whatever else stands there counts as nothing."""
        value, last = wire.get("value"), wire.get("last")
        return cls(
            streak=_count(wire.get("streak")),
            blank=_count(wire.get("blank")),
            known=wire.get("known") is True,
            last=next((one for one in Verdict if one.value == last), Verdict.UNKNOWN),
            value=float(value) if isinstance(value, int | float) else None,
            why=str(wire.get("why") or ""),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a run ends.

    Attributes:
        verdict: The phase that it ends in.
        message: For a person.
        condition: The failure condition that decided; empty where something else did.
        value: The value that decided.
    """

    verdict: str
    message: str
    condition: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of a run's polls.

    Attributes:
        polls: How many there were.
        errors: In how many one after another telemetry was lost.
        tallies: By condition.
    """

    polls: int = 0
    errors: int = 0
    tallies: Mapping[str, Tally] = field(default_factory=dict)

    def of(self, name: str) -> Tally:
        """What is remembered of a condition."""
        return self.tallies.get(name, Tally())

    def after(self, conditions: Sequence[Condition], looks: Mapping[str, Look]) -> Watch:
        """After another poll of all conditions."""
        lost = any(look.lost for look in looks.values())
        tallies = {one.name: self.of(one.name).after(one, looks[one.name]) for one in conditions}
        return Watch(self.polls + 1, self.errors + 1 if lost else 0, tallies)

    def tripped(self, conditions: Sequence[Condition]) -> Outcome | None:
        """The first condition that fails the experiment."""
        for one in conditions:
            tally = self.of(one.name)
            if tally.streak < one.for_polls:
                continue
            polls = f" in {one.for_polls} polls one after another" if one.for_polls > 1 else ""
            if tally.last is Verdict.TRUE:
                message = f"{one.told(tally.value)}{polls}"
                return Outcome("Failed", message, one.name, tally.value)
            if tally.last is Verdict.UNKNOWN and one.on_no_data == "fail" and tally.blank:
                message = f"{one.name}: {one.reads}: {tally.why}{polls}, which onNoData fails"
                return Outcome("Failed", message, one.name)
        return None

    def blinded(self, conditions: Sequence[Condition], most: int) -> Outcome | None:
        """Whether nothing can be judged any more.

        Args:
            conditions: All.
            most: How many polls one after another may be blind.
        """
        if self.errors >= most:
            whys = [self.of(one.name).why for one in conditions if self.of(one.name).why]
            why = next(iter(whys), "no telemetry")
            return Outcome("Aborted", f"telemetry was lost for {self.errors} polls: {why}")
        for one in conditions:
            tally = self.of(one.name)
            if one.on_no_data == "inconclusive" and tally.blank >= most:
                message = f"{one.name}: {one.reads}: {tally.why} for {tally.blank} polls"
                return Outcome("Inconclusive", message, one.name)
        return None

    def at_end(self, conditions: Sequence[Condition], why: str) -> Outcome:
        """The verdict of a run that has lasted its time without failing.

        Args:
            conditions: All.
            why: Why nobody can say, though all seems well; empty where there is no such reason.
        """
        if why:
            return Outcome("Inconclusive", why)
        for one in conditions:
            tally = self.of(one.name)
            if one.on_no_data != "ignore" and tally.last is Verdict.UNKNOWN:
                said = tally.why or "it was never looked at"
                return Outcome("Inconclusive", f"{one.name}: {one.reads}: {said}", one.name)
        if not any(self.of(one.name).known for one in conditions):
            return Outcome("Inconclusive", "none of the conditions ever had a value")
        return Outcome("Succeeded", "no failure condition came true, and each could be judged")

    def to_wire(self) -> dict[str, Any]:
        """As the status keeps it."""
        tallies = {name: tally.to_wire() for name, tally in self.tallies.items()}
        return {"polls": self.polls, "errors": self.errors, "conditions": tallies}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any] | None) -> Watch:
        """As `to_wire` wrote it."""
        wire = wire or {}
        found = wire.get("conditions")
        tallies = {
            str(name): Tally.from_wire(one)
            for name, one in (found.items() if isinstance(found, dict) else ())
            if isinstance(one, dict)
        }
        return cls(_count(wire.get("polls")), _count(wire.get("errors")), tallies)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
