"""What a rule's worker tells of itself: status for people, Events, notifications. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import render_time, stamp
from autopilot.rules.engine import wanted
from autopilot.rules.words import describe, filled, values
from autopilot.runtime.result import Note, Notice
from autopilot.verdict.units import render

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.rules.engine import Advanced
    from autopilot.rules.program import Notice as NoticePlan
    from autopilot.rules.program import Program
    from autopilot.rules.state import State
    from autopilot.rules.status import RuleStatus
    from autopilot.rules.worker_read import Read

UNANSWERED = "SignalsUnanswered"


def signals(program: Program, read: Read) -> list[dict[str, Any]]:
    """`status.signals`."""
    told = []
    for name, signal in program.signals.items():
        reading = read.readings[name]
        one = {"name": name}
        if reading.known:
            one["value"] = render(reading.value, signal.unit)
        else:
            one["why"] = read.why.get(name, "")
        if name in read.at:
            one["at"] = stamp(read.at[name])
        told.append(one)
    return told


def people(program: Program, state: State, read: Read, waits: str) -> dict[str, Any]:
    """The status fields that are for people, as of a state.

    Args:
        program: The rule.
        state: As it will be.
        read: The signals.
        waits: What it waits for.
    """
    plan = program.phases[state.phase]
    climbs = plan.rungs > 1
    return {
        "signals": signals(program, read),
        "ladder": f"rung {state.rung + 1} of {plan.rungs}" if climbs else None,
        "holds": [describe(action) for action in wanted(program, state)] or None,
        "next": waits or None,
    }


def ways(program: Program, phase: str) -> str:
    """Where a phase leads, before it was ever judged."""
    targets = dict.fromkeys(one.to for one in program.phases[phase].judged.transitions)
    return f"the ways out of {phase} lead to {', '.join(targets)}" if targets else ""


def knows_other(status: RuleStatus, program: Program, read: Read) -> bool:
    """Whether other signals are known than the status says, or there are others at all."""
    stored = {one.name: bool(one.value) for one in status.signals}
    return stored != {name: read.readings[name].known for name in program.signals}


def unanswered(read: Read) -> list[Note]:
    """An Event of the signals that nobody can answer; none where all are only without data."""
    if not read.trouble:
        return []
    grouped: dict[str, list[str]] = {}
    for name, why in read.trouble.items():
        grouped.setdefault(why, []).append(name)
    said = "; ".join(f"{', '.join(names)}: {why}" for why, names in grouped.items())
    return [Note("Warning", UNANSWERED, f"{said}; what reads that moves nothing until it is known")]


def notices(found: Advanced, entered: str, read: Read, now: datetime) -> tuple[Notice, ...]:
    """The notifications of a phase that is entered."""
    program = found.program
    return tuple(
        Notice(_body(plan, found, entered, read, now), plan.url, plan.secret)
        for plan in program.phases[entered].notices
    )


def _body(
    plan: NoticePlan, found: Advanced, entered: str, read: Read, now: datetime
) -> dict[str, Any]:
    program = found.program
    told = values(program, read.readings)
    rule, left = f"{program.namespace}/{program.name}", found.held.phase
    names = {**told, "rule": rule, "phase": entered, "from": left, "reason": found.reason}
    text = plan.text or f"Rule {rule}: {left} → {entered}: {found.message}"
    text = filled(text, names)
    if plan.slack:
        return {"text": text}
    return {
        "rule": rule,
        "from": left,
        "phase": entered,
        "reason": found.reason,
        "message": found.message,
        "text": text,
        "signals": told,
        "at": render_time(now),
    }
