"""The judge of a phase against a naive model that keeps the whole history."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autopilot.verdict.cel import Condition
from autopilot.verdict.hold import Times
from autopilot.verdict.memory import Memory
from autopilot.verdict.phase import Exit, Phase, judge_phase
from autopilot.verdict.transition import Moment, Reading, Transition
from autopilot.verdict.units import Unit
from autopilot.verdict.wait import Wait

SIGNALS = {"a": Unit.COUNT, "b": Unit.COUNT}
TEXTS = {
    "a > 0": lambda a, b: None if a is None else a > 0,
    "b > 0": lambda a, b: None if b is None else b > 0,
    "a > 0 && b > 0": lambda a, b: False if 0 in (a, b) else None if None in (a, b) else True,
    "a > 0 || b > 0": lambda a, b: True if 1 in (a, b) else None if None in (a, b) else False,
}
CONDITIONS = {text: Condition.compile(text, SIGNALS) for text in TEXTS}
NAMES = ["P", "Q", "R"]


@dataclass
class Step:
    """Seconds since the one before, the values, and whether the samples are new ones."""

    elapsed: int
    a: int | None
    b: int | None
    fresh: bool = True


def spans(*numbers: int) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


WAITS = [None, None, *map(Wait, spans(0, 4, 11)), *(Wait(one, 5 * one) for one in spans(1, 3, 6))]
CLAUSES = itertools.product(
    [None, *CONDITIONS.values(), *CONDITIONS.values()],
    [None, None, *spans(0, 3, 7, 12)],
    [None, None, Times(1, 1), Times(2, 3), Times(3, 3)],
    WAITS,
    [False, False, False, True],
)
POOL = list(CLAUSES)
EXITS = [None, None, *spans(0, 5, 14, 25)]


def others(name: str) -> list[str]:
    return [other for other in NAMES if other != name]


def built(name: str, numbers: tuple[int, ...]) -> Phase:
    """A phase from plain numbers: drawing it clause by clause takes ten times as long."""
    stay, blind, *rest = numbers
    made = [Transition(others(name)[number % 2], *POOL[number // 2]) for number in rest]

    def way_out(number: int) -> Exit | None:
        after = EXITS[number % len(EXITS)]
        return None if after is None else Exit(others(name)[number // len(EXITS)], after)

    return Phase(
        name,
        tuple({transition.key: transition for transition in made}.values()),
        initial=name == "P",
        max_stay=way_out(stay),
        when_blind=way_out(blind),
    )


WAY_OUT = st.integers(0, 2 * len(EXITS) - 1)
WAY = st.integers(0, 2 * len(POOL) - 1)
NUMBERS = st.one_of(
    *[st.tuples(WAY_OUT, WAY_OUT, *[WAY] * count) for count in (1, 2, 3)],
)


def phases(name: str) -> st.SearchStrategy[Phase]:
    return NUMBERS.map(lambda numbers: built(name, numbers))


MACHINES = st.tuples(*[phases(name) for name in NAMES]).map(
    lambda made: {phase.name: phase for phase in made}
)
VALUES = st.sampled_from([1, 1, 0, None])
KINDS = [*itertools.product(range(10), *[[1, 1, 0, None]] * 2, [True, False])]
STEPS = st.lists(
    st.integers(0, len(KINDS) - 1).map(lambda number: Step(*KINDS[number])), max_size=30
)
APPROVED = frozenset({"Q"})


@dataclass
class Naive:
    """A machine that keeps all that happened in the present visit and counts it anew each time."""

    machine: dict[str, Phase]
    phase: str = "P"
    visit: list[tuple[float, Step, float]] = field(default_factory=list)
    failed: dict[tuple[str, str], int] = field(default_factory=dict)
    since: float = 0.0

    def step(self, now: float, step: Step, stamp: float) -> str:
        self.visit.append((now, step, stamp))
        phase = self.machine[self.phase]
        taken = next((one for one in phase.transitions if self.ready(phase, one, now)), None)
        to = taken.to if taken else self.exit(phase, now)
        if to is not None:
            if taken is not None and taken.after is not None and taken.after.grows:
                way = (phase.name, taken.to)
                self.failed[way] = self.failed.get(way, 0) + 1
            self.phase, self.visit, self.since = to, [], now
        return self.phase

    def says(self, transition: Transition) -> list[bool | None]:
        """What `times` made of `when` at each step of the visit."""
        said: list[bool | None] = []
        counted: list[bool] = []
        last: float | None = None
        for _, step, stamp in self.visit:
            text = transition.when.text if transition.when else ""
            one = TEXTS[text](step.a, step.b) if text else True
            if transition.times is None or one is None:
                said.append(one)
                continue
            if not text or last is None or stamp > last:
                counted.append(one)
                last = stamp
            k, n = transition.times.k, transition.times.n
            said.append(sum(counted[-n:]) >= k)
        return said

    def ready(self, phase: Phase, transition: Transition, now: float) -> bool:
        said = self.says(transition)
        if said[-1] is not True:
            return False
        if transition.hold is not None:
            false = max((index for index, one in enumerate(said) if one is False), default=-1)
            total = sum(
                self.visit[index][0] - self.visit[index - 1][0]
                for index in range(false + 2, len(said))
                if said[index] and said[index - 1]
            )
            if total < transition.hold.total_seconds():
                return False
        if transition.after is not None:
            wait = transition.after.first.total_seconds()
            if transition.after.limit is not None:
                for _ in range(self.failed.get((phase.name, transition.to), 0)):
                    wait = min(wait * 2, transition.after.limit.total_seconds())
            if now - self.since < wait:
                return False
        return not transition.approve or transition.to in APPROVED

    def exit(self, phase: Phase, now: float) -> str | None:
        if phase.max_stay and now - self.since >= phase.max_stay.after.total_seconds():
            return phase.max_stay.to
        texts = [one.when.text for one in phase.transitions if one.when is not None]
        began = None
        for at, step, _ in reversed(self.visit):
            if not texts or any(TEXTS[text](step.a, step.b) is not None for text in texts):
                break
            began = at
        if phase.when_blind and began is not None:
            return (
                phase.when_blind.to
                if now - began >= phase.when_blind.after.total_seconds()
                else None
            )
        return None


def readings(step: Step, stamp: float) -> dict[str, Reading]:
    values = {"a": step.a, "b": step.b}
    return {
        name: Reading(value if value is not None else math.nan, stamp)
        for name, value in values.items()
    }


def agrees(machine: dict[str, Phase], steps: list[Step]) -> None:
    naive, memory = Naive(machine), Memory("P")
    now, stamp = 0.0, 0.0
    for index, step in enumerate(steps):
        now += step.elapsed
        stamp += step.fresh
        moment = Moment(readings(step, stamp), float(step.elapsed), APPROVED)
        judged = judge_phase(machine[memory.phase], memory, moment)
        if index == 0:
            # Before the first step nobody had looked: the visit begins with the machine.
            naive.since = now - step.elapsed
        memory = Memory.from_status(json.loads(json.dumps(judged.moved().to_status())))
        assert memory.phase == naive.step(now, step, stamp)


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machine=MACHINES, steps=STEPS)
def test_a_machine_goes_where_the_naive_model_goes(
    machine: dict[str, Phase], steps: list[Step]
) -> None:
    agrees(machine, steps)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(machine=MACHINES, steps=STEPS)
def test_a_hundred_thousand_machines_go_where_the_naive_model_goes(
    machine: dict[str, Phase], steps: list[Step]
) -> None:
    agrees(machine, steps)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machine=MACHINES, steps=STEPS)
def test_unknown_never_takes_a_transition(machine: dict[str, Phase], steps: list[Step]) -> None:
    memory, now = Memory("P"), 0.0
    for step in steps:
        now += step.elapsed
        judged = judge_phase(
            machine[memory.phase], memory, Moment(readings(step, now), step.elapsed, APPROVED)
        )
        if judged.move and judged.move.transition and judged.move.transition.when:
            assert TEXTS[judged.move.transition.when.text](step.a, step.b) is not None
        memory = judged.moved()


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(phase=phases("P"), step=st.builds(Step, st.just(0), VALUES, VALUES))
def test_a_jump_to_the_next_time_that_matters_finds_the_same_move_as_every_second(
    phase: Phase, step: Step
) -> None:
    """Samples come every second with the same values; after 100 s nothing more can happen."""
    memory, walked = Memory("P"), None
    for second in range(101):
        elapsed = 1.0 if second else None
        judged = judge_phase(phase, memory, Moment(readings(step, second), elapsed, APPROVED))
        memory = judged.memory
        if judged.move:
            walked = (second, judged.move)
            break
    memory, second, jumped, looks = Memory("P"), 0.0, None, 0
    elapsed = None
    while second <= 100:
        looks += 1
        judged = judge_phase(phase, memory, Moment(readings(step, second), elapsed, APPROVED))
        memory = judged.memory
        if judged.move:
            jumped = (second, judged.move)
            break
        if judged.next_in is None and not judged.hungry:
            break
        pause = judged.next_in if judged.next_in is not None else 1.0
        elapsed = min(pause, 1.0) if judged.hungry else pause
        assert elapsed > 0
        second += elapsed
    assert jumped == walked
    assert looks <= 12


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    phase=phases("P"),
    steps=STEPS,
    restarts=st.sets(st.integers(0, 29), max_size=4),
)
def test_a_restart_never_brings_a_move_forward(
    phase: Phase, steps: list[Step], restarts: set[int]
) -> None:
    """With what the status kept last, at whatever time the process ends."""

    def first_move(ends: set[int]) -> float:
        memory = kept = Memory("P")
        stamp = 0.0
        for index, step in enumerate(steps):
            elapsed: float | None = float(step.elapsed)
            if index in ends:
                memory, elapsed = Memory.from_status(json.loads(json.dumps(kept.to_status()))), None
            stamp += step.fresh
            judged = judge_phase(phase, memory, Moment(readings(step, stamp), elapsed, APPROVED))
            if judged.move:
                return index
            memory = judged.memory
            if memory.worth_keeping(kept):
                kept = memory
        return math.inf

    assert first_move(restarts) >= first_move(set())
