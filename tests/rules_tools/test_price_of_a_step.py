"""How long a failure goes unseen: the formula against the engine itself, scrape by scrape."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tools_kit import rule

from autopilot.rules.compile import compile_rule
from autopilot.rules.engine import advance
from autopilot.rules.price import Exposure, Situation, detection, shares_of
from autopilot.rules.price_steps import prices, seen, subject_of
from autopilot.rules.state import State
from autopilot.verdict.memory import Memory
from autopilot.verdict.transition import Moment, Reading

if TYPE_CHECKING:
    from autopilot.rules.program import Program


def compiled(spec: dict[str, Any]) -> Program:
    return compile_rule(rule("priced", spec))


def breaker(
    when: str = "errors > 5%", window: str = "30s", interval: str = "5s", **clauses: Any
) -> Program:
    return compiled(
        {
            "target": {"service": "checkout"},
            "interval": interval,
            "signals": {"errors": {"builtin": "errorRate", "window": window}},
            "phases": [
                {
                    "name": "A",
                    "initial": True,
                    "transitions": [{"to": "B", "when": when, **clauses}],
                },
                {"name": "B", "actions": [{"timeout": {"duration": "1s"}}]},
            ],
        }
    )


def found(program: Program, rps: float, errors: float, scrape: float | None = None) -> Any:
    (way,) = program.phases["A"].judged.transitions
    steady = {"checkout": 100.0}
    exposure = Exposure("checkout", steady, steady)
    return detection(program, way, exposure, Situation(rps, scrape), errors)


@dataclass
class Prometheus:
    """Counters that are scraped, and range vectors over the scrapes as Prometheus reckons them.

    A series that nobody has counted on yet isn't there: its first sample adds no increase.
    """

    scrape: float
    phase: float
    scraped: list[tuple[float, float, float | None]] = field(default_factory=list)

    def take(self, at: float, requests: float, bad: float | None) -> None:
        self.scraped.append((at, requests, bad))

    def errors(self, at: float, window: float) -> float | None:
        inside = [one for one in self.scraped if at - window < one[0] <= at]
        if len(inside) < 2:
            return None
        every = inside[-1][1] - inside[0][1]
        known = [one[2] for one in inside if one[2] is not None]
        bad = known[-1] - known[0] if len(known) > 1 else 0.0
        return bad / every if every else None


def flown(
    program: Program, rps: float, errors: float, scrape: float, rng: random.Random, *, new: bool
) -> float | None:
    """Seconds from the first error to the move, with scrapes and looks at random phases."""
    window = next(iter(program.signals.values())).source.family.span  # type: ignore[union-attr]
    interval = program.interval.total_seconds()
    source = Prometheus(scrape, rng.uniform(0, scrape))
    begins, ends = -2 * window - scrape, 4 * window + 60
    events = [
        (begins + source.phase + n * scrape, "scrape") for n in range(int((ends - begins) / scrape))
    ]
    last: float | None = None
    due, state = begins + rng.uniform(0, interval), State("A", Memory("A"))
    events.sort()
    while due < ends:
        while events and events[0][0] <= due:
            at, _ = events.pop(0)
            bad = errors * rps * max(0.0, at)
            source.take(at, rps * (at - begins), None if new and at <= 0 else bad)
        value = source.errors(due, window)
        stamp = source.scraped[-1][0] if source.scraped else None
        elapsed = None if last is None else due - last
        look = advance(program, state, Moment({"errors": Reading(value, stamp)}, elapsed))
        if look.entered:
            return due
        state, last = look.state, due
        due += min(interval, look.next_in) if look.next_in else interval
    return None


@pytest.mark.parametrize("new", [False, True], ids=["counted before", "first errors ever"])
@pytest.mark.parametrize("errors", [0.06, 0.2, 1.0])
@pytest.mark.parametrize(
    ("window", "scrape", "interval", "clauses"),
    [
        ("30s", 7.5, "5s", {}),
        ("30s", 15.0, "5s", {"for": "10s"}),
        ("1m", 5.0, "1s", {"for": "15s"}),
        ("20s", 1.0, "5s", {"times": "3/5"}),
        ("40s", 10.0, "2s", {"times": "2/2"}),
    ],
)
def test_the_engine_sees_a_failure_within_what_the_formula_says(
    window: str, scrape: float, interval: str, clauses: dict[str, str], errors: float, new: bool
) -> None:
    program = breaker(window=window, interval=interval, **clauses)
    said = found(program, 100.0, errors, scrape)
    rng = random.Random(f"{window}{scrape}{errors}{new}")
    took = [flown(program, 100.0, errors, scrape, rng, new=new) for _ in range(40)]
    assert None not in took
    seconds = [one for one in took if one is not None]
    assert said.soonest - 0.1 <= min(seconds)
    assert max(seconds) <= said.latest + 0.1
    # Not so wide that it says nothing: the span is what scrapes and looks leave open.
    slack = 4 * scrape + 3 * program.interval.total_seconds() + 0.06 * 60
    assert said.latest - said.soonest <= slack + scrape * 2


@pytest.mark.parametrize("share", [0.06, 0.1, 0.2, 0.5, 1.0])
def test_with_steady_traffic_a_limit_is_crossed_after_window_times_limit_by_errors(
    share: float,
) -> None:
    program = breaker(when="errors > 5%", window="40s", interval="5s")
    said = found(program, 1000.0, share, scrape=0.0)
    assert said.soonest == pytest.approx(40 * 0.05 / share, rel=0.01)
    assert said.latest == pytest.approx(said.soonest + 5, rel=0.01)


def test_for_comes_on_top() -> None:
    plain, held = (found(breaker(**c), 100.0, 0.2) for c in ({}, {"for": "10s"}))
    assert held.soonest - plain.soonest == pytest.approx(10)
    assert held.latest - plain.latest == pytest.approx(10)


def test_errors_below_the_limit_are_never_seen_and_it_is_said_by_which_comparison() -> None:
    said = found(breaker(), 100.0, 0.04)
    assert said.soonest is said.latest is None
    assert said.why == "never: errors 4 % > 5 % stays false"


def test_too_few_requests_are_told_from_never() -> None:
    assert found(breaker(), 0.6, 1.0).why == (
        "unknown: errors would stand on fewer than 20 requests"
    )
    assert found(breaker(), 0.7, 1.0).soonest is not None


def test_what_is_true_before_anything_fails_is_not_counted_as_seen() -> None:
    assert "already" in found(breaker(when="errors < 5%"), 100.0, 1.0).why


def test_another_signal_of_the_condition_must_be_known_where_it_decides() -> None:
    spec = {
        "target": {"service": "checkout"},
        "failover": {"to": "standby", "when": "errors > 5%", "needs": "standby_ready >= 2"},
    }
    program = compiled(spec)
    without, up, down = (
        seen(program, "Normal", Situation(100.0, values=values))[0].detections[2]
        for values in ({}, {"standby_ready": 2.0}, {"standby_ready": 1.0})
    )
    assert without.why.startswith("unknown: standby_ready")
    assert up.soonest is not None
    assert down.why.startswith("never: standby_ready 1 >= 2")


FAILOVER: dict[str, Any] = rule()["spec"]


def test_a_trial_step_has_the_price_that_its_window_and_its_share_make() -> None:
    program = compiled(FAILOVER)
    found_ = prices(program, "Trial", Situation(200.0))
    assert [(each.subject, each.share) for each in found_] == [
        ("checkout", 1.0),
        ("checkout", 10.0),
        ("checkout", 50.0),
    ]
    first = found_[0]
    # 20 requests at 2 rps take 10 s; two scrapes of 7.5 s and a look of 5 s come on top.
    assert first.seconds == pytest.approx(30, abs=0.1)
    assert first.requests == pytest.approx(60, abs=1)
    assert all(
        each.requests == pytest.approx(each.share * 2 * (each.seconds or 0)) for each in found_
    )


def test_a_trial_with_too_few_requests_is_bounded_by_going_blind() -> None:
    first = prices(compiled(FAILOVER), "Trial", Situation(10.0))[0]
    assert first.seconds == 300
    assert first.requests == pytest.approx(0.01 * 10 * 300)
    assert "whenBlind" in first.by


def test_what_nothing_takes_back_has_no_price_but_a_warning() -> None:
    (standby,) = prices(compiled(FAILOVER), "Standby", Situation(200.0))
    assert (standby.subject, standby.requests) == ("checkout-standby", None)
    assert "checkout-standby" in standby.by


def test_what_is_shed_reaches_nobody_and_less_shedding_is_a_trial() -> None:
    shed = {"shed": {"share": ["90%", "50%"], "dwell": "20s"}}
    program = compiled(
        {
            "target": {"service": "reco"},
            "signals": {"own": {"builtin": "errorRate", "backend": "reco"}},
            "phases": [
                {"name": "Open", "initial": True, "actions": [{"shed": {"share": "100%"}}],
                 "transitions": [{"to": "Half", "after": "15s"}]},
                {"name": "Half", "actions": [shed], "while": "own < 5%",
                 "transitions": [{"to": "Open", "when": "own >= 5%", "for": "5s"}]},
            ],
        }
    )  # fmt: skip
    assert shares_of(program, "Open") == {"reco": 0.0}
    assert [round(each.share) for each in prices(program, "Half", Situation(200.0))] == [10, 50]


def test_the_subject_of_a_phase_is_who_gains_by_it() -> None:
    program = compiled(FAILOVER)
    assert {name: subject_of(program, name) for name in program.phases} == {
        "Normal": "checkout",
        "Standby": "checkout-standby",
        "Trial": "checkout",
    }


def test_a_rising_share_dilutes_less_than_a_steady_one() -> None:
    program = compiled(FAILOVER)
    back = program.phases["Trial"].judged.transitions[0]
    now = {"checkout": 50.0, "checkout-standby": 50.0}
    rising, steady = (
        detection(program, back, Exposure("checkout", before, now), Situation(200.0), 0.02)
        for before in ({"checkout": 1.0, "checkout-standby": 99.0}, now)
    )
    assert rising.latest is not None
    assert steady.latest is not None
    assert rising.latest < steady.latest


def test_a_trial_is_planned_for_with_endpoints_though_there_are_none_now() -> None:
    """It begins with ready endpoints only; a way that waits for some is told as it is."""
    program = compiled(FAILOVER)
    none = Situation(200.0, values={"primary_ready": 0.0, "standby_ready": 0.0})
    (back, *_), (out,) = seen(program, "Trial", none), seen(program, "Normal", none)
    assert back.detections[2].latest == pytest.approx(30, abs=0.1)
    assert out.detections[2].why == "never: standby_ready 0 >= 2 stays false"
