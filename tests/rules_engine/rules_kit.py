"""Programs built by hand, and an engine that is flown look by look."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

from autopilot.mesh.actions import Shed, Shift, Where
from autopilot.rules.engine import Advanced, advance
from autopilot.rules.program import ActionPlan, PhasePlan, Program, Ready, Signal
from autopilot.rules.state import State
from autopilot.verdict.cel import Condition
from autopilot.verdict.hold import Times
from autopilot.verdict.phase import Exit, Phase
from autopilot.verdict.transition import Moment, Reading, Transition
from autopilot.verdict.units import Unit
from autopilot.verdict.wait import Wait

UNITS = {
    "errors": Unit.RATIO,
    "p99": Unit.MILLISECONDS,
    "primary_errors": Unit.RATIO,
    "primary_ready": Unit.COUNT,
    "standby_ready": Unit.COUNT,
    "ladder.done": Unit.BOOL,
}
WHERE = Where("checkout", "shop")


def when(text: str) -> Condition:
    return Condition.compile(text, UNITS)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def way(to: str, text: str = "", **clauses: object) -> Transition:
    """A transition; times as `"3/5"`, after as `"1m..30m"`, hold in seconds."""
    hold = clauses.pop("hold", None)
    times, after = clauses.pop("times", None), clauses.pop("after", None)
    return Transition(
        to,
        when(text) if text else None,
        seconds(hold) if hold is not None else None,
        Times.parse(times) if times else None,
        Wait.parse(after) if after else None,
        **clauses,
    )


def out(to: str, after: float) -> Exit:
    return Exit(to, seconds(after))


def shift(standby: int) -> Shift:
    weights = {"checkout": 100 - standby, "checkout-standby": standby}
    return Shift(WHERE, weights, "checkout", "failover")


def program(*phases: PhasePlan, **rest: object) -> Program:
    units = {name: unit for name, unit in UNITS.items() if name != "ladder.done"}
    signals = {name: Signal(name, unit, Ready("shop", name)) for name, unit in units.items()}
    found = {plan.name: plan for plan in phases}
    initial = next(plan.name for plan in phases if plan.judged.initial)
    return Program("shop", "checkout", WHERE, found, initial, signals, **rest)


def failover() -> Program:
    """As the short form expands: two minutes of back-off at most, a trial of three steps."""
    bad, good = "errors > 5% || p99 > 800ms", "primary_errors < 1%"
    return program(
        PhasePlan(
            Phase(
                "Normal",
                (way("Standby", f"({bad}) && (standby_ready >= 2)", hold=10),),
                initial=True,
            )
        ),
        PhasePlan(
            Phase("Standby", (way("Trial", "primary_ready >= 1", after="30s..2m"),)),
            (ActionPlan("failover", "spec.phases[1].actions[0]", (shift(100),)),),
        ),
        PhasePlan(
            Phase(
                "Trial",
                (
                    way("Standby", f"!({good}) || primary_ready < 1"),
                    way("Normal", f"ladder.done && ({good})"),
                ),
                when_blind=out("Standby", 60),
            ),
            (
                ActionPlan(
                    "failover", "spec.phases[2].actions[0]", (shift(99), shift(90), shift(50))
                ),
            ),
            climbs=when(good),
            dwell=seconds(30),
            rungs=3,
        ),
    )


def shedding(**rest: object) -> Program:
    """A ladder whose end has its own way out."""
    rungs = tuple(Shed(WHERE, {}, share) for share in (25.0, 50.0, 100.0))
    return program(
        PhasePlan(Phase("Normal", (way("Shedding", "p99 > 1.5s", hold=15),), initial=True)),
        PhasePlan(
            Phase("Shedding", (way("Normal", "p99 < 500ms", hold=120),), **rest),
            (ActionPlan("shed", "spec.phases[1].actions[0]", rungs),),
            climbs=when("p99 > 1s"),
            dwell=seconds(20),
            rungs=3,
        ),
    )


@dataclass
class Flight:
    """An engine flown by hand: values and seconds in."""

    program: Program
    state: State = field(init=False)
    clock: float = 0.0
    last: Advanced | None = None

    def __post_init__(self) -> None:
        self.state = State.begin(self.program)

    def after(
        self, elapsed: float | None, *, approved: tuple[str, ...] = (), **values: float | None
    ) -> Advanced:
        """Look after some seconds, with new samples; state goes through its status."""
        self.clock += elapsed or 1
        readings = {name: Reading(value, self.clock) for name, value in values.items()}
        found = advance(self.program, self.state, Moment(readings, elapsed, frozenset(approved)))
        kept = json.loads(json.dumps(found.state.to_status()))
        self.state = State.from_status(kept, found.state.phase)
        self.last = found
        return found

    def enter(self, phase: str) -> None:
        self.state = self.state.within(phase)
