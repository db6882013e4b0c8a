"""Transitions and phases: their clauses one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from autopilot.verdict.cel import Condition
from autopilot.verdict.hold import Times
from autopilot.verdict.memory import Memory, Progress
from autopilot.verdict.phase import Because, Exit, Judged, Phase, judge_phase
from autopilot.verdict.transition import Moment, Reading, Transition
from autopilot.verdict.units import Unit
from autopilot.verdict.wait import Wait

SIGNALS = {"errors": Unit.RATIO, "p99": Unit.MILLISECONDS, "ladder.done": Unit.BOOL}


def when(text: str) -> Condition:
    return Condition.compile(text, SIGNALS)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Flight:
    """A machine flown by hand: values and seconds in, phases out."""

    def __init__(self, *phases: Phase) -> None:
        self.phases = {phase.name: phase for phase in phases}
        self.memory = Memory(phases[0].name)
        self.clock = 0.0
        self.last: Judged | None = None

    def after(
        self, elapsed: float | None, *, approved: tuple[str, ...] = (), **values: float | None
    ) -> str:
        """Judge after some seconds, with new samples of these values; the phase then."""
        self.clock += elapsed or 1
        readings = {
            name.replace("_", "."): Reading(value, self.clock) for name, value in values.items()
        }
        return self.judge(Moment(readings, elapsed, frozenset(approved)))

    def judge(self, moment: Moment) -> str:
        self.last = judge_phase(self.phases[self.memory.phase], self.memory, moment)
        kept = json.loads(json.dumps(self.last.moved().to_status()))
        self.memory = Memory.from_status(kept)
        return self.memory.phase

    @property
    def found(self) -> Judged:
        assert self.last is not None
        return self.last


def test_the_first_true_transition_in_order_wins() -> None:
    normal = Phase(
        "Normal",
        (
            Transition("Slow", when("p99 > 800")),
            Transition("Broken", when("errors > 5%")),
            Transition("Odd", when("errors > 1%")),
        ),
    )
    for values, phase in (
        ({"p99": 900, "errors": 1}, "Slow"),
        ({"p99": 700, "errors": 1}, "Broken"),
        ({"p99": None, "errors": 0.02}, "Odd"),
        ({"p99": None, "errors": None}, "Normal"),
    ):
        assert Flight(normal, *map(Phase, ("Slow", "Broken", "Odd"))).after(None, **values) == phase


def test_for_waits_and_says_how_long() -> None:
    flight = Flight(
        Phase("Normal", (Transition("Broken", when("errors > 5%"), hold=seconds(15)),)),
        Phase("Broken"),
    )
    assert flight.after(None, errors=0.06) == "Normal"
    assert flight.found.next_in == 15
    assert flight.after(10, errors=0.06) == "Normal"
    assert flight.found.standings[0].lacks == ("5s more of for: 15s",)
    assert flight.after(2, errors=None) == "Normal"
    assert flight.found.next_in is None
    assert flight.after(500, errors=0.06) == "Normal"
    assert flight.found.next_in == 5
    assert flight.after(5, errors=0.06) == "Broken"
    assert flight.found.move is not None
    assert flight.found.move.because is Because.WHEN


def test_false_begins_for_anew() -> None:
    flight = Flight(
        Phase("Normal", (Transition("Broken", when("errors > 5%"), hold=seconds(15)),)),
        Phase("Broken"),
    )
    for value in (0.06, 0.06, 0.01, 0.06):
        assert flight.after(14, errors=value) == "Normal"
    assert flight.after(14, errors=0.06) == "Normal"
    assert flight.after(1, errors=0.06) == "Broken"


def test_times_counts_each_sample_once() -> None:
    flight = Flight(
        Phase("Normal", (Transition("Broken", when("errors > 5%"), times=Times(2, 3)),)),
        Phase("Broken"),
    )
    sample = {"errors": Reading(0.06, at=1.0)}
    for _ in range(5):
        assert flight.judge(Moment(sample, 1)) == "Normal"
    assert flight.found.standings[0].lacks == ("1 of times: 2/3",)
    assert flight.found.hungry
    assert flight.judge(Moment({"errors": Reading(None, at=2.0)}, 1)) == "Normal"
    assert flight.judge(Moment({"errors": Reading(0.01, at=3.0)}, 1)) == "Normal"
    assert flight.judge(Moment({"errors": Reading(0.06, at=4.0)}, 1)) == "Broken"


def test_for_holds_what_times_makes_of_the_samples() -> None:
    flight = Flight(
        Phase(
            "Normal",
            (Transition("Broken", when("errors > 5%"), hold=seconds(10), times=Times(2, 3)),),
        ),
        Phase("Broken"),
    )
    said = [flight.after(5, errors=value) for value in (0.06, 0.06, 0.01, 0.06)]
    assert said == ["Normal", "Normal", "Normal", "Broken"]


def test_after_is_a_time_in_phase_and_needs_no_condition() -> None:
    flight = Flight(
        Phase("Trial", (Transition("Normal", after=Wait.parse("15s")),)), Phase("Normal")
    )
    assert flight.after(None) == "Trial"
    assert flight.after(14.5) == "Trial"
    assert flight.found.next_in == 0.5
    assert flight.after(0.5) == "Normal"


def test_a_wait_doubles_with_each_failed_visit_and_is_forgotten_after_a_quiet_hour() -> None:
    flight = Flight(
        Phase("Normal", (Transition("Standby", when("errors > 5%")),), initial=True),
        Phase("Standby", (Transition("Trial", after=Wait.parse("1m..5m")),)),
        Phase(
            "Trial",
            (
                Transition("Standby", when("errors > 5%")),
                Transition("Normal", when("errors < 1%")),
            ),
        ),
    )
    assert flight.after(None, errors=0.5) == "Standby"
    for wait in (60, 120, 240, 300, 300):
        assert flight.after(wait - 1, errors=0.5) == "Standby"
        assert flight.after(1, errors=0.5) == "Trial"
        assert flight.after(5, errors=0.5) == "Standby"
    assert flight.after(300, errors=0) == "Trial"
    assert flight.after(5, errors=0) == "Normal"
    assert flight.after(3599, errors=0) == "Normal"
    assert flight.after(0.5, errors=0.5) == "Standby"
    assert flight.after(299, errors=0) == "Standby"
    assert flight.after(1, errors=0) == "Trial"
    assert flight.after(1, errors=0) == "Normal"
    assert flight.after(3600, errors=0) == "Normal"
    assert flight.memory.failed == {}
    assert flight.after(1, errors=0.5) == "Standby"
    assert flight.after(60, errors=0.5) == "Trial"


def test_an_approval_opens_one_way_and_only_while_its_condition_holds() -> None:
    flight = Flight(
        Phase(
            "Ready",
            (
                Transition("Live", when("errors < 1%"), approve=True),
                Transition("Back", when("errors > 5%")),
            ),
        ),
        Phase("Live"),
        Phase("Back"),
    )
    assert flight.after(None, errors=0) == "Ready"
    assert flight.found.standings[0].lacks == ("approval",)
    assert flight.after(1, errors=0, approved=("Back",)) == "Ready"
    assert flight.after(1, errors=0.02, approved=("Live",)) == "Ready"
    assert flight.after(1, errors=None, approved=("Live",)) == "Ready"
    assert flight.after(1, errors=0, approved=("Live",)) == "Live"


def test_the_longest_stay_ends_a_phase_whatever_is_known() -> None:
    shedding = Phase(
        "Shedding",
        (Transition("Normal", when("p99 < 500")), Transition("Worse", when("p99 > 5s"))),
        max_stay=Exit("Normal", seconds(30)),
    )
    flight = Flight(shedding, Phase("Normal"), Phase("Worse"))
    assert flight.after(None, p99=None) == "Shedding"
    assert flight.found.next_in == 30
    assert flight.after(29, p99=None) == "Shedding"
    assert flight.after(1, p99=None) == "Normal"
    assert flight.found.move is not None
    assert flight.found.move.because is Because.MAX_STAY
    flight = Flight(shedding, Phase("Normal"), Phase("Worse"))
    assert flight.after(40, p99=6000) == "Worse"


def test_a_blind_phase_is_left_after_its_time() -> None:
    flight = Flight(
        Phase(
            "Shedding",
            (Transition("Normal", when("p99 < 500 && ladder.done")),),
            when_blind=Exit("Normal", seconds(60)),
        ),
        Phase("Normal"),
    )
    assert flight.after(None, ladder_done=False) == "Shedding"
    assert flight.found.blind
    assert flight.found.next_in == 60
    assert flight.after(59, ladder_done=False) == "Shedding"
    assert flight.after(0.5, p99=900, ladder_done=False) == "Shedding"
    assert not flight.found.blind
    assert flight.after(5, ladder_done=False) == "Shedding"
    assert flight.after(59, ladder_done=False) == "Shedding"
    assert flight.after(1, ladder_done=False) == "Normal"
    assert flight.found.move is not None
    assert flight.found.move.because is Because.WHEN_BLIND


def test_a_phase_that_reads_no_telemetry_is_never_blind() -> None:
    phase = Phase(
        "Climbing",
        (Transition("Up", when("ladder.done")), Transition("Late", after=Wait(seconds(99)))),
        when_blind=Exit("Normal", seconds(0)),
    )
    flight = Flight(phase, Phase("Normal"))
    assert flight.after(None) == "Climbing"
    assert flight.after(50) == "Climbing"
    assert not flight.found.blind


def test_a_final_phase_is_never_left() -> None:
    flight = Flight(
        Phase("Done", (Transition("Normal"),), final=True, max_stay=Exit("x", seconds(0)))
    )
    assert flight.after(100) == "Done"
    assert flight.found.next_in is None


def test_a_way_from_any_phase_goes_on_counting_over_a_change_of_phase() -> None:
    alarm = Transition("Safe", when("errors > 50%"), hold=seconds(10), from_any=True)
    flight = Flight(
        Phase("A", (alarm, Transition("B", after=Wait(seconds(6))))),
        Phase("B", (alarm, Transition("A", after=Wait(seconds(6))))),
        Phase("Safe", (alarm,)),
    )
    assert [flight.after(s, errors=0.9) for s in (None, 6, 3, 2)] == ["A", "B", "B", "Safe"]
    assert flight.after(100, errors=0.9) == "Safe"
    assert flight.found.standings == ()


def test_a_move_that_was_refused_leaves_the_memory_as_it_is() -> None:
    phase = Phase("Normal", (Transition("Broken", when("errors > 5%"), hold=seconds(5)),))
    memory = Memory("Normal")
    reading = {"errors": Reading(0.5, 1.0)}
    memory = judge_phase(phase, memory, Moment(reading, None)).memory
    first = judge_phase(phase, memory, Moment(reading, 5))
    again = judge_phase(phase, first.memory, Moment(reading, 5))
    assert first.move == again.move is not None
    assert first.memory == again.memory


def test_what_another_phase_or_another_text_counted_counts_for_nothing() -> None:
    phase = Phase("Normal", (Transition("Broken", when("errors > 5%"), hold=seconds(5)),))
    reading = {"errors": Reading(0.5, 1.0)}
    full = judge_phase(
        phase, judge_phase(phase, Memory(), Moment(reading)).memory, Moment(reading, 5)
    )
    assert full.move is not None
    for memory in (
        replace(full.memory, phase="Other"),
        Memory("Normal", progress={"Broken#00000000": next(iter(full.memory.progress.values()))}),
    ):
        assert judge_phase(phase, memory, Moment(reading, 100)).move is None


def test_an_idle_machine_has_nothing_to_write() -> None:
    phase = Phase(
        "Normal",
        (Transition("Broken", when("errors > 5%"), hold=seconds(9), times=Times(3, 5)),),
        initial=True,
    )
    memory = Memory("Normal")
    for second in range(100):
        found = judge_phase(phase, memory, Moment({"errors": Reading(0.0, second)}, 5))
        if second > 5:
            assert not found.memory.worth_keeping(memory)
        memory = found.memory


def test_counting_costs_few_writes_and_a_restart_little_time() -> None:
    phase = Phase("Broken", (Transition("Normal", when("errors < 5%"), hold=seconds(3600)),))
    memory = kept = Memory("Broken")
    writes = 0
    for second in range(0, 3600, 5):
        memory = judge_phase(phase, memory, Moment({"errors": Reading(0.0, second)}, 5)).memory
        if memory.worth_keeping(kept):
            kept, writes = memory, writes + 1
        lost = [
            one.held.seconds - kept.progress.get(key, Progress()).held.seconds
            for key, one in memory.progress.items()
        ]
        assert max(lost, default=0) <= 60
    assert writes < 75


def test_what_was_counted_and_then_reset_is_worth_a_write() -> None:
    phase = Phase("Normal", (Transition("Broken", when("errors > 5%"), hold=seconds(60)),))
    memory = Memory("Normal")
    for value, worth in ((0.5, False), (0.5, True), (None, False), (0.5, False), (0.0, True)):
        found = judge_phase(phase, memory, Moment({"errors": Reading(value, 1.0)}, 5)).memory
        assert found.worth_keeping(memory) is worth
        memory = found


def test_a_phase_that_somebody_else_wrote_begins_with_no_time_in_it() -> None:
    trial = Phase("Trial", (Transition("Normal", after=Wait(seconds(15))),))
    found = judge_phase(trial, Memory("Normal", seconds=99), Moment({}, 100))
    assert found.move is None
    assert found.next_in == 15


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [],
        "x",
        {"phase": 5, "seconds": "x", "progress": [], "blind": 1, "failed": {"a": "b", "c": -1}},
        {"progress": {"a": 5, "b": {"seconds": -1, "times": 4, "stamp": "x"}}},
        {"seconds": float("nan"), "failed": {"a": True}},
        {"seconds": float("inf"), "progress": {"a": {"stamp": float("inf")}}},
    ],
)
def test_a_status_that_makes_no_sense_is_as_if_it_were_not_there(kept: object) -> None:
    memory = Memory.from_status(kept)
    assert memory.seconds == 0
    assert not memory.failed
    assert memory.phase == ""
    assert all(progress == Progress() for progress in memory.progress.values())


def test_a_memory_survives_being_kept() -> None:
    phase = Phase(
        "Normal",
        (Transition("A", when("errors > 5%"), hold=seconds(9), times=Times(3, 5)),),
        max_stay=Exit("B", seconds(60)),
        when_blind=Exit("B", seconds(60)),
    )
    memory = replace(Memory("Normal"), failed={"Normal>A": 2})
    for second in range(4):
        reading = {"errors": Reading(0.5 if second < 3 else None, second)}
        memory = judge_phase(phase, memory, Moment(reading, 2)).memory
    assert memory.blind.running
    assert Memory.from_status(json.loads(json.dumps(memory.to_status()))) == memory


def test_waits_are_written_as_a_time_or_a_range() -> None:
    assert Wait.parse("15s") == Wait(seconds(15))
    assert str(Wait.parse("1m .. 30m")) == "1m..30m"
    assert [Wait.parse("1m..30m").seconds(n) for n in (0, 1, 4, 5, 10**9)] == [
        60,
        120,
        960,
        1800,
        1800,
    ]
    for wrong in ("", "15", "1m..", "..30m", "30m..1m", "0s..5m", "1m...5m", "1m..2m..3m"):
        with pytest.raises(ValueError, match=r"duration|grows|nothing"):
            Wait.parse(wrong)
