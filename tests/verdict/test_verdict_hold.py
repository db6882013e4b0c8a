"""`for` and `k of n` against naive models."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.verdict.hold import For, Held, Seen, Times
from autopilot.verdict.verdict import Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
T, F, U = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN
VERDICTS = st.sampled_from([T, T, T, F, U])
STEPS = st.lists(st.tuples(st.integers(-5, 30), VERDICTS), max_size=40)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(rule: For, steps: list[tuple[float, Verdict]]) -> list[Verdict]:
    state, said = Held(), []
    for seconds, verdict in steps:
        state, now = rule.observe(state, verdict, at(seconds))
        said.append(now)
    return said


MINUTE = For(timedelta(seconds=60), gap=timedelta(seconds=30))


def test_true_for_long_enough() -> None:
    assert run(MINUTE, [(0, T), (20, T), (40, T), (59, T), (60, T)]) == [F, F, F, F, T]


def test_false_resets() -> None:
    assert run(MINUTE, [(0, T), (30, T), (50, F), (60, T), (90, T), (119, T), (120, T)])[-2:] == [
        F,
        T,
    ]


def test_unknown_stops_the_clock_and_loses_nothing() -> None:
    steps = [(0, T), (30, T), (40, U), (300, U), (310, T), (339, T), (340, T)]
    assert run(MINUTE, steps) == [F, F, U, U, F, F, T]


def test_what_nobody_watched_does_not_count() -> None:
    assert run(MINUTE, [(0, T), (3600, T), (3630, T), (3660, T)]) == [F, F, F, T]


def test_a_wall_clock_that_jumps_back_shortens_nothing() -> None:
    assert run(MINUTE, [(0, T), (30, T), (-500, T), (-470, T)]) == [F, F, F, T]
    assert run(MINUTE, [(0, T), (30, T), (-500, T), (-475, T)])[-1] is F


@given(steps=STEPS, duration=st.integers(0, 100), gap=st.integers(1, 40))
def test_for_agrees_with_the_naive_model(
    steps: list[tuple[int, Verdict]], duration: int, gap: int
) -> None:
    rule = For(timedelta(seconds=duration), gap=timedelta(seconds=gap))
    seen: list[tuple[int, Verdict]] = []
    state, clock = Held(), 0
    for step, verdict in steps:
        clock += step
        seen.append((clock, verdict))
        state, said = rule.observe(state, verdict, at(clock))
        state = Held.from_status(json.loads(json.dumps(state.to_status())))
        last_false = max((i for i, (_, v) in enumerate(seen) if v is F), default=-1)
        tail = seen[last_false + 1 :]
        total = sum(
            b - a
            for (a, va), (b, vb) in itertools.pairwise(tail)
            if va is T and vb is T and 0 < b - a <= gap
        )
        expected = verdict if verdict is not T else Verdict.of(total >= duration)
        assert said is expected


@given(verdicts=st.lists(VERDICTS, max_size=30), n=st.integers(1, 6), data=st.data())
def test_k_of_n_agrees_with_the_naive_model(
    verdicts: list[Verdict], n: int, data: st.DataObject
) -> None:
    rule = Times(data.draw(st.integers(1, n)), n)
    state = Seen()
    for index, verdict in enumerate(verdicts):
        state, said = rule.observe(state, verdict)
        state = Seen.from_status(state.to_status())
        known = [v for v in verdicts[: index + 1] if v is not U][-n:]
        assert said is (U if verdict is U else Verdict.of(known.count(T) >= rule.k))
        assert len(state.last) <= n


def test_times_are_written_as_a_fraction() -> None:
    assert Times.parse("3/5") == Times(3, 5)
    for wrong in ("", "3", "0/5", "6/5", "a/b", "3/5/7", "-1/5"):
        with pytest.raises(ValueError, match=r"/|like"):
            Times.parse(wrong)


def test_a_state_that_makes_no_sense_is_a_fresh_one() -> None:
    for kept in (None, {}, {"seconds": "x"}, {"at": "x"}, {"seconds": 5, "at": "2026-01-01"}):
        assert Held.from_status(kept) == Held()
    assert Seen.from_status("+-?+") == Seen((True, False, True))
    assert Seen.from_status(None) == Seen()
