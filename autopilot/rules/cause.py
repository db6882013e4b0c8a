"""Why a rule did what it did, in words: the texts of conditions, Events and timelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.rules.words import describe
from autopilot.verdict.explain import explain
from autopilot.verdict.phase import Because

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.rules.engine import Advanced
    from autopilot.verdict.cel import Condition
    from autopilot.verdict.transition import Standing, Transition

CONDITION_MET = "ConditionMet"
MAX_STAY = "MaxStay"
WENT_BLIND = "WentBlind"
CLIMBED = "Climbed"
BLIND = "Blind"
WAITING = "Waiting"
STEADY = "Steady"
WOULD_ENTER = "WouldEnter"
WOULD_CLIMB = "WouldClimb"

_MOVES = {
    Because.WHEN: CONDITION_MET,
    Because.MAX_STAY: MAX_STAY,
    Because.WHEN_BLIND: WENT_BLIND,
}

_CLAUSES = {"for": "its condition to last (for)", "after": "its time in the phase (after)"}


def reason(found: Advanced) -> str:
    """In CamelCase."""
    if found.move is not None:
        return _MOVES[found.move.because]
    if found.climbed:
        return CLIMBED
    if found.judged.blind:
        return BLIND
    return WAITING if any(standing.lacks for standing in found.judged.standings) else STEADY


def message(found: Advanced) -> str:
    """Of a move or a climb with its values; else without any number that goes on changing."""
    if found.move is not None:
        return _moved(found)
    if found.climbed:
        return _climbed(found)
    if found.judged.blind:
        return f"no way out can be judged: {', '.join(_unknown(found))} unknown"
    waiting = [_waits(standing) for standing in found.judged.standings if standing.lacks]
    return "; ".join(waiting) if waiting else "no transition's condition is true"


def event(found: Advanced) -> tuple[str, str]:
    """The Event of a move or a climb: its reason and its text."""
    if not found.program.observe:
        if found.entered is None:
            return reason(found), f"{found.held.phase}: {message(found)}"
        return reason(found), f"entered {found.entered}: {message(found)}"
    if found.entered is None:
        return WOULD_CLIMB, f"would climb in {found.held.phase}: {message(found)}"
    does = "; ".join(describe(action) for action in found.wanted)
    acts = f" ({does})" if does else ""
    return WOULD_ENTER, f"would enter {found.entered}: {message(found)}{acts}"


def lines(found: Advanced) -> list[str]:
    """Each transition, exit and ladder with its values."""
    return list(_lines(found))


def _moved(found: Advanced) -> str:
    move, plan = found.move, found.plan.judged
    assert move is not None
    if move.transition is not None:
        return _taken(found, move.transition)
    if move.because is Because.MAX_STAY:
        assert plan.max_stay is not None
        return f"{durations.render(plan.max_stay.after)} is the longest stay in {plan.name}"
    assert plan.when_blind is not None
    lasted = durations.render(plan.when_blind.after)
    unknown = ", ".join(_named(found, name) for name in _unknown(found))
    return f"no way out of {plan.name} could be judged for {lasted}: {unknown} unknown"


def _taken(found: Advanced, taken: Transition) -> str:
    parts = [_because(found, taken.when)] if taken.when else []
    if taken.times is not None:
        parts.append(f"in {taken.times.k} of {taken.times.n} samples")
    if taken.hold is not None:
        parts.append(f"for {durations.render(taken.hold)}")
    if taken.after is not None:
        way = f"{found.plan.name}>{taken.to}"
        wait = taken.after.seconds(found.held.memory.failed.get(way, 0))
        parts.append(f"after {durations.render(wait)} in {found.plan.name}")
    if taken.approve:
        parts.append("approved")
    return ", ".join(parts) or f"{found.plan.name} is passed through"


def _climbed(found: Advanced) -> str:
    plan = found.plan
    said = f"rung {found.state.rung + 1} of {plan.rungs}"
    spent = f" after {durations.render(plan.dwell)}" if plan.dwell else ""
    return f"{said}{spent}: {_because(found, plan.climbs)}" if plan.climbs else f"{said}{spent}"


def _because(found: Advanced, condition: Condition) -> str:
    return " and ".join(explain(condition, found.moment.values, found.why).causes())


def _waits(standing: Standing) -> str:
    transition = standing.transition
    clauses = [_CLAUSES[clause] for clause, _, _ in standing.waits]
    if standing.counted.is_false:
        clauses.insert(0, "further samples (times)")
    if standing.shut:
        clauses.append("an approval")
    return f"the way to {transition.to} waits for {' and '.join(clauses)}"


def _lines(found: Advanced) -> Iterator[str]:
    plan = found.plan
    for standing in found.judged.standings:
        yield from _way(found, standing)
    judged, memory = plan.judged, found.held.memory
    if judged.max_stay is not None:
        spent, most = durations.render(memory.seconds), durations.render(judged.max_stay.after)
        yield f"maxStay to {judged.max_stay.to}: {spent} of {most}"
    if judged.when_blind is not None:
        spent = durations.render(memory.blind.seconds)
        most = durations.render(judged.when_blind.after)
        yield f"whenBlind to {judged.when_blind.to}: blind for {spent} of {most}"
    if plan.rungs > 1:
        left = durations.render(found.dwell_left)
        yield f"ladder: rung {found.held.rung + 1} of {plan.rungs}, {left} of dwell left"
        if plan.climbs:
            told = explain(plan.climbs, found.moment.values, found.why)
            yield from ("  while " + line for line in told.lines()[:1])
            yield from ("  " + line for line in told.lines()[1:])


def _way(found: Advanced, standing: Standing) -> Iterator[str]:
    transition = standing.transition
    lacks = f"; lacks {', '.join(standing.lacks)}" if standing.lacks else ""
    ready = "ready" if standing.ready else standing.counted.value
    yield f"to {transition.to}: {ready}{lacks}"
    if transition.when is not None:
        told = explain(transition.when, found.moment.values, found.why)
        yield from ("  " + line for line in told.lines())


def _read(found: Advanced) -> Iterator[str]:
    plan = found.plan.judged
    for standing in found.judged.standings:
        when = standing.transition.when
        yield from (name for name in (when.reads if when else ()) if name not in plan.unsampled)


def _unknown(found: Advanced) -> list[str]:
    """The signals that nobody knows; all of them where none alone is the cause."""
    read = sorted(set(_read(found)))
    return [name for name in read if not _known(found, name)] or read


def _known(found: Advanced, name: str) -> bool:
    return name in found.moment.readings and found.moment.readings[name].known


def _named(found: Advanced, name: str) -> str:
    return f"{name} ({found.why[name]})" if found.why.get(name) else name
