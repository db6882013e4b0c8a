"""What a backtest found, for people and for scripts."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.base.timestamps import stamp
from autopilot.rules.backtest import unrecorded
from autopilot.rules.words import describe
from autopilot.verdict.units import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.rules.backtest import Backtest, Gap

_MOST_GAPS = 10
_CAVEAT = (
    "what was recorded happened without the rule: from its first transition on, this is what it "
    "would have decided by these figures, not how the service would have done"
)


def notes(found: Backtest) -> list[str]:
    """What whoever reads the figures must know."""
    said = []
    if any(step.moved for step in found.flight.steps) and not found.program.observe:
        said.append(_CAVEAT)
    for name in unrecorded(found.program):
        if name not in found.assumed:
            said.append(
                f"{name} isn't recorded, so it is unknown all the time; say it: --assume {name}=2"
            )
    return said


def plain(found: Backtest) -> dict[str, Any]:
    """For scripts."""
    steps = found.flight.steps
    return {
        "rule": found.program.name,
        "namespace": found.program.namespace,
        "from": stamp(found.span.start),
        "to": stamp(found.when(found.flight.until)),
        "step": found.span.step.total_seconds(),
        "assumed": dict(found.assumed),
        "timeline": [
            {
                "at": stamp(found.when(step.at)),
                "phase": step.phase,
                "rung": step.rung + 1,
                "reason": step.event[0],
                "message": step.event[1],
                "actions": [describe(action) for action in step.wanted],
            }
            for step in steps
        ],
        "totals": {
            "transitions": sum(step.moved for step in steps),
            "climbs": _climbs(found),
            "seconds": found.phases,
            "moments": found.span.count,
        },
        "gaps": [
            {
                "signal": gap.signal,
                "from": stamp(gap.start),
                "to": stamp(gap.end),
                "seconds": gap.seconds,
                "why": gap.why,
            }
            for gap in found.gaps
        ],
        "notes": notes(found),
    }


def lines(found: Backtest) -> Iterator[str]:
    """For people, a line each."""
    program, steps = found.program, found.flight.steps
    step = durations.render(found.span.step)
    yield (
        f"{program.namespace}/{program.name}: {stamp(found.span.start)} to "
        f"{stamp(found.when(found.flight.until))}, {found.span.count} moments, {step} apart"
    )
    yield "timeline"
    for one in steps:
        reason, message = one.event
        does = "; ".join(describe(action) for action in one.wanted)
        acts = f"  [{does}]" if does else ""
        yield f"  {stamp(found.when(one.at))}  {reason}: {message}{acts}"
    yield "totals"
    moves, climbs = sum(one.moved for one in steps), _climbs(found)
    yield f"  {moves} transition{'s'[: moves != 1]}, {climbs} climb{'s'[: climbs != 1]}"
    whole = found.flight.until or 1.0
    for phase, seconds in found.phases.items():
        yield f"  {phase:<18} {durations.render(round(seconds))} ({100 * seconds / whole:.3g} %)"
    if found.assumed:
        yield "assumed"
        for name, value in found.assumed.items():
            yield f"  {name:<18} {render(value, program.signals[name].unit)}"
    yield "gaps"
    yield from _gaps(found)
    yield from (f"note: {note}" for note in notes(found))


def _gaps(found: Backtest) -> Iterator[str]:
    by_signal: dict[str, list[Gap]] = defaultdict(list)
    for gap in found.gaps:
        by_signal[gap.signal].append(gap)
    if not by_signal:
        yield "  none: every signal that was asked for was known all the time"
    for name, some in by_signal.items():
        whole = durations.render(round(sum(gap.seconds for gap in some)))
        yield f"  {name}: unknown for {whole} in all"
        for gap in some[:_MOST_GAPS]:
            yield f"    {stamp(gap.start)} for {durations.render(round(gap.seconds))}: {gap.why}"
        if len(some) > _MOST_GAPS:
            yield f"    and {len(some) - _MOST_GAPS} more"


def _climbs(found: Backtest) -> int:
    return sum(
        step.found is not None and step.found.climbed and step.refused is None
        for step in found.flight.steps
    )
