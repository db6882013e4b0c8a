"""The engine, look by look: ladders, entering, what is wanted, what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rules_kit import Flight, failover, out, program, seconds, shedding, shift, way

from autopilot.base.errors import InvalidInput
from autopilot.mesh.actions import Mirror, Shed
from autopilot.rules.compile import compile_rule
from autopilot.rules.engine import advance, wanted
from autopilot.rules.program import ActionPlan, PhasePlan, Ready, Signal
from autopilot.rules.readings import reading_of, why_unknown
from autopilot.rules.state import State
from autopilot.telemetry.sample import Sample, Why
from autopilot.verdict.hold import Held
from autopilot.verdict.memory import Memory
from autopilot.verdict.phase import Phase
from autopilot.verdict.transition import Moment, Reading
from autopilot.verdict.units import Unit

AT = datetime(2026, 1, 1, tzinfo=UTC)


def shares(flight: Flight) -> list[float]:
    assert flight.last is not None
    return [shed.share for shed in flight.last.wanted if isinstance(shed, Shed)]


def test_a_failover_goes_there_tries_and_returns_in_steps() -> None:
    flight = Flight(failover())
    bad = {"errors": 0.5, "p99": 90.0, "standby_ready": 2.0, "primary_ready": 1.0}
    assert flight.after(None, **bad).entered is None
    assert flight.after(5, **bad).next_in == 5
    found = flight.after(5, **bad)
    assert (found.entered, found.wanted) == ("Standby", (shift(100),))
    good = {**bad, "errors": 0.0, "primary_errors": 0.0}
    assert flight.after(0, **good).next_in == 30
    found = flight.after(30, **good)
    assert (found.entered, found.wanted) == ("Trial", (shift(99),))
    assert flight.after(1, **good).next_in == 30
    assert flight.after(30, **good).wanted == (shift(90),)
    assert flight.after(30, **good).wanted == (shift(50),)
    assert flight.after(29, **good).entered is None
    found = flight.after(1, **good)
    assert (found.entered, found.wanted) == ("Normal", ())


def test_a_failed_trial_doubles_the_wait_before_the_next() -> None:
    flight = Flight(failover())
    flight.enter("Standby")
    ready = {"primary_ready": 1.0}
    for wait in (30, 60, 120, 120):
        assert flight.after(None, **ready).next_in == wait
        assert flight.after(wait - 1, **ready).entered is None
        assert flight.after(1, **ready).entered == "Trial"
        flight.after(None, **ready, primary_errors=0.0)
        assert flight.after(1, **ready, primary_errors=0.2).entered == "Standby"


def test_a_rung_is_climbed_only_after_its_dwell_and_one_at_a_time() -> None:
    flight = Flight(shedding())
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    assert shares(flight) == [25]
    found = flight.after(19, p99=2000.0)
    assert (found.climbed, found.next_in) == (False, 1)
    assert flight.after(1, p99=2000.0).climbed
    assert shares(flight) == [50]
    flight.after(500, p99=2000.0)
    assert shares(flight) == [100], "a long look is one climb"
    flight.after(500, p99=2000.0)
    assert shares(flight) == [100], "there is no rung above the last"


def test_while_false_begins_the_dwell_anew_and_climbs_down_nowhere() -> None:
    flight = Flight(shedding())
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    flight.after(20, p99=2000.0)
    flight.after(19, p99=2000.0)
    flight.after(1, p99=700.0)
    assert shares(flight) == [50]
    flight.after(1, p99=2000.0)
    assert not flight.after(19, p99=2000.0).climbed
    assert flight.after(1, p99=2000.0).climbed


def test_while_unknown_stops_the_clock_of_the_dwell() -> None:
    flight = Flight(shedding())
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    flight.after(15, p99=2000.0)
    assert flight.after(3600, p99=None).next_in is None
    assert not flight.after(1, p99=2000.0).climbed
    assert flight.after(5, p99=2000.0).climbed


def test_a_look_that_nobody_watched_the_time_before_climbs_nothing() -> None:
    flight = Flight(shedding())
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    found = advance(
        flight.program, flight.state, Moment({"p99": Reading(2000.0, 9.0)}, 40.0, gap=15.0)
    )
    assert (found.climbed, found.dwell_left) == (False, 20)


def test_the_ladder_is_done_once_the_last_rung_has_been_held_for_a_dwell() -> None:
    plan = replace(
        shedding().phases["Shedding"], judged=Phase("Shedding", (way("Normal", "ladder.done"),))
    )
    flight = Flight(program(PhasePlan(Phase("Normal", initial=True)), plan))
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    assert flight.after(20, p99=2000.0).climbed
    assert flight.after(20, p99=2000.0).climbed
    assert flight.after(19, p99=2000.0).next_in == 1
    assert flight.after(1, p99=None).entered is None, "unknown holds no rung"
    assert flight.after(1, p99=2000.0).entered is None
    assert flight.after(1, p99=2000.0).entered == "Normal"


def test_ladder_done_is_unknown_while_nobody_knows_its_while() -> None:
    flight = Flight(shedding())
    flight.state = State("Shedding", Memory("Shedding"), 2, Held(20.0, True))
    found = flight.after(1, p99=None)
    assert found.moment.readings["ladder.done"].value is None
    assert flight.after(1, p99=2000.0).moment.readings["ladder.done"].value == 1
    assert flight.after(1, p99=1.0).moment.readings["ladder.done"].value == 0


def test_a_phase_without_a_while_climbs_by_time_alone() -> None:
    plan = replace(shedding().phases["Shedding"], climbs=None)
    flight = Flight(program(PhasePlan(Phase("Normal", initial=True)), plan))
    flight.enter("Shedding")
    assert flight.after(None).next_in == 20
    assert flight.after(20).climbed


def test_shorter_ladders_stay_on_their_own_end() -> None:
    rungs = tuple(shift(share) for share in (50, 100))
    mirrors = tuple(Mirror(shift(0).where, "checkout-new", share) for share in (1.0, 10.0, 100.0))
    plan = PhasePlan(
        Phase("Both", (), initial=True),
        (ActionPlan("failover", "", rungs), ActionPlan("mirror", "", mirrors)),
        dwell=seconds(5),
        rungs=3,
    )
    flight = Flight(program(plan))
    flight.after(None)
    seen = [wanted(flight.program, flight.state)]
    for _ in range(2):
        flight.after(5)
        seen.append(wanted(flight.program, flight.state))
    assert seen == [(shift(50), mirrors[0]), (shift(100), mirrors[1]), (shift(100), mirrors[2])]


def test_a_transition_goes_before_a_climb_and_entering_starts_at_the_first_rung() -> None:
    plan = shedding().phases["Shedding"]
    always = replace(plan, judged=Phase("Shedding", (way("Again", after="20s"),)))
    again = replace(plan, judged=Phase("Again", ()))
    flight = Flight(program(PhasePlan(Phase("Normal", initial=True)), always, again))
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    found = flight.after(20, p99=2000.0)
    assert (found.entered, found.climbed, flight.state.rung) == ("Again", False, 0)
    assert found.next_in == 5, "an interval, so that two phases never chase each other"


def test_what_a_guardrail_refuses_is_remembered_as_if_it_hadnt_been_decided() -> None:
    flight = Flight(shedding())
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    found = flight.after(20, p99=2000.0)
    assert (found.state.rung, found.held.rung) == (1, 0)
    flight.state = found.held
    assert flight.after(1, p99=2000.0).climbed, "the dwell stays spent"


def test_a_state_written_before_its_phase_counts_for_nothing_but_failed_visits() -> None:
    flight = Flight(failover())
    flight.enter("Standby")
    flight.after(None, primary_ready=1.0)
    found = flight.after(30, primary_ready=1.0)
    kept = found.state.to_status()
    resumed = State.from_status(kept, "Standby")
    assert resumed == State("Standby", Memory("Standby", failed={"Standby>Trial": 1}))
    assert State.from_status(kept, "Trial") == found.state


def test_a_state_survives_its_status_and_a_broken_one_is_fresh() -> None:
    state = State("Shedding", Memory("Shedding", 12.5), 2, Held(7.25, True))
    assert State.from_status(state.to_status(), "Shedding") == state
    for broken in (None, 7, "Shedding", {"phase": 3, "rung": "x"}, {"rung": True, "dwelt": []}):
        assert State.from_status(broken, "Shedding") == State("Shedding", Memory("Shedding"))
    odd = {"phase": "Shedding", "rung": -1, "dwelt": {"seconds": "soon"}}
    assert State.from_status(odd, "Shedding").rung == 0


def test_a_rung_beyond_an_edited_ladder_is_its_last() -> None:
    flight = Flight(shedding())
    flight.state = State("Shedding", Memory("Shedding"), 9)
    flight.after(None, p99=2000.0)
    assert shares(flight) == [100]
    assert flight.state.rung == 2


@pytest.mark.parametrize(
    ("kept", "now", "worth"),
    [
        (State("P", Memory("P")), State("P", Memory("P")), False),
        (State("P", Memory("P")), State("Q", Memory("Q")), True),
        (State("P", Memory("P")), State("P", Memory("P"), 1), True),
        (State("P", Memory("P"), 0, Held(40, True)), State("P", Memory("P"), 0, Held(41)), False),
        (State("P", Memory("P"), 0, Held(40, True)), State("P", Memory("P"), 0, Held(50)), True),
        (State("P", Memory("P"), 0, Held(40, True)), State("P", Memory("P")), True),
        (State("P", Memory("P", 10)), State("P", Memory("P", 20)), True),
    ],
)
def test_a_state_is_written_where_a_restart_would_lose_too_much(
    kept: State, now: State, worth: bool
) -> None:
    assert now.worth_keeping(kept) is worth


def test_a_move_says_what_caused_it_with_its_values() -> None:
    flight = Flight(failover())
    bad = {"errors": 0.062, "p99": 90.0, "standby_ready": 2.0}
    flight.after(None, **bad)
    found = flight.after(10, **bad)
    assert found.reason == "ConditionMet"
    assert found.message == "errors 6.2 % > 5 % and standby_ready 2 >= 2, for 10s"
    flight.after(None, primary_ready=1.0)
    assert flight.after(30, primary_ready=1.0).message == (
        "primary_ready 1 >= 1, after 30s in Standby"
    )
    flight.after(None, primary_ready=1.0, primary_errors=0.0)
    assert flight.after(1, primary_ready=1.0, primary_errors=0.2).message == (
        "primary_errors 20 % < 1 % is false"
    )


def test_a_climb_and_each_way_out_say_why() -> None:
    flight = Flight(shedding(max_stay=out("Normal", 600), when_blind=out("Normal", 60)))
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    found = flight.after(20, p99=2000.0)
    assert (found.reason, found.message) == ("Climbed", "rung 2 of 3 after 20s: p99 2 s > 1 s")
    flight.after(1, p99=None)
    found = flight.after(60, p99=None)
    assert (found.reason, found.message) == (
        "WentBlind",
        "no way out of Shedding could be judged for 1m: p99 unknown",
    )
    flight.enter("Shedding")
    flight.after(None, p99=700.0)
    found = flight.after(600, p99=700.0)
    assert (found.reason, found.message) == ("MaxStay", "10m is the longest stay in Shedding")


def test_what_is_said_while_nothing_happens_doesnt_change_with_the_clock() -> None:
    flight = Flight(failover())
    bad = {"errors": 0.5, "p99": 90.0, "standby_ready": 2.0}
    said = {flight.after(elapsed, **bad).message for elapsed in (None, 1, 2, 3)}
    assert said == {"the way to Standby waits for its condition to last (for)"}
    assert flight.last is not None
    assert flight.last.reason == "Waiting"
    assert flight.after(1, errors=0.0, p99=1.0).reason == "Steady"
    assert flight.after(1).message.startswith("no way out can be judged: errors, p99, standby_")


def test_the_lines_of_a_look_tell_each_condition_with_its_values() -> None:
    flight = Flight(shedding(max_stay=out("Normal", 600), when_blind=out("Normal", 60)))
    flight.enter("Shedding")
    flight.after(None, p99=2000.0)
    assert flight.after(5, p99=2000.0).lines == [
        "to Normal: false",
        "  p99 2 s < 500 ms is false",
        "maxStay to Normal: 5s of 10m",
        "whenBlind to Normal: blind for 0s of 1m",
        "ladder: rung 1 of 3, 15s of dwell left",
        "  while p99 2 s > 1 s is true",
    ]


def sample(value: float | None, **rest: object) -> Sample:
    return Sample("errors", "", value, **rest)


ERRORS = Signal("errors", Unit.PERCENT, Ready("shop", "x"), factor=100.0, min_requests=20)


def test_a_reading_is_in_the_signals_unit_and_needs_enough_requests() -> None:
    assert reading_of(ERRORS, sample(0.06, at=AT, requests=20)) == Reading(6.0, AT.timestamp())
    assert reading_of(ERRORS, sample(0.06, at=AT, requests=19)).value is None
    assert why_unknown(ERRORS, sample(0.06, requests=19)) == "19 requests, 20 are needed"
    assert reading_of(ERRORS, sample(0.06, at=AT)).value is None
    assert reading_of(replace(ERRORS, factor=1e308), sample(1e10, requests=99)).value is None


def test_no_data_is_unknown_unless_the_signal_says_that_it_is_nothing() -> None:
    gone, down = sample(None, why=Why.NO_DATA), sample(None, why=Why.SOURCE_DOWN, detail="refused")
    assert reading_of(ERRORS, gone).value is None
    assert why_unknown(ERRORS, gone) == "no data"
    zero = replace(ERRORS, empty="zero")
    assert reading_of(zero, gone, at=7.0) == Reading(0.0, 7.0)
    assert reading_of(zero, down).value is None
    assert why_unknown(zero, down) == "source down: refused"


def test_a_count_is_taken_as_it_is_and_none_is_unknown() -> None:
    ready = Signal("ready", Unit.COUNT, Ready("shop", "x"))
    assert reading_of(ready, 3) == Reading(3.0, None)
    assert reading_of(ready, None) == Reading(None, None)
    assert why_unknown(ready, None) == "not counted yet"
    assert why_unknown(ready, 3) == ""


def test_a_final_phase_is_never_left() -> None:
    plan = PhasePlan(
        Phase("End", (way("Normal"),), final=True, max_stay=out("Normal", 1)),
    )
    flight = Flight(program(PhasePlan(Phase("Normal", initial=True)), plan))
    flight.enter("End")
    flight.after(None)
    assert flight.after(100).entered is None


def test_times_is_refused_where_no_sample_can_be_counted() -> None:
    phases = [
        {"name": "A", "initial": True, "transitions": [{"to": "B", "when": "p99 > 1s"}]},
        {
            "name": "B",
            "actions": [{"shed": {"share": ["25%", "100%"], "dwell": "20s"}}],
            "transitions": [{"to": "A", "when": "ladder.done", "times": "2/3"}],
        },
    ]
    signals = {"p99": {"builtin": "latency", "backend": "x"}}
    spec = {"target": {"service": "x"}, "signals": signals, "phases": phases}
    body = {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": "x"},
        "spec": spec,
    }
    with pytest.raises(InvalidInput, match=r"times: counts samples, and ladder\.done is none"):
        compile_rule(body)
