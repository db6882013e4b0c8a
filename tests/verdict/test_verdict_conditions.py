"""Conditions: units, unknown signals, and what the evaluator is given."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.verdict.cel import Condition, ConditionError
from autopilot.verdict.explain import explain
from autopilot.verdict.units import Unit, render
from autopilot.verdict.verdict import Verdict

SIGNALS = {
    "errors": Unit.RATIO,
    "primary_errors": Unit.RATIO,
    "cpu": Unit.PERCENT,
    "p99": Unit.MILLISECONDS,
    "wait": Unit.SECONDS,
    "rps": Unit.RATE,
    "standby_ready": Unit.COUNT,
    "alert": Unit.BOOL,
    "ladder.done": Unit.BOOL,
}
T, F, U = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN


def compiled(text: str) -> Condition:
    return Condition.compile(text, SIGNALS)


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("errors > 5%", {"errors": 0.051}, T),
        ("errors > 5 %", {"errors": 0.05}, F),
        ("errors >= 100%", {"errors": 1}, T),
        ("errors > .5", {"errors": 0.51}, T),
        ("errors > 1/20", {"errors": 0.051}, T),
        ("cpu > 80%", {"cpu": 80.5}, T),
        ("cpu > 80", {"cpu": 79.5}, F),
        ("p99 > 800", {"p99": 800.1}, T),
        ("p99 > 1.5s", {"p99": 1499.0}, F),
        ("p99 <= 2m", {"p99": 120_000.0}, T),
        ("wait > 800ms", {"wait": 0.81}, T),
        ("1m30s < wait", {"wait": 91.0}, T),
        ("p99 > wait", {"p99": 900.0, "wait": 0.8}, T),
        ("wait < p99", {"p99": 900.0, "wait": 1.0}, F),
        ("cpu > errors", {"cpu": 6.0, "errors": 0.05}, T),
        ("errors > 2 * primary_errors", {"errors": 0.05, "primary_errors": 0.02}, T),
        ("errors - 1% > primary_errors", {"errors": 0.05, "primary_errors": 0.045}, F),
        ("rps / 2 >= 50", {"rps": 100.0}, T),
        ("rps * errors > 5", {"rps": 100.0, "errors": 0.06}, T),
        ("rps - 10 - 10 > 79", {"rps": 100.0}, T),
        ("rps - (10 - 10) > 99", {"rps": 100.0}, T),
        ("rps / 2 / 2 == 25", {"rps": 100.0}, T),
        ("(rps + 20) * 2 == 240", {"rps": 100.0}, T),
        ("rps - 10 * 2 == 80", {"rps": 100.0}, T),
        ("-(rps + 1) / 2 < -50", {"rps": 100.0}, T),
        ("rps * (2 + 3) == 500", {"rps": 100.0}, T),
        ("-5 < standby_ready", {"standby_ready": 0.0}, T),
        ("standby_ready >= 2", {"standby_ready": 2}, T),
        ("standby_ready == 2 // how many", {"standby_ready": 2.0}, T),
        ("// first\nerrors > 5% // 'second\n", {"errors": 0.06}, T),
        ("ladder.done", {"ladder.done": True}, T),
        ("!ladder.done && !alert", {"ladder.done": False, "alert": 0.0}, T),
        ("alert == true", {"alert": 3.0}, T),
        ("(errors > 5%) != alert", {"errors": 0.06, "alert": 0}, T),
        ("true", {}, T),
        ("errors > 5% || p99 > 800 && rps > 10", {"errors": 0.1}, T),
        ("(errors > 5% || p99 > 800) && rps > 10", {"errors": 0.1, "rps": 1.0}, F),
    ],
)
def test_literals_take_the_unit_of_what_they_meet(
    text: str, values: dict[str, float | None], said: Verdict
) -> None:
    condition = compiled(text)
    assert condition.judge(values) is said
    assert explain(condition, values).verdict is said


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("errors > 5% || p99 > 800", {"errors": 0.06}, T),
        ("p99 > 800 || errors > 5%", {"errors": 0.06, "p99": None}, T),
        ("errors > 5% || p99 > 800", {"errors": 0.04}, U),
        ("p99 > 800 && errors > 5%", {"errors": 0.04}, F),
        ("errors > 5% && p99 > 800", {"errors": 0.06}, U),
        ("!(errors > 5%)", {}, U),
        ("errors > 5%", {"errors": math.nan}, U),
        ("!(errors > 5%)", {"errors": math.nan}, U),
        ("rps > 1", {"rps": math.inf}, U),
        ("rps < 1", {"rps": -math.inf}, U),
        ("alert", {"alert": None}, U),
        ("alert == alert", {}, U),
        ("errors == errors", {}, U),
        ("(errors > 5%) == alert", {"alert": True}, U),
        ("errors * 0 == 0", {}, U),
        ("rps - rps == 0", {}, U),
    ],
)
def test_what_is_not_known_is_unknown_unless_the_rest_decides(
    text: str, values: dict[str, float | None], said: Verdict
) -> None:
    assert compiled(text).judge(values) is said
    assert explain(compiled(text), values).verdict is said


@pytest.mark.parametrize(
    "text",
    ["rps * 1e308 * 10 > 5", "!(rps * 1e308 * 10 < 5)", "5 < rps * 1e308 * 10 - rps * 1e308 * 10"],
)
def test_a_sum_that_leaves_the_finite_numbers_is_unknown(text: str) -> None:
    assert compiled(text).judge({"rps": 100.0}) is U
    assert explain(compiled(text), {"rps": 100.0}).verdict is U


def test_a_condition_knows_what_it_reads() -> None:
    condition = compiled("p99 > 800 || errors > 5% && (ladder.done || errors > 9%)")
    assert list(condition.reads.items()) == [
        ("p99", Unit.MILLISECONDS),
        ("errors", Unit.RATIO),
        ("ladder.done", Unit.BOOL),
    ]
    assert not compiled("true").reads


def test_conditions_are_equal_when_text_and_units_are() -> None:
    assert compiled("errors > 5%") == compiled("errors > 5%")
    assert hash(compiled("errors > 5%")) == hash(compiled("errors > 5%"))
    assert compiled("cpu > 5%") != Condition.compile("cpu > 5%", {"cpu": Unit.RATIO})


def test_signals_may_bear_any_name_even_the_evaluators_own() -> None:
    for name in ("as", "break", "for", "int", "double", "unknown", "s0", "b0", "null", "x.if.y"):
        condition = Condition.compile(f"{name} > 5", {name: Unit.COUNT})
        assert condition.judge({name: 6.0}) is T


@given(
    whole=st.integers(0, 999),
    fraction=st.integers(0, 999),
    spelled=st.sampled_from(["%", "ms", "s", "m", "h"]),
)
def test_a_literal_is_turned_into_the_signals_unit_exactly(
    whole: int, fraction: int, spelled: str
) -> None:
    text = f"{whole}.{fraction:03}{spelled}"
    thousandths = whole * 1000 + fraction
    if spelled == "%":
        expected = {"cpu": thousandths / 1000} | (
            {"errors": thousandths / 100_000} if thousandths <= 100_000 else {}
        )
    else:
        millis = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}[spelled]
        expected = {
            "p99": thousandths * millis / 1000,
            "wait": thousandths * millis / 1_000_000,
        }
    for name, value in expected.items():
        assert compiled(f"{name} == {text}").judge({name: value}) is T
        assert compiled(f"{text} < {name}").judge({name: math.nextafter(value, math.inf)}) is T
        assert compiled(f"{text} < {name}").judge({name: value}) is F


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_is_refused_with_its_position(text: str) -> None:
    try:
        Condition.compile(text, SIGNALS)
    except ConditionError as error:
        assert error.faults
        for fault in error.faults:
            assert 0 <= fault.at <= len(text)
            assert fault.line == text[: fault.at].count("\n") + 1


_WORDS = st.sampled_from(
    [*SIGNALS, *"()!-+*/<>%[]'\".,?&|= ", "&&", "||", "==", "5", "5%", "8ms", "and", "true", "//"]
)


@given(st.lists(_WORDS, max_size=25), st.sampled_from(["", " "]))
def test_any_row_of_tokens_is_a_condition_or_is_refused(words: list[str], gap: str) -> None:
    text = gap.join(words)
    try:
        condition = Condition.compile(text, SIGNALS)
    except ConditionError as error:
        assert all(fault.message for fault in error.faults)
    else:
        values = dict.fromkeys(SIGNALS, 0.5)
        assert condition.judge(values) is explain(condition, values).verdict


def test_a_condition_is_explained_a_line_for_each_comparison() -> None:
    values = {"errors": 0.062, "p99": None, "alert": False}
    condition = compiled("(errors > 5% || p99 > 800ms) && !alert")
    assert explain(condition, values, {"p99": "no data"}).lines() == [
        "all of these is true:",
        "  one of these is true:",
        "    errors 6.2 % > 5 % is true",
        "    p99 unknown (no data) > 800 ms is unknown",
        "  the opposite of this is true:",
        "    alert is false",
    ]
    assert (
        str(explain(compiled("errors > 5% || p99 > 800"), values))
        == "errors 6.2 % > 5 % is true; p99 unknown > 800 ms is unknown"
    )


@pytest.mark.parametrize(
    ("text", "values", "line"),
    [
        ("errors > 5%", {"errors": 0.0500001}, "errors 5.00001 % > 5 % is true"),
        ("p99 > wait", {"p99": 900, "wait": 0.5}, "p99 900 ms > wait 500 ms is true"),
        ("wait > 2m", {"wait": 75.25}, "wait 75.2 s > 120 s is false"),
        ("rps * 2 < 5", {"rps": 12345.6}, "(rps 12346/s * 2) < 5/s is false"),
        ("standby_ready >= 2", {"standby_ready": 1}, "standby_ready 1 >= 2 is false"),
        ("wait > 2 * 400ms", {"wait": 1}, "wait 1 s > 800 ms is true"),
    ],
)
def test_values_are_shown_in_units_that_people_read(
    text: str, values: dict[str, float | None], line: str
) -> None:
    assert explain(compiled(text), values).lines() == [line]


def test_numbers_are_short_but_whole() -> None:
    assert [render(v, Unit.COUNT) for v in (0, 12345.6, 0.00123456, 1e20, None)] == [
        "0",
        "12346",
        "0.00123",
        "1e+20",
        "unknown",
    ]
    assert render(0.0, Unit.MILLISECONDS) == "0 ms"
    assert render(True, Unit.BOOL) == "true"
