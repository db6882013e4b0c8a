"""Conditions against a naive interpreter of Kleene's logic, over random partial data."""

from __future__ import annotations

import math
import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autopilot.verdict.cel import Condition
from autopilot.verdict.explain import explain
from autopilot.verdict.units import Unit
from autopilot.verdict.verdict import Verdict

SIGNALS = {
    "errors": Unit.RATIO,
    "other": Unit.RATIO,
    "cpu": Unit.PERCENT,
    "p99": Unit.MILLISECONDS,
    "wait": Unit.SECONDS,
    "ready": Unit.COUNT,
    "alert": Unit.BOOL,
    "ladder.done": Unit.BOOL,
}
SPELLED = {
    Unit.RATIO: [("5%", 5 / 100), ("0.5", 0.5), ("100%", 1.0), ("0", 0.0)],
    Unit.PERCENT: [("5%", 5.0), ("50", 50.0)],
    Unit.MILLISECONDS: [("800", 800.0), ("800ms", 800.0), ("1.5s", 1500.0), ("1m", 60_000.0)],
    Unit.SECONDS: [("2", 2.0), ("800ms", 800 / 1000), ("1.5s", 1.5), ("1m30s", 90.0)],
    Unit.COUNT: [("2", 2.0), ("0", 0.0), ("-1", -1.0)],
}
NUMBERS = [name for name, unit in SIGNALS.items() if unit is not Unit.BOOL]
TRUTHS = ["alert", "ladder.done"]
OPS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
VALUES = st.sampled_from(
    [
        None,
        None,
        None,
        math.nan,
        math.inf,
        0.0,
        0.04,
        0.05,
        0.5,
        1.0,
        2.0,
        50.0,
        800.0,
        1500.0,
        1e308,
    ]
)
Tree = tuple[Any, ...]
"""What it is, then its parts."""


@st.composite
def numbers(draw: st.DrawFn, name: str) -> Tree:
    signal: Tree = ("signal", name)
    same = [other for other in NUMBERS if SIGNALS[other] is SIGNALS[name]]
    match draw(st.integers(0, 5)):
        case 0:
            factor = draw(st.sampled_from(["2", "0.5", "10"]))
            return (draw(st.sampled_from("*/")), signal, ("literal", factor, float(factor)))
        case 1:
            other: Tree = ("signal", draw(st.sampled_from(same)))
            return (draw(st.sampled_from("+-")), signal, other)
        case 2:
            return (draw(st.sampled_from("+-")), signal, literal(draw, name))
    return signal


def literal(draw: st.DrawFn, name: str) -> Tree:
    return ("literal", *draw(st.sampled_from(SPELLED[SIGNALS[name]])))


@st.composite
def comparisons(draw: st.DrawFn) -> Tree:
    name = draw(st.sampled_from(NUMBERS))
    left, right = draw(numbers(name)), literal(draw, name)
    if draw(st.integers(0, 3)) == 0:
        same = [other for other in NUMBERS if SIGNALS[other] is SIGNALS[name]]
        right = ("signal", draw(st.sampled_from(same)))
    if draw(st.booleans()):
        left, right = right, left
    return (draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="])), left, right)


LEAVES = st.one_of(
    comparisons(),
    comparisons(),
    st.sampled_from([("truth", name) for name in TRUTHS]),
    st.sampled_from([("constant", "true"), ("constant", "false")]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["&&", "||"]), inner, inner),
        st.tuples(st.sampled_from(["&&", "||"]), inner, inner, inner),
        st.tuples(st.just("!"), inner),
        st.tuples(st.sampled_from(["same", "differ"]), inner, inner),
    ),
    max_leaves=8,
)


def written(tree: Tree) -> str:
    match tree:
        case ("signal" | "truth" | "constant", name):
            return str(name)
        case ("literal", text, _):
            return str(text)
        case ("!", of):
            return f"!({written(of)})"
        case ("same", left, right):
            return f"({written(left)}) == ({written(right)})"
        case ("differ", left, right):
            return f"({written(left)}) != ({written(right)})"
        case ("&&" | "||" as op, *parts):
            return f" {op} ".join(f"({written(part)})" for part in parts)
        case (op, left, right):
            return f"{written(left)} {op} {written(right)}"
    raise AssertionError(tree)


def number(tree: Tree, data: dict[str, float | None]) -> float | None:
    """A number's value, None where nobody knows it."""
    if tree[0] == "literal":
        return float(tree[2])
    if tree[0] == "signal":
        value = data.get(tree[1])
    else:
        left, right = number(tree[1], data), number(tree[2], data)
        value = None if left is None or right is None else OPS[tree[0]](left, right)
    return value if value is not None and math.isfinite(value) else None


def naive(tree: Tree, data: dict[str, float | None]) -> bool | None:
    """Kleene's logic over None for unknown."""
    match tree:
        case ("constant", text):
            return bool(text == "true")
        case ("truth", name):
            value = data.get(name)
            return None if value is None or not math.isfinite(value) else value != 0
        case ("!", of):
            inner = naive(of, data)
            return None if inner is None else not inner
        case ("same" | "differ" as op, left, right):
            one, other = naive(left, data), naive(right, data)
            return None if one is None or other is None else (one == other) == (op == "same")
        case ("&&" | "||" as op, *parts):
            said = [naive(part, data) for part in parts]
            decisive = op == "||"
            return decisive if decisive in said else None if None in said else not decisive
        case (op, left, right):
            a, b = number(left, data), number(right, data)
            return None if a is None or b is None else bool(OPS[op](a, b))
    raise AssertionError(tree)


DATA = st.fixed_dictionaries({}, optional=dict.fromkeys(SIGNALS, VALUES))


def agrees(tree: Tree, data: dict[str, float | None]) -> None:
    condition = Condition.compile(written(tree), SIGNALS)
    expected = Verdict.of(naive(tree, data))
    assert condition.judge(data) is expected
    assert explain(condition, data).verdict is expected


@settings(max_examples=2000, deadline=None)
@given(tree=TREES, data=DATA)
def test_a_condition_says_what_kleenes_logic_says(
    tree: Tree, data: dict[str, float | None]
) -> None:
    agrees(tree, data)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=TREES, data=DATA)
def test_a_hundred_thousand_conditions_say_what_kleenes_logic_says(
    tree: Tree, data: dict[str, float | None]
) -> None:
    agrees(tree, data)


@settings(max_examples=300, deadline=None)
@given(tree=TREES, data=DATA, more=st.lists(VALUES, min_size=8, max_size=8))
def test_learning_more_never_turns_a_verdict_round(
    tree: Tree, data: dict[str, float | None], more: list[float | None]
) -> None:
    condition = Condition.compile(written(tree), SIGNALS)
    known = {name for name, value in data.items() if value is not None and math.isfinite(value)}
    learnt = dict(zip(SIGNALS, more, strict=True)) | {name: data[name] for name in known}
    before, after = condition.judge(data), condition.judge(learnt)
    assert before.is_unknown or before is after
