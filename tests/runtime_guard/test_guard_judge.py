"""Whether a move may be made: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.kube.marks import ALLOW_FROM, OPT_OUT
from autopilot.runtime.guardrails.judge import Forward, Latch, Move, Record, judge
from autopilot.runtime.guardrails.ledger import Ledger
from autopilot.runtime.guardrails.limits import Limits
from autopilot.runtime.guardrails.permission import About, Known, refusal
from autopilot.runtime.record import Key
from autopilot.spec.guardrails import Guardrails

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Asked:
    max_transitions: tuple[int, timedelta] | None = None
    min_dwell: timedelta = timedelta(0)
    max_step: float = 100.0


def record(*minutes_ago: float, **more: object) -> Record:
    entered = tuple(NOW - timedelta(minutes=m) for m in minutes_ago)
    return Record(NOW, LONG_AGO, entered, **more)  # type: ignore[arg-type]


def enter(**more: object) -> Move:
    return Move("Normal", "Standby", **more)  # type: ignore[arg-type]


def test_without_limits_everything_passes() -> None:
    steps = (Forward("all", "shop", 100.0),)
    assert judge(enter(steps=steps, leaves=True), Limits(), record(1, 2, 3, others_off=99)) is None


def test_only_transitions_of_the_span_count() -> None:
    limits = Limits(max_transitions=((2, HOUR),))
    assert judge(enter(), limits, record(59, 60, 61)) is None
    tripped = judge(enter(), limits, record(30, 59, 61))
    assert tripped is not None and tripped.latches


def test_a_time_to_come_counts_for_the_clock_was_set_back() -> None:
    assert judge(enter(), Limits(max_transitions=((1, HOUR),)), record(-30)) is not None


def test_back_passes_every_limit_and_the_latch() -> None:
    limits = Limits(((1, HOUR),), HOUR, 1.0, 0)
    steps = (Forward("all", "shop", 100.0),)
    held = record(1, latch=Latch("X", "x"), others_off=9)
    assert judge(enter(back=True, steps=steps), limits, held) is None


def test_what_latches_is_not_hidden_by_what_only_waits() -> None:
    limits = Limits(max_transitions=((1, HOUR),), min_dwell=HOUR)
    found = judge(enter(), limits, Record(NOW, NOW, (NOW,)))
    assert found is not None and found.reason == "MaxTransitions"


def test_a_latch_holds_steps_within_a_phase_too() -> None:
    latch = Latch("MaxStep", "too far")
    climbing = Move("Standby", steps=(Forward("50", "shop", 5.0),))
    found = judge(climbing, Limits(), record(latch=latch))
    assert found is not None and (found.reason, found.message) == ("MaxStep", "too far")
    assert judge(Move("Standby"), Limits(), record(latch=latch)) is None


counts = st.tuples(st.integers(1, 19), st.integers(1, 100).map(lambda m: timedelta(minutes=m)))
limited = st.builds(
    Asked,
    st.none() | counts,
    st.integers(0, 600).map(lambda s: timedelta(seconds=s)),
    st.floats(1, 100),
)


@given(limited, limited, st.lists(st.floats(0, 120), max_size=19), st.floats(0, 100))
def test_a_resource_can_only_tighten_what_holds(
    installed: Asked, asked: Asked, minutes: list[float], share: float
) -> None:
    base = Limits().within(installed)
    move = enter(steps=(Forward("x", "shop", share),))
    seen = Record(NOW, NOW - timedelta(seconds=300), record(*minutes).entered)
    either = judge(move, base, seen) or judge(move, Limits().within(asked), seen)
    both = judge(move, base.within(asked), seen)
    assert (either is None) == (both is None)


def test_the_installation_s_file_makes_limits() -> None:
    config = Guardrails.model_validate(
        {
            "maxTransitions": {"count": 4, "per": "1h"},
            "minDwell": "30s",
            "maxStep": "25%",
            "maxOffInitial": 3,
            "protectedServices": ["shop/pay"],
        }
    )
    limits = Limits.of(config)
    assert limits.max_transitions == ((4, HOUR),)
    assert (limits.min_dwell, limits.max_step, limits.max_off_initial) == (
        timedelta(seconds=30),
        25.0,
        3,
    )
    assert limits.protected_services == {("shop", "pay")}
    assert limits.protected_namespaces == {"kube-system", "istio-system", "autopilot-system"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"maxTransitions": {"count": 20, "per": "1h"}},
        {"maxTransitions": {"count": 1, "per": "0s"}},
        {"maxStep": "0%"},
        {"maxStep": True},
        {"maxStep": "101%"},
        {"maxOffInitial": -1},
        {"protectedNamespaces": ["Shop"]},
        {"protectedServices": ["pay"]},
        {"unheardOf": 1},
    ],
)
def test_what_makes_no_limit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Guardrails.model_validate(wrong)


def known(**namespaces: dict[str, str] | None) -> Known:
    def body(name: str) -> dict[str, object] | None:
        notes = namespaces.get(name)
        return None if notes is None else {"metadata": {"annotations": notes}}

    return Known(body, lambda home, name: None)


@pytest.mark.parametrize(
    ("notes", "allowed"),
    [
        (None, False),
        ({}, False),
        ({ALLOW_FROM: ""}, False),
        ({ALLOW_FROM: "web"}, False),
        ({ALLOW_FROM: "opsi"}, False),
        ({ALLOW_FROM: "web,ops"}, True),
        ({ALLOW_FROM: " ops "}, True),
        ({ALLOW_FROM: "*"}, True),
        ({ALLOW_FROM: "*", OPT_OUT: "true"}, False),
        ({ALLOW_FROM: "*", OPT_OUT: "false"}, True),
    ],
)
def test_another_namespace_has_to_allow_it(notes: dict[str, str] | None, allowed: bool) -> None:
    about = About("ops", frozenset({"shop"}), frozenset({("shop", "web")}), frozenset({"shop"}))
    assert (refusal(about, Limits(), known(shop=notes)) is None) == allowed


def test_what_can_not_be_told_of_its_own_namespace_holds_nobody_up() -> None:
    about = About("shop", frozenset({"shop"}), frozenset({("shop", "web")}), frozenset({"shop"}))
    assert refusal(about, Limits(), known()) is None


def test_a_claim_counts_until_it_is_settled_and_only_once() -> None:
    one, two = Key("rules", "shop", "one"), Key("rules", "shop", "two")
    shown: set[Key] = set()
    ledger = Ledger(lambda: shown)
    ledger.claim(one)
    assert (ledger.others(two), ledger.others(one)) == (1, 0)
    shown.add(one)
    assert ledger.others(two) == 1
    ledger.settle(one)
    assert ledger.others(two) == 1
    shown.clear()
    assert ledger.others(two) == 0
