"""Failure conditions: what is unknown neither trips nor passes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.operators.chaos.conditions import OPERATORS, Condition, Look, Watch, look_at
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.service_builtins import rule_query
from autopilot.verdict.verdict import Verdict

QUERY = rule_query("q", "up")

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LOOKS = st.sampled_from(
    [
        Look(Verdict.TRUE, 1.0),
        Look(Verdict.FALSE, 0.0),
        Look(Verdict.UNKNOWN, None, "no data"),
        Look(Verdict.UNKNOWN, None, "source down", lost=True),
    ]
)
CONDITIONS = st.builds(
    Condition,
    name=st.just("one"),
    reads=st.just("up"),
    query=st.just(QUERY),
    operator=st.sampled_from(sorted(OPERATORS)),
    threshold=FINITE,
    for_polls=st.integers(1, 4),
    on_no_data=st.sampled_from(["inconclusive", "fail", "ignore"]),
)


def condition(operator: Any = "<", threshold: float = 1.0, **more: Any) -> Condition:
    return Condition("one", "up", QUERY, operator=operator, threshold=threshold, **more)


@pytest.mark.parametrize(
    ("operator", "below", "same", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_each_operator_compares_as_it_is_written(
    operator: str, below: bool, same: bool, above: bool
) -> None:
    found = [
        look_at(condition(operator, 2.0), Sample("q", value=value)).verdict
        for value in (1.0, 2.0, 3.0)
    ]
    assert found == [Verdict.of(one) for one in (below, same, above)]


@pytest.mark.parametrize("why", [why for why in Why if why is not Why.KNOWN])
@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_what_has_no_value_is_unknown_whatever_the_operator(operator: str, why: Why) -> None:
    found = look_at(condition(operator), Sample("q", why=why))
    assert (found.verdict, found.value) == (Verdict.UNKNOWN, None)
    assert found.lost == (why not in {Why.NO_DATA, Why.NOT_FINITE})


@given(st.sampled_from([math.nan, math.inf, -math.inf]), CONDITIONS)
def test_nan_and_infinity_are_never_a_value(value: float, one: Condition) -> None:
    found = look_at(one, Sample("q", value=value))
    assert (found.verdict, found.value) == (Verdict.UNKNOWN, None)


def test_a_rate_over_no_requests_is_unknown() -> None:
    one = condition(">", 0.1, counted=True)
    assert look_at(one, Sample("q", value=0.0, requests=0)).verdict is Verdict.UNKNOWN
    assert look_at(one, Sample("q", value=0.0, requests=5)).verdict is Verdict.FALSE


@pytest.mark.parametrize(
    ("answer", "expected", "lost"),
    [
        (200, Verdict.FALSE, False),
        (204, Verdict.FALSE, False),
        (302, Verdict.TRUE, False),
        (404, Verdict.TRUE, False),
        (500, Verdict.TRUE, False),
        ("hooks: ClientConnectorError", Verdict.UNKNOWN, True),
    ],
)
def test_a_webhook_trips_on_any_answer_but_2xx(answer: Any, expected: Verdict, lost: bool) -> None:
    found = look_at(Condition("one", "webhook", url="http://hooks"), answer)
    assert (found.verdict, found.lost) == (expected, lost)


@given(CONDITIONS, st.lists(LOOKS, max_size=30))
def test_a_run_never_succeeds_unless_its_last_poll_was_known_or_is_told_not_to_matter(
    one: Condition, looks: list[Look]
) -> None:
    watch = Watch()
    for look in looks:
        watch = watch.after([one], {"one": look})
    if watch.at_end([one], "").verdict == "Succeeded":
        assert any(not look.verdict.is_unknown for look in looks)
        assert one.on_no_data == "ignore" or not looks[-1].verdict.is_unknown


@given(CONDITIONS, st.lists(LOOKS, max_size=30))
def test_it_trips_exactly_when_true_in_so_many_polls_one_after_another(
    one: Condition, looks: list[Look]
) -> None:
    watch, streak = Watch(), 0
    for look in looks:
        watch = watch.after([one], {"one": look})
        blank = look.verdict.is_unknown and not look.lost
        if look.verdict.is_true or (blank and one.on_no_data == "fail"):
            streak += 1
        elif look.verdict.is_false:
            streak = 0
        counts = look.verdict.is_true or (blank and one.on_no_data == "fail")
        tripped = watch.tripped([one])
        if counts:
            assert (tripped is not None) == (streak >= one.for_polls)
        elif look.verdict.is_false:
            assert tripped is None


@given(CONDITIONS, st.lists(LOOKS, max_size=30), st.integers(1, 5))
def test_telemetry_that_is_lost_for_so_many_polls_aborts(
    one: Condition, looks: list[Look], most: int
) -> None:
    watch, lost = Watch(), 0
    for look in looks:
        watch = watch.after([one], {"one": look})
        lost = lost + 1 if look.lost else 0
        blind = watch.blinded([one], most)
        assert (blind is not None and blind.verdict == "Aborted") == (lost >= most)


@given(CONDITIONS, st.lists(LOOKS, max_size=10), st.lists(LOOKS, max_size=10))
def test_a_watch_that_was_stored_goes_on_as_if_it_had_not_been(
    one: Condition, before: list[Look], after: list[Look]
) -> None:
    kept = Watch()
    for look in before:
        kept = kept.after([one], {"one": look})
    stored = Watch.from_wire(kept.to_wire())
    for look in after:
        kept = kept.after([one], {"one": look})
        stored = stored.after([one], {"one": look})
    assert kept.to_wire() == stored.to_wire()
    assert kept.at_end([one], "") == stored.at_end([one], "")


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_a_status_that_makes_no_sense_is_taken_for_nothing(wire: dict[str, Any]) -> None:
    Watch.from_wire(wire).at_end([condition()], "")
    Watch.from_wire({"conditions": {"one": wire}}).at_end([condition()], "")
