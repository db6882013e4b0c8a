"""What a report says of a run, whatever it is written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.report.sparkline import Curve, columns, line, scale
from autopilot.verdict.units import Unit, render
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.operators.chaos.report_model import ConditionRecord, RunRecord

GOOD = frozenset({"Succeeded", "Completed"})
BAD = frozenset({"Failed", "Error"})

MET = {Verdict.TRUE: "met", Verdict.FALSE: "not met", Verdict.UNKNOWN: "not judged"}


@dataclass(frozen=True, slots=True)
class Summary:
    """A failure condition in one row; values as people write them.

    Attributes:
        name: The condition.
        reads: What it reads.
        fails: When it fails: `< 90 %, in 2 polls one after another`.
        polls: How many there were.
        failing: In how many of those that are kept it failed.
        unknown: In how many of those that are kept nobody could say.
        lowest: The lowest value.
        highest: The highest value.
        last: The last value.
    """

    name: str
    reads: str
    fails: str
    polls: int
    failing: int
    unknown: int
    lowest: str
    highest: str
    last: str


def title(record: RunRecord) -> str:
    """The experiment and the number of the run."""
    return f"{record.namespace}/{record.experiment}, run {record.run}"


def verdict(record: RunRecord) -> str:
    """The verdict, or that there is none: the run goes on, or its experiment was deleted."""
    return record.verdict or "Unfinished"


def span(record: RunRecord) -> float:
    """Seconds from the beginning to the last thing that is known."""
    times = [one.at for one in record.phases]
    times += [point.at for one in record.conditions for point in one.points[-1:]]
    times += [record.ended] if record.ended is not None else []
    return max([1.0, *(seconds(record, at) for at in times)])


def seconds(record: RunRecord, at: datetime) -> float:
    """Since the run began."""
    return (at - record.started).total_seconds()


def lasted(record: RunRecord) -> str:
    """How long it took; empty while it goes on."""
    return took(seconds(record, record.ended)) if record.ended else ""


def took(span: float) -> str:
    """A number of seconds for people: tenths only where they tell something."""
    return f"{span:.1f} s" if span < 60 else durations.render(round(span))


def fault_window(record: RunRecord) -> tuple[float, float] | None:
    """From when to when the fault was on, in seconds; None where none was made."""
    made = [one.made for one in record.overlays if one.made is not None]
    if not made:
        return None
    undone = [one.undone for one in record.overlays if one.undone is not None]
    end = seconds(record, max(undone)) if len(undone) == len(record.overlays) else span(record)
    return seconds(record, min(made)), end


def unit_of(one: ConditionRecord) -> Unit | None:
    """What its values are in; None for a plain number."""
    return next((unit for unit in Unit if unit.value == one.unit), None)


def is_webhook(one: ConditionRecord) -> bool:
    """Whether its values are HTTP statuses."""
    return not one.operator or one.threshold is None or one.reads.startswith("webhook ")


def shown(one: ConditionRecord, value: float | None) -> str:
    """A value of a condition for people."""
    if value is not None and is_webhook(one):
        return f"{value:.0f}"
    return render(value, unit_of(one))


def fails_when(one: ConditionRecord) -> str:
    """When a condition fails."""
    limit = f"{one.operator} {render(one.threshold, unit_of(one))}"
    text = "it isn't 2xx" if is_webhook(one) else limit
    return f"{text}, in {one.for_polls} polls one after another" if one.for_polls > 1 else text


def summary(one: ConditionRecord) -> Summary:
    """A condition in one row."""
    known = [point.value for point in one.points if point.value is not None]
    last = one.points[-1].value if one.points else None
    return Summary(
        name=one.name,
        reads=one.reads,
        fails=fails_when(one),
        polls=len(one.points) + one.dropped,
        failing=sum(point.verdict is Verdict.TRUE for point in one.points),
        unknown=sum(point.verdict is Verdict.UNKNOWN for point in one.points),
        lowest=shown(one, min(known)) if known else "–",
        highest=shown(one, max(known)) if known else "–",
        last=shown(one, last) if one.points else "–",
    )


def spark(record: RunRecord, one: ConditionRecord, most: int) -> str:
    """A condition's course as a line of blocks; empty where no value is known.

    Args:
        record: The run.
        one: The condition.
        most: Columns; fewer where there are fewer polls, so that polls stand side by side.
    """
    points = [(seconds(record, point.at), point.value) for point in one.points]
    if all(value is None for _, value in points):
        return ""
    curve = Curve(one.name, points, pick=min if one.operator.startswith("<") else max)
    low, high = scale(curve)
    width = min(most, max(8, len(points)))
    return line(columns(curve, max(points[-1][0], 1e-9), width), low, high)


def facts(record: RunRecord) -> list[tuple[str, str, str]]:
    """What matters most: a name, a value, and a remark, which may be empty."""
    found = [("took", lasted(record) or "no end yet", f"from {when(record.started)}")]
    if fault := injected(record):
        found.insert(0, ("fault", fault, aimed(record)))
    effect, recovery = record.effect, record.recovery
    if effect is not None:
        share = f"{effect.faulted:.0f} of {effect.requests:.0f} requests"
        flag = f"flag {effect.flag} at the callers' proxies"
        found.append(("fault seen by", share, flag if effect.flag else effect.message))
    if recovery is not None:
        found.append(("recovered in", took(recovery.seconds), recovery.message))
    if record.expects:
        met = sum(one.met is Verdict.TRUE for one in record.expects)
        found.append(("expectations met", f"{met} of {len(record.expects)}", ""))
    return found


def injected(record: RunRecord) -> str:
    """What was to be injected, by the spec; empty for a control run."""
    found = []
    for one in _maps(record.spec.get("faults")):
        for name, given in one.items():
            fault = given if isinstance(given, Mapping) else {}
            share = str(fault.get("percentage", 100)).removesuffix("%").strip().removesuffix(".0")
            answer = fault.get("httpStatus") or fault.get("grpcStatus")
            what = f"delayed by {fault.get('duration')}" if name == "delay" else f"get {answer}"
            found.append(f"{share} % {what}")
    return ", ".join(found)


def aimed(record: RunRecord) -> str:
    """Whose requests the fault was for."""
    target, callers = record.spec.get("target"), record.spec.get("from") or ()
    service = target.get("service") if isinstance(target, Mapping) else None
    of = ", ".join(map(str, [callers] if isinstance(callers, str) else callers))
    return f"requests{f' of {of}' if of else ''} to {service}" if service else ""


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def when(at: datetime | None) -> str:
    """A time for people, in UTC; a dash for none."""
    from autopilot.base.timestamps import stamp

    return "–" if at is None else stamp(at).replace("T", " ").replace("Z", " UTC")


def offset(record: RunRecord, at: datetime | None) -> str:
    """A time as seconds since the run began."""
    return "–" if at is None else f"+{seconds(record, at):.1f} s"
