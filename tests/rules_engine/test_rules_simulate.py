"""Virtual time: what a flight tells, guardrails in it, and how little it costs."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rules_kit import failover, out, program, seconds, shedding, shift, way

from autopilot.rules.check_files import checked
from autopilot.rules.program import ActionPlan, Limits, PhasePlan, Program
from autopilot.rules.simulate import Flight, Script, Track, simulate
from autopilot.verdict.phase import Phase
from autopilot.verdict.units import Unit

EXAMPLES = Path(__file__).parents[2] / "examples" / "rules"
WEEK = 7 * 86_400


def flown(rule: Program, until: float, **values: object) -> Flight:
    """A flight; each signal as one value or as `{time: value}`."""
    tracks = {}
    for name, said in values.items():
        points = said if isinstance(said, dict) else {0: said}
        tracks[name] = Track.of((at, value, "") for at, value in points.items())
    return simulate(rule, Script(until, tracks))


def told(flight: Flight) -> list[tuple[float, str, int, str]]:
    return [(step.at, step.phase, step.rung, step.event[0]) for step in flight.steps]


def test_a_flight_tells_what_happens_when_and_why() -> None:
    flight = flown(shedding(), 200, p99={0: 90.0, 30: 2000.0, 100: 90.0})
    assert told(flight) == [
        (0, "Normal", 0, "Initialized"),
        (45, "Shedding", 0, "ConditionMet"),
        (70, "Shedding", 1, "Climbed"),
        (90, "Shedding", 2, "Climbed"),
    ]
    assert [step.event[1] for step in flight.steps[1:3]] == [
        "entered Shedding: p99 2 s > 1.5 s, for 15s",
        "Shedding: rung 2 of 3 after 20s: p99 2 s > 1 s",
    ]
    assert flight.at(69).rung == 0
    assert flight.at(70).rung == 1
    assert flight.at(0).phase == "Normal"
    assert list(flight.stays()) == [("Normal", 0, 45), ("Shedding", 45, 200)]


def test_nothing_is_looked_at_while_nothing_happens() -> None:
    flight = flown(failover(), WEEK, errors=0.0, p99=90.0, standby_ready=2.0)
    assert flight.looks == 1
    assert len(flight.steps) == 1


def test_samples_come_one_by_one_only_while_times_still_counts() -> None:
    rule = program(
        PhasePlan(Phase("Normal", (way("Off", "errors > 5%", times="3/5"),), initial=True)),
        PhasePlan(Phase("Off")),
    )
    flight = flown(rule, WEEK, errors={0: 0.0, 1000: 0.2})
    assert [step.at for step in flight.steps] == [0, 1010]
    assert flight.looks < 12


def test_a_clock_counts_up_to_the_last_sample_before_a_signal_is_lost() -> None:
    flight = flown(shedding(), 100, p99={0: 2000.0, 14: None, 60: 2000.0})
    # Ten of its fifteen seconds were seen by samples at 0, 5 and 10 s.
    assert told(flight)[1][0] == 65


def test_an_approval_opens_a_gate_once() -> None:
    gate = program(
        PhasePlan(Phase("Normal", (way("Off", approve=True),), initial=True)),
        PhasePlan(Phase("Off", (way("Normal", after="10s"),))),
    )
    flight = simulate(gate, Script(200, {}, ((50, "Off"), (120, "Normal"), (130, "Off"))))
    assert [(step.at, step.phase) for step in flight.steps[1:]] == [
        (50, "Off"),
        (60, "Normal"),
        (130, "Off"),
        (140, "Normal"),
    ]


def flapping(**limits: object) -> Program:
    """Every five seconds it goes there and back."""
    return program(
        PhasePlan(Phase("Normal", (way("Off", after="5s"),), initial=True)),
        PhasePlan(Phase("Off", (way("Normal", after="5s"),))),
        limits=Limits(**limits),
    )


def test_too_many_transitions_latch_and_only_the_way_back_is_open() -> None:
    flight = flown(flapping(max_transitions=(3, timedelta(hours=1))), 3600)
    steps = [(step.at, step.phase) for step in flight.steps]
    there_and_back = [(5, "Off"), (10, "Normal"), (15, "Off"), (20, "Normal")]
    assert steps == [(0, "Normal"), *there_and_back, (25, "Normal")]
    assert flight.steps[-1].refused is not None
    reason, message = flight.steps[-1].event
    assert reason == "MaxTransitions"
    assert "Off would be transition 5 in 1h" in message
    assert flight.looks < 30, "what is latched isn't asked for ever"


def test_the_smallest_dwell_only_waits() -> None:
    flight = flown(flapping(min_dwell=timedelta(minutes=1)), 200)
    assert [(step.at, step.phase) for step in flight.steps] == [
        (0, "Normal"),
        (60, "Off"),
        (65, "Normal"),
        (125, "Off"),
        (130, "Normal"),
        (190, "Off"),
        (195, "Normal"),
    ]


def test_a_step_that_is_too_large_latches() -> None:
    rule = replace(failover(), limits=Limits(max_step=50))
    flight = flown(rule, 100, errors=0.5, p99=90.0, standby_ready=2.0)
    assert told(flight) == [(0, "Normal", 0, "Initialized"), (10, "Normal", 0, "MaxStep")]
    assert flight.steps[-1].wanted == ()


def test_steps_that_bring_traffic_back_are_never_too_large() -> None:
    rule = replace(failover(), limits=Limits(max_step=1))
    tracks = {
        name: Track.of([(0.0, value, "")])
        for name, value in {"primary_ready": 1.0, "primary_errors": 0.0}.items()
    }
    flight = simulate(rule, Script(200, tracks, start="Standby"))
    assert [step.phase for step in flight.steps] == ["Standby", "Trial", "Trial", "Trial", "Normal"]


def test_a_rule_that_observes_would_do_the_same_and_says_would() -> None:
    rule = replace(shedding(), observe=True, limits=Limits(max_transitions=(1, timedelta(1))))
    flight = flown(rule, 100, p99=2000.0)
    assert [step.event for step in flight.steps[1:3]] == [
        (
            "WouldEnter",
            "would enter Shedding: p99 2 s > 1.5 s, for 15s (shed checkout: 25 % answered 503)",
        ),
        ("WouldClimb", "would climb in Shedding: rung 2 of 3 after 20s: p99 2 s > 1 s"),
    ]


def test_peeks_show_a_moment_and_change_nothing() -> None:
    values = {"p99": {0: 90.0, 30: 2000.0}}
    script = Script(200, {"p99": Track.of((at, one, "") for at, one in values["p99"].items())})
    moments = [0.0, 1.5, 44.9, 45.0, 46.0, 70.0, 200.0]
    seen = simulate(shedding(), script, moments)
    assert told(seen) == told(simulate(shedding(), script))
    assert [*seen.peeks] == moments
    assert seen.peeks[44.9].entered is None
    assert seen.peeks[45.0].entered == "Shedding"
    assert seen.peeks[46.0].plan.name == "Shedding"


def test_two_phases_that_chase_each_other_do_so_once_per_interval() -> None:
    rule = program(
        PhasePlan(Phase("Normal", (way("Off"),), initial=True)),
        PhasePlan(Phase("Off", (way("Normal"),), max_stay=out("Normal", 1))),
    )
    assert flown(rule, 100).looks == 21


def test_a_track_drops_what_changes_nothing_and_knows_its_gaps() -> None:
    track = Track.of(
        [(0, 1.0, ""), (5, 1.0, ""), (10, None, "stale"), (15, None, ""), (20, 2.0, "")]
    )
    assert track.times == (0, 10, 20)
    assert [track.at(at) for at in (-1, 4, 12, 99)] == [None, 1.0, None, 2.0]
    assert track.unknown(30) == [(10, 20, "stale")]
    assert Track().unknown(7) == [(0.0, 7, "nobody says")]


LEVELS = {
    Unit.RATIO: (0.0, 0.003, 0.02, 0.2, 0.6),
    Unit.MILLISECONDS: (90.0, 300.0, 450.0, 900.0, 2000.0),
    Unit.COUNT: (0.0, 1.0, 2.0, 3.0),
    Unit.BOOL: (0.0, 1.0),
}


def busy_week(rule: Program, chance: random.Random) -> Script:
    """Each signal changes five hundred times."""
    tracks = {}
    for name, signal in rule.signals.items():
        times = sorted(chance.sample(range(0, WEEK, 5), 500))
        levels = LEVELS[signal.unit]
        tracks[name] = Track.of((float(at), chance.choice(levels), "") for at in times)
    return Script(WEEK, tracks)


def examples() -> list[Program]:
    return [rule.program for _, rule in checked([EXAMPLES]).rules if rule.program]


def test_a_busy_week_costs_looks_by_what_changes_and_not_by_its_length() -> None:
    chance = random.Random(1)
    for rule in examples():
        flight = simulate(rule, busy_week(rule, chance))
        changes = 500 * len(rule.signals)
        assert flight.looks < 3 * changes + 3 * len(flight.steps) + 100
        assert flight.looks < WEEK / rule.interval.total_seconds() / 10


@pytest.mark.slow
def test_a_week_of_a_hundred_rules_takes_less_than_ten_seconds() -> None:
    chance, rules = random.Random(1), examples()
    jobs = [(rule, busy_week(rule, chance)) for rule in (rules * 12)[:100]]
    began = time.process_time()
    looks = sum(simulate(rule, script).looks for rule, script in jobs)
    took = time.process_time() - began
    print(f"{looks} looks in {took:.1f} s of CPU")
    assert took < 10


def test_a_ladder_of_a_split_moves_forward_in_steps_that_are_allowed() -> None:
    plan = PhasePlan(
        Phase("Away", ()),
        (ActionPlan("split", "", tuple(map(shift, (20, 40, 90)))),),
        dwell=seconds(10),
        rungs=3,
    )
    rule = program(
        PhasePlan(Phase("Normal", (way("Away"),), initial=True)), plan, limits=Limits(max_step=30)
    )
    flight = flown(rule, 100)
    assert [(step.rung, step.event[0]) for step in flight.steps[1:]] == [
        (0, "ConditionMet"),
        (1, "Climbed"),
        (1, "MaxStep"),
    ]
