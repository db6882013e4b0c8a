"""What each step of a rule risks: pure. See `price` for how long a failure goes unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.mesh.actions import Fault, Mirror, Shed
from autopilot.rules.price import (
    SHARES,
    Detection,
    Exposure,
    Situation,
    decides,
    detection,
    shares_of,
    steps_of,
)

if TYPE_CHECKING:
    from autopilot.rules.program import PhasePlan, Program
    from autopilot.verdict.transition import Transition


@dataclass(frozen=True, slots=True)
class Seen:
    """How long a transition takes to see a failure.

    Attributes:
        to: Where it leads.
        when: Its condition.
        subject: The destination that fails.
        detections: By part of errors; empty where errors don't decide it.
        holds: What holds it back besides, for people: `after`, an approval.
    """

    to: str
    when: str
    subject: str
    detections: tuple[Detection, ...]
    holds: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """What one step risks.

    Attributes:
        phase: The phase.
        rung: From 0.
        subject: The destination that gains, and is taken to fail at once and altogether.
        share: Percent that it gets.
        seconds: How long at most until a transition that takes it away is ready; None where
            nothing does.
        requests: share × rate × seconds: requests that fail at most; None where nothing bounds it.
        by: What ends it, for people.
    """

    phase: str
    rung: int
    subject: str
    share: float
    seconds: float | None
    requests: float | None
    by: str


def subject_of(program: Program, phase: str) -> str:
    """The destination that a phase lets have more than the phase that leads to it.

    The target, where no destination gains.
    """
    before, now = _before(program, phase, 0), shares_of(program, phase, 0)
    gains = {name: share - before.get(name, 0.0) for name, share in now.items()}
    most = max(gains, key=lambda name: gains[name])
    return most if gains[most] > 0 else _largest(program, now)


def exposure_of(program: Program, phase: str, rung: int, *, entering: bool = True) -> Exposure:
    """Who gets what at a step.

    Args:
        program: The rule.
        phase: The phase.
        rung: Its rung.
        entering: Whether the failure begins with the step; else long after it.
    """
    now = shares_of(program, phase, rung)
    before = _before(program, phase, rung) if entering else now
    return Exposure(subject_of(program, phase), before, now)


def seen(program: Program, phase: str, situation: Situation, rung: int = 0) -> list[Seen]:
    """How long each transition of a phase takes to see a failure.

    In the initial phase the failure comes out of steady traffic; elsewhere it begins with the step.
    """
    plan = program.phases[phase]
    exposure = exposure_of(program, phase, rung, entering=not plan.judged.initial)
    found = []
    for each in plan.judged.transitions:
        if each.when is None or (each.from_any and each.to == phase):
            continue
        asked = SHARES if decides(each, program) else ()
        detections = [detection(program, each, exposure, situation, e) for e in asked]
        found.append(
            Seen(each.to, each.when.text, exposure.subject, tuple(detections), _holds(each))
        )
    return found


def prices(program: Program, phase: str, situation: Situation) -> list[Price]:
    """What each step of a phase risks; none where no destination gains anything by it."""
    plan, found = program.phases[phase], []
    for rung in steps_of(plan):
        exposure = exposure_of(program, phase, rung)
        share = exposure.now.get(exposure.subject, 0.0)
        if share <= exposure.before.get(exposure.subject, 0.0):
            continue
        seconds, by = _bound(program, plan, exposure, situation)
        requests = None if seconds is None else share / 100 * situation.rps * seconds
        found.append(Price(phase, rung, exposure.subject, share, seconds, requests, by))
    return found


def costs(plan: PhasePlan) -> list[str]:
    """What a phase costs on purpose, whatever happens, for people."""
    found = []
    for action in plan.actions:
        first, last = action.rungs[0], action.rungs[-1]
        if isinstance(first, Shed) and isinstance(last, Shed):
            which = "matched requests" if first.headers else "requests"
            text = f"{_range(first.share, last.share)} of {which} get {first.status} on purpose"
        elif isinstance(first, Mirror) and isinstance(last, Mirror):
            text = f"{first.to} gets a copy of {_range(first.percentage, last.percentage)}"
        elif isinstance(first, Fault) and isinstance(last, Fault):
            text = "requests are aborted or delayed on purpose"
        else:
            continue
        found.append(text)
    return found


def _bound(
    program: Program, plan: PhasePlan, exposure: Exposure, situation: Situation
) -> tuple[float | None, str]:
    """The soonest of what takes the subject's requests away again."""
    share = exposure.now.get(exposure.subject, 0.0)
    bounds: list[tuple[float, str]] = []
    unknown = False
    for each in plan.judged.transitions:
        if each.approve or each.when is None or not _away(program, each.to, exposure, share):
            continue
        found = detection(program, each, exposure, situation, 1.0)
        unknown = unknown or found.why.startswith("unknown")
        if found.latest is not None:
            after = each.after.seconds(0) if each.after else 0.0
            bounds.append((max(found.latest, after), f"the way to {each.to}"))
    exits = [(plan.judged.max_stay, "maxStay")]
    if unknown and not bounds:
        exits.append((plan.judged.when_blind, "whenBlind: too few requests to judge by"))
    for way, called in exits:
        if way is not None and _away(program, way.to, exposure, share):
            bounds.append((way.after.total_seconds(), called))
    if not bounds:
        return None, f"no way out of {plan.name} sees errors of {exposure.subject}"
    return min(bounds)


def _away(program: Program, to: str, exposure: Exposure, share: float) -> bool:
    """Whether a phase gives the subject less."""
    return shares_of(program, to).get(exposure.subject, 0.0) < share


def _before(program: Program, phase: str, rung: int) -> dict[str, float]:
    """What destinations get before a step: at the rung below, or in the phase that leads here.

    Where several lead here, the one is taken in which they get least of what they gain.
    """
    if rung > 0:
        return shares_of(program, phase, rung - 1)
    now = shares_of(program, phase)
    plans = program.phases.values()
    ways = [plan.name for plan in plans if any(t.to == phase for t in plan.judged.transitions)]
    if program.phases[phase].judged.initial or not ways:
        return now
    last = [shares_of(program, name, program.phases[name].rungs - 1) for name in ways]
    return max(last, key=lambda each: sum(max(0.0, now[n] - each.get(n, 0.0)) for n in now))


def _largest(program: Program, now: dict[str, float]) -> str:
    host = program.target.host
    return host if now.get(host) else max(now, key=lambda name: now[name])


def _holds(transition: Transition) -> str:
    held = [f"at least {transition.after} in the phase"] if transition.after else []
    return ", then ".join([*held, "an approval"] if transition.approve else held)


def _range(first: float, last: float) -> str:
    return f"{first:g} %" if first == last else f"{first:g} to {last:g} %"
