"""What is refused as a condition, with the message that its author reads."""

from __future__ import annotations

import sys

import pytest

from autopilot.base.errors import InvalidInput
from autopilot.verdict.cel import Condition, ConditionError
from autopilot.verdict.units import Unit

SIGNALS = {
    "errors": Unit.RATIO,
    "p99": Unit.MILLISECONDS,
    "cpu": Unit.PERCENT,
    "rps": Unit.RATE,
    "standby_ready": Unit.COUNT,
    "alert": Unit.BOOL,
    "ladder.done": Unit.BOOL,
}
JOINS = "joins are && and ||, comparisons < <= > >= == !="
LISTS = "a condition has no lists and no indexing; name a signal for each value"
MAPS = "a condition has no maps; name a signal for each value"
TEXTS = "can't be compared with anything; signals are numbers, or true and false"

REFUSED = {
    # Units
    "errors > 5": ["column 10: errors is a ratio: a ratio never exceeds 1; 5%?"],
    "2.5 < errors": ["column 1: errors is a ratio: a ratio never exceeds 1; 2.5%?"],
    "errors > 1": ["column 10: errors is a ratio: 1 is all of them, 100%; 1%?"],
    "errors > 150%": ["column 10: errors against 150%: a ratio never exceeds 1, or 100%"],
    "errors > -1%": ["column 10: errors against -1%: a ratio is never below 0"],
    "p99 > 5%": [
        "column 5: p99 (in ms) can't be compared with 5% (in %); p99 is in ms: write it like 800ms"
    ],
    "errors > 5ms": [
        "column 8: errors (a ratio from 0 to 1) can't be compared with 5ms (in ms); "
        "errors is a ratio from 0 to 1: write it like 5%"
    ],
    "standby_ready >= 2s": [
        "column 15: standby_ready (a number) can't be compared with 2s (in seconds); "
        "standby_ready is a number: write it like 2"
    ],
    "rps > 10%": [
        "column 5: rps (per second) can't be compared with 10% (in %); "
        "rps is per second: write it like 200"
    ],
    "errors > p99": [
        "column 8: errors (a ratio from 0 to 1) can't be compared with p99 (in ms); "
        "both sides must measure the same"
    ],
    "errors + p99 > 5%": [
        "column 8: errors (a ratio from 0 to 1) can't be added to or taken from p99 (in ms); "
        "both sides must measure the same"
    ],
    "rps * rps > 3": [
        "column 5: rps (per second) times rps (per second) measures nothing; "
        "multiply by a plain number or a share"
    ],
    "alert > 2": [
        "column 7: alert (true or false) can't be compared with 2 (a number); "
        "alert is true or false: write alert or !alert"
    ],
    "errors > true": [
        "column 8: errors (a ratio from 0 to 1) can't be compared with true (true or false); "
        "errors is a ratio from 0 to 1: write it like 5%"
    ],
    "alert + 1 > 2": ["column 1: + is for numbers, and alert is true or false"],
    "-alert": ["column 2: - is for numbers, and alert is true or false"],
    "alert < ladder.done": ["column 7: true and false have no order (<); write == or !="],
    # Not a condition
    "errors": ["column 1: errors is a ratio from 0 to 1, not a condition; compare it: errors > 5%"],
    "5": ["column 1: 5 is a number, not a condition; compare it with a signal"],
    "errors && p99 > 3": [
        "column 1: && joins conditions, and errors is a ratio from 0 to 1; compare it: errors > 5%"
    ],
    "!p99": ["column 2: ! negates conditions, and p99 is in ms; compare it: p99 > 800ms"],
    "5 > 3": ["column 3: 5 > 3 compares two constants; name a signal on one side"],
    "": ["column 1: the condition is empty; write one like errors > 5%"],
    "  // nothing": ["column 13: the condition is empty; write one like errors > 5%"],
    # Names
    "error > 5%": ["column 1: there is no signal 'error'; did you mean errors?"],
    "ladder.don": ["column 1: there is no signal 'ladder.don'; did you mean ladder.done?"],
    "errors.value > 5%": [
        "column 1: 'errors' is a signal, and a signal has no fields; write errors"
    ],
    "zzz > 1": [
        "column 1: there is no signal 'zzz'; "
        "signals are alert, cpu, errors, ladder.done, p99, rps, standby_ready"
    ],
    # Texts, functions and what else CEL has
    'p99 > "x"': [f'column 7: a text ("x") {TEXTS}'],
    "p99 > 'a && b > 5'": [f"column 7: a text ('a && b > 5') {TEXTS}"],
    'p99 == r"\\" || p99 == "\\""': [
        f'column 8: a text (r"\\") {TEXTS}',
        f'column 23: a text ("\\"") {TEXTS}',
    ],
    "p99 == '''5\n%'''": [f"column 8: a text ('''5\n%''') {TEXTS}"],
    "p99 > 'x": [
        f"column 7: a text ('x) {TEXTS}",
        "column 7: the text that begins here doesn't end; close it with '",
    ],
    "size(errors) > 1": ["column 1: a condition calls no functions (size); name a signal"],
    "has(errors.x)": ["column 1: a condition calls no functions (has); name a signal"],
    "errors.all(x, x > 1)": [
        "column 1: a condition calls no functions (errors.all); name a signal",
        "column 13: a condition has no ','; for a decimal write 0.5, for two conditions && or ||",
    ],
    "errors[0] > 1": [f"column 7: {LISTS}", f"column 9: {LISTS}"],
    "rps in [1]": [
        "column 5: there is no 'in' in a condition; operators are < <= > >= == != && || ! + - * /",
        f"column 8: {LISTS}",
        f"column 10: {LISTS}",
    ],
    "{}": [f"column 1: {MAPS}", f"column 2: {MAPS}"],
    "alert ? alert : alert": [
        "column 7: a condition has no '?:'; write it with && and ||",
        "column 15: a condition has no ':'; write it with && and ||",
    ],
    "rps % 2 > 1": ["column 5: there is no % operator; % stands right after a number: 5%"],
    # Division
    "rps / p99 > 5": [
        "column 5: a condition divides only by a number, which can't become 0; "
        "write the ratio as a query, or multiply: errors > 2 * before"
    ],
    "rps / 0 > 1": ["column 5: division by 0; divide by a number other than 0"],
    "rps / (1 - 1) > 1": ["column 5: division by 0; divide by a number other than 0"],
    "rps / 1e-999 > 1": ["column 5: division by 0; divide by a number other than 0"],
    "rps / 5ms > 1": ["column 5: division by 5ms (in ms); divide by a plain number"],
    # Numbers
    "p99 > 1e999": ["column 7: 1e999 is beyond every measure"],
    "p99 > 1e308 * 10": ["column 13: 1e308 * 10 is beyond every measure"],
    "p99 > 5sec": ["column 7: 5sec is no number; 5s?"],
    "p99 > 5 ms": ["column 9: a unit stands right after its number; 5ms"],
    "rps > 0x10": ["column 7: 0x10 is no number; write a plain decimal number"],
    "rps > 5u": ["column 7: 5u is no number; write a plain decimal number"],
    "rps > 5_000": ["column 7: 5_000 is no number; write a plain decimal number"],
    "rps > 5k": ["column 7: 5k is no number; write the number out"],
    "rps > 5w": ["column 7: 5w is no number; units are %, ms, s, m, h and d"],
    "rps > 1.2.3": [f"column 10: an operator is missing before .3; {JOINS}"],
    # Operators
    "errors = 5%": ["column 8: '=' is no comparison; write =="],
    "alert & alert": ["column 7: '&' is no operator; write &&"],
    "alert | alert": ["column 7: '|' is no operator; write ||"],
    "rps ≥ 5": ["column 5: '≥' is no operator; write >="],
    "alert and ladder.done": ["column 7: 'and' is no operator; write &&"],
    "alert OR ladder.done": ["column 7: 'OR' is no operator; write ||"],
    "not alert": ["column 1: 'not' is no operator; write !"],
    "1% < errors < 5%": [
        "column 13: comparisons can't be chained; "
        "write 1% < errors && errors < 5%, or use parentheses"
    ],
    "alert #": ["column 7: '#' means nothing in a condition"],
    "errors p99": [f"column 8: an operator is missing before p99; {JOINS}"],
    "errors > 5% &&": ["column 15: a signal or a number is missing at the end"],
    "> 5": ["column 1: a signal or a number is missing before >"],
    "alert && || alert": ["column 10: a signal or a number is missing before ||"],
    # Parentheses
    "(alert": ["column 1: this '(' isn't closed"],
    "alert)": ["column 6: this ')' closes nothing"],
    "()": ["column 2: a signal or a number is missing before )"],
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_refused_text_is_told_where_and_what_would_be_right(text: str) -> None:
    with pytest.raises(ConditionError) as caught:
        Condition.compile(text, SIGNALS)
    assert [str(fault) for fault in caught.value.faults] == REFUSED[text]


def test_all_faults_are_told_at_once() -> None:
    text = "(error > 5% and p99 > 3)\n || errors > 7 ||\n\tp9 > 5ms && rps / 0 > 3 && (alert"
    with pytest.raises(ConditionError) as caught:
        Condition.compile(text, SIGNALS)
    assert [(fault.line, fault.column) for fault in caught.value.faults] == [
        (1, 13),
        (2, 14),
        (3, 2),
        (3, 18),
        (3, 29),
    ]
    assert str(caught.value.faults[1]).startswith("line 2, column 14: errors is a ratio")


def test_a_refusal_is_an_invalid_input_with_a_problem_for_each_fault() -> None:
    with pytest.raises(InvalidInput) as caught:
        Condition.compile("error > 5% && p9 > 3", SIGNALS)
    assert [str(problem) for problem in caught.value.problems] == [
        "column 1: there is no signal 'error'; did you mean errors?",
        "column 15: there is no signal 'p9'; did you mean p99?",
    ]


def test_a_fault_in_what_nobody_can_read_is_told_once() -> None:
    with pytest.raises(ConditionError) as caught:
        Condition.compile("foo > 1 || foo > 2 || foo > 3", SIGNALS)
    assert len(caught.value.faults) == 1


BOMBS = {
    "long": "x" * 100_000,
    "parentheses": "(" * 10_000,
    "joined": "&&".join(["alert"] * 5000),
    "negated": "!" * 1999 + "a",
    "minus": "-" * 1900 + "rps > 1",
    "open": "(" * 2000,
    "closed": ")" * 2000,
    "sum": "+".join(["rps"] * 400) + "> 1",
    "unknown": "||".join(f"a{number}" for number in range(300)),
    "quotes": "'" * 2000,
    "backslashes": "'" + "\\" * 1999,
    "brackets": "[" * 2000,
    "functions": "f(" * 1000,
    "stray": "alert alert " * 150,
    "chained": "rps" + "<1" * 900,
    "exponent": "rps > 1e" + "9" * 1000,
    "digits": "rps > " + "1" * 1900,
    "durations": "p99 > " + "1s" * 900,
    "dots": "a." * 900,
    "closing": "alert" + ")" * 1900 + "&& alert",
    "deep sums": "(" * 12 + "rps" + "*2*2*2*2*2*2*2*2*2*2*2)" * 12 + ">3",
    "signals": "||".join(f"n{number}" for number in range(65)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_within_a_bounded_number_of_steps(bomb: str) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    signals = SIGNALS | ({f"n{number}": Unit.BOOL for number in range(65)})
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with pytest.raises(ConditionError) as caught:
            Condition.compile(BOMBS[bomb], signals)
    finally:
        sys.setprofile(before)
    assert calls < 250_000
    assert len(caught.value.faults) <= 21
    assert all(len(str(fault)) < 300 for fault in caught.value.faults)


def test_the_largest_conditions_that_are_allowed_can_be_evaluated() -> None:
    for text in (
        "||".join(["alert"] * 285),
        "&&".join(["rps > 1"] * 220),
        "(alert||" * 12 + "alert" + ")" * 12,
        "!(" * 6 + "alert" + ")" * 6,
        "(alert&&alert||" * 12 + "alert" + ")" * 12,
        "+".join(["rps"] * 12) + " > 1",
    ):
        condition = Condition.compile(text, SIGNALS)
        assert condition.judge({"alert": True, "rps": 2.0}).is_true
        assert condition.judge({}).is_unknown
