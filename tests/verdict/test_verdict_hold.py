"""`for` and `k of n` against naive models."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.verdict.hold import For, Held, Seen, Times
from autopilot.verdict.verdict import Verdict

T, F, U = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN
VERDICTS = st.sampled_from([T, T, T, F, U])
STEPS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 30)), VERDICTS), max_size=40)


def run(rule: For, steps: list[tuple[float | None, Verdict]]) -> list[Verdict]:
    """What a rule says, step by step: the seconds since the step before, and what is observed."""
    state, said = Held(), []
    for elapsed, verdict in steps:
        state, now = rule.observe(state, verdict, elapsed)
        said.append(now)
    return said


MINUTE = For(timedelta(seconds=60), gap=30)


def test_true_for_long_enough() -> None:
    assert run(MINUTE, [(None, T), (20, T), (20, T), (19, T), (1, T)]) == [F, F, F, F, T]


def test_false_resets() -> None:
    steps = [(None, T), (30, T), (20, F), (10, T), (30, T), (29, T), (1, T)]
    assert run(MINUTE, steps)[-2:] == [F, T]


def test_unknown_stops_the_clock_and_loses_nothing() -> None:
    steps = [(None, T), (30, T), (10, U), (260, U), (10, T), (29, T), (1, T)]
    assert run(MINUTE, steps) == [F, F, U, U, F, F, T]


def test_what_nobody_watched_does_not_count() -> None:
    assert run(MINUTE, [(None, T), (3600, T), (30, T), (30, T)]) == [F, F, F, T]


def test_a_restart_keeps_what_was_counted_and_counts_nothing_for_itself() -> None:
    assert run(MINUTE, [(None, T), (30, T), (None, T), (29, T), (1, T)]) == [F, F, F, F, T]


def test_a_stretch_that_ends_exactly_with_the_duration_is_enough() -> None:
    tenths = For(timedelta(seconds=1))
    assert run(tenths, [(None, T), *[(0.1, T)] * 9])[-1] is F
    assert run(tenths, [(None, T), *[(0.1, T)] * 10])[-1] is T


def test_a_state_that_is_full_stands_still() -> None:
    full = Held(60.0, running=True)
    assert MINUTE.observe(full, T, 5)[0] == full
    assert MINUTE.left(full) == 0


def test_keeping_a_state_never_adds_to_it() -> None:
    assert Held.from_status(Held(1.99999).to_status()).seconds <= 1.99999


@given(steps=STEPS, duration=st.integers(0, 100), gap=st.one_of(st.none(), st.integers(1, 40)))
def test_for_agrees_with_the_naive_model(
    steps: list[tuple[int | None, Verdict]], duration: int, gap: int | None
) -> None:
    rule = For(timedelta(seconds=duration), gap=gap)
    seen: list[tuple[int | None, Verdict]] = []
    state = Held()
    for elapsed, verdict in steps:
        seen.append((elapsed, verdict))
        state, said = rule.observe(state, verdict, elapsed)
        state = Held.from_status(json.loads(json.dumps(state.to_status())))
        last_false = max((i for i, (_, v) in enumerate(seen) if v is F), default=-1)
        tail = seen[last_false + 1 :]
        total = sum(
            b or 0
            for (_, va), (b, vb) in itertools.pairwise(tail)
            if va is T and vb is T and (gap is None or (b or 0) <= gap)
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
    for wrong in (
        "",
        "3",
        "0/5",
        "6/5",
        "a/b",
        "3/5/7",
        "-1/5",
        "²/5",
        "1/1001",
        "9" * 5000 + "/5",
    ):
        with pytest.raises(ValueError, match=r"/|like"):
            Times.parse(wrong)


def test_a_state_that_makes_no_sense_is_a_fresh_one() -> None:
    for kept in (
        None,
        {},
        {"seconds": "x"},
        {"seconds": float("nan")},
        {"seconds": -5},
        {"seconds": True},
    ):
        assert Held.from_status(kept) == Held()
    assert Seen.from_status("+-?+") == Seen((True, False, True))
    assert Seen.from_status(None) == Seen.from_status(7) == Seen()
