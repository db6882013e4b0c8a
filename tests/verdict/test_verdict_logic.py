"""Kleene's logic, by its laws."""

from __future__ import annotations

import itertools

import pytest

from autopilot.verdict.verdict import Verdict

ALL = list(Verdict)
RANK = {Verdict.FALSE: 0, Verdict.UNKNOWN: 1, Verdict.TRUE: 2}


@pytest.mark.parametrize(("a", "b"), [*itertools.product(ALL, ALL)])
def test_and_is_the_lesser_and_or_the_greater(a: Verdict, b: Verdict) -> None:
    assert RANK[a & b] == min(RANK[a], RANK[b])
    assert RANK[a | b] == max(RANK[a], RANK[b])
    assert ~(a & b) is (~a | ~b)
    assert ~~a is a


@pytest.mark.parametrize("verdict", ALL)
def test_a_verdict_refuses_to_be_guessed(verdict: Verdict) -> None:
    with pytest.raises(TypeError, match="unknown"):
        bool(verdict)
    with pytest.raises(TypeError, match="number"):
        float(verdict)
    with pytest.raises(TypeError, match="order"):
        verdict < Verdict.TRUE  # noqa: B015
    assert [verdict.is_true, verdict.is_false, verdict.is_unknown].count(True) == 1
