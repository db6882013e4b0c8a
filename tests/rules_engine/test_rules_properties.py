"""The engine under random programs and random telemetry."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rules_random import Flown, Look, random_looks, random_program, random_script, ticked

from autopilot.mesh.actions import Shift
from autopilot.rules.engine import Advanced, advance
from autopilot.rules.simulate import simulate
from autopilot.rules.state import State
from autopilot.verdict.phase import Because
from autopilot.verdict.verdict import Verdict

PROGRAMS = st.binary(min_size=2, max_size=70).map(random_program)
LOOKS = st.binary(min_size=12, max_size=80).map(random_looks)
SCRIPTS = st.binary(min_size=6, max_size=40).map(random_script)

FAST = settings(
    max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
SLOW = settings(
    max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def is_legal(found: Advanced) -> None:
    """One look's answer is one that the rule allows."""
    plan, move = found.plan, found.move
    judged = plan.judged
    if move is not None:
        assert not judged.final
        exits = {
            Because.MAX_STAY: judged.max_stay,
            Because.WHEN_BLIND: judged.when_blind,
        }
        if move.because is Because.WHEN:
            assert move.transition in judged.transitions
            assert move.transition.to == move.to
            condition = move.transition.when
            assert condition is None or not condition.judge(found.moment.values).is_unknown
        else:
            way = exits[move.because]
            assert way is not None
            assert way.to == move.to
        assert move.to in found.program.phases
        assert (found.state.phase, found.state.rung) == (move.to, 0)
    elif found.climbed:
        assert found.climbs is Verdict.TRUE
        assert found.state.rung == found.held.rung + 1
    else:
        assert found.state == found.held
    now = found.program.phases[found.state.phase]
    assert 0 <= found.state.rung < now.rungs
    assert len(found.wanted) == len(now.actions)
    for action, planned in zip(found.wanted, now.actions, strict=True):
        assert action == planned.rungs[min(found.state.rung, len(planned.rungs) - 1)]
        if isinstance(action, Shift):
            assert sum(action.weights.values()) == 100


def stays_legal(program: object, looks: list[Look]) -> None:
    flown = Flown(program)
    for look in looks:
        before = flown.state
        found = flown.look(look)
        is_legal(found)
        again = advance(program, before, found.moment)
        assert (again.state, again.move, again.next_in) == (found.state, found.move, found.next_in)
        assert found.next_in is None or found.next_in >= 0


@FAST
@given(program=PROGRAMS, looks=LOOKS)
def test_a_random_rule_does_only_what_it_says(program: object, looks: list[Look]) -> None:
    stays_legal(program, looks)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@SLOW
@given(program=PROGRAMS, looks=LOOKS)
def test_a_hundred_thousand_random_rules_do_only_what_they_say(
    program: object, looks: list[Look]
) -> None:
    stays_legal(program, looks)


def comes_no_earlier(program: object, looks: list[Look], kill: int) -> None:
    """Kill the process after a look and go on in another one, from what the status kept."""
    kill %= len(looks)
    flown = Flown(program)
    kept = flown.state
    for look in looks[:kill]:
        found = flown.look(look)
        if found.state.worth_keeping(kept):
            kept = found.state
    stored = json.loads(json.dumps(kept.to_status()))
    other = Flown(program)
    other.state = State.from_status(stored, flown.state.phase)
    other.now, other.stamp = flown.now, flown.stamp
    for look in looks[kill:]:
        late, early = other.look(look), flown.look(look)
        is_legal(late)
        if early.entered is not None or early.climbed:
            return
        assert late.entered is None
        assert not late.climbed


@FAST
@given(program=PROGRAMS, looks=LOOKS, kill=st.integers(0, 19))
def test_a_kill_at_any_moment_never_brings_anything_forward(
    program: object, looks: list[Look], kill: int
) -> None:
    comes_no_earlier(program, looks, kill)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@SLOW
@given(program=PROGRAMS, looks=LOOKS, kill=st.integers(0, 19))
def test_a_hundred_thousand_kills_never_bring_anything_forward(
    program: object, looks: list[Look], kill: int
) -> None:
    comes_no_earlier(program, looks, kill)


def jumps_as_it_ticks(program: object, script: object) -> None:
    flight = simulate(program, script)
    jumped = [(step.at, step.phase, step.rung) for step in flight.steps if step.found is not None]
    assert jumped == ticked(program, script)
    assert flight.looks <= script.until + 1 + len(jumped)


@FAST
@example(  # another signal's sample comes between the last one and the loss
    program=random_program(b"\x00\x00\x03\x01\x00\x01\x02"),
    script=random_script(b"^\x00\x01\x00\x00\x01z\x00\x01\x9d\x00\x00"),
)
@example(  # a value alone makes a condition unknown whose other half is unknown
    program=random_program(b"\x00\x00\x00\x88\x00p"),
    script=random_script(b"\0\0\0\0\0\x01\x01\0\x03\0\0\0\0\0\x01\x01\0\0"),
)
@example(  # a ladder ends between two samples, of which the first was counted before
    program=random_program(b"\0\x03\x14\x01\0\x02\0\0\x03\x01\0\x01\0\0\0\x03"),
    script=random_script(bytes(6)),
)
@given(program=PROGRAMS, script=SCRIPTS)
def test_the_engine_that_jumps_finds_what_one_finds_that_ticks(
    program: object, script: object
) -> None:
    jumps_as_it_ticks(program, script)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@SLOW
@given(program=PROGRAMS, script=SCRIPTS)
def test_a_hundred_thousand_jumps_find_what_ticks_find(program: object, script: object) -> None:
    jumps_as_it_ticks(program, script)
