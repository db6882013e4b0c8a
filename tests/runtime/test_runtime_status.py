"""Status, timers and conditions: pure."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.base.timestamps import parse_time, render_time
from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.client import (
    AlreadyExists,
    Conflict,
    FieldConflict,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)
from autopilot.kube.ownership import NotOurs
from autopilot.mesh.errors import Contested, Held, HostTaken, TargetMissing, WouldStarve
from autopilot.runtime.closing import Closing, closing_patch, held_up, paused_patch, succeeded
from autopilot.runtime.decide import Decision
from autopilot.runtime.inputs import InputMissing
from autopilot.runtime.refused import Refused
from autopilot.runtime.setbacks import Setback, WorkerRaised, setback_of
from autopilot.runtime.status import (
    HISTORY,
    Condition,
    Entered,
    camel_reason,
    conditions,
    difference,
    merged,
    phase_fields,
)
from autopilot.runtime.timers import Moment, Timer, timer_after, timer_at_start
from autopilot.runtime.view import is_paused
from autopilot.runtime.workers import Overran

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BEGAN = Moment(NOW, 100.0)
FIVE = timedelta(seconds=5)

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=8,
)
STATUSES = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def without_nulls(value: Any) -> Any:
    """As the API stores it: a null in a map is no key at all."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return value


@given(STATUSES, STATUSES)
def test_the_difference_makes_the_named_fields_equal_and_leaves_the_rest(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    old = without_nulls(old)
    patch = difference(old, new)
    after = merged(old, patch)
    for key, value in new.items():
        assert without_nulls(after.get(key)) == without_nulls(value)
    for key in set(old) - set(new):
        assert after[key] == old[key]


@given(STATUSES, STATUSES)
def test_nothing_is_written_twice(old: dict[str, Any], new: dict[str, Any]) -> None:
    old = without_nulls(old)
    after = merged(old, difference(old, new))
    assert difference(after, without_nulls(new)) == {}


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 1.0}, {}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({}, {"a": None}, {}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, {"a": {"y": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"x": 1}}, {"a": 3}, {"a": 3}),
    ],
)
def test_what_a_merge_patch_says(old: Any, new: Any, patch: Any) -> None:
    assert difference(old, new) == patch


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_that_is_written_reads_the_same(moment: datetime) -> None:
    assert parse_time(render_time(moment)) == moment


@pytest.mark.parametrize("text", [None, 7, "", "soon", {}])
def test_what_is_no_time_is_none(text: object) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Advanced", "Advanced"),
        ("at 10 %", "at10"),
        ("7up", "up"),
        ("", "Fallback"),
        ("%%", "Fallback"),
        ("A_b,c:", "A_b,c"),
    ],
)
def test_a_reason_is_put_into_the_form_that_the_api_accepts(text: str, reason: str) -> None:
    assert camel_reason(text, "Fallback") == reason


def cond(status: bool, reason: str = "R", message: str = "") -> list[Condition]:
    return [Condition("Ready", status, reason, message)]


def test_a_transition_time_moves_only_when_the_status_flips() -> None:
    first = conditions([], cond(True), generation=1, now=NOW, refresh=True)
    later = conditions(first, cond(True, "S", "new"), generation=2, now=NOW + FIVE, refresh=True)
    assert later[0]["lastTransitionTime"] == first[0]["lastTransitionTime"]
    assert (later[0]["reason"], later[0]["message"]) == ("S", "new")
    flipped = conditions(later, cond(False), generation=2, now=NOW + FIVE, refresh=True)
    assert flipped[0]["lastTransitionTime"] == "2026-05-01T12:00:05Z"


def test_a_message_alone_is_kept_unless_it_is_to_be_refreshed() -> None:
    first = conditions([], cond(True, "R", "1 %"), generation=1, now=NOW, refresh=True)
    kept = conditions(first, cond(True, "R", "2 %"), generation=1, now=NOW, refresh=False)
    assert kept == first
    fresh = conditions(first, cond(True, "R", "2 %"), generation=1, now=NOW, refresh=True)
    assert fresh[0]["message"] == "2 %"


def test_conditions_of_others_are_kept() -> None:
    foreign = {"type": "Approved", "status": "True"}
    made = conditions([foreign], cond(True), generation=1, now=NOW, refresh=True)
    assert made[1] == foreign


@pytest.mark.parametrize("old", [None, "x", {}, [None, 3]])
def test_conditions_that_a_hand_has_spoiled_are_made_anew(old: object) -> None:
    assert len(conditions(old, cond(True), generation=1, now=NOW, refresh=True)) == 1


@given(st.lists(st.sampled_from(["A", "B", "C"]), min_size=1, max_size=30))
def test_the_history_holds_the_last_ten_newest_last(names: list[str]) -> None:
    status: dict[str, Any] = {}
    for name in names:
        status |= phase_fields(status, [Entered(name, "Why")], NOW)
    assert [e["phase"] for e in status["phaseHistory"]] == names[-HISTORY:]
    assert status["phase"] == names[-1]


def body(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "r", "generation": 3}, "status": status}


def closing(**more: Any) -> Closing:
    ready, stalled = succeeded("Fine", "all well")
    return Closing(**{"now": NOW, "ready": ready, "stalled": stalled, **more})


def test_a_closing_that_says_nothing_new_writes_nothing() -> None:
    resource = body()
    resource["status"] = merged({}, closing_patch(resource, closing()))
    assert closing_patch(resource, closing(now=NOW + FIVE)) == {}


def test_a_closing_stores_generation_phase_and_tick() -> None:
    patch = closing_patch(body(), closing(entered=[Entered("A")], tick=NOW))
    assert patch["observedGeneration"] == 3
    assert patch["phase"] == "A"
    assert patch["nextTick"] == render_time(NOW)
    assert closing_patch(body(nextTick="x"), closing(tick=None))["nextTick"] is None
    assert "nextTick" not in closing_patch(body(nextTick="x"), closing())


def test_stalled_is_true_only_where_a_person_has_to_act() -> None:
    ready, stalled = held_up(Setback("NotOurs", "m", stalled=True))
    assert (ready.status, stalled.status, stalled.reason) == (False, True, "NotOurs")
    assert held_up(Setback("WorkerFailed", "m"))[1].status is False


def test_a_pause_is_written_once_and_ends_with_the_next_closing() -> None:
    resource = body()
    resource["status"] = merged({}, closing_patch(resource, closing()))
    resource["status"] = merged(resource["status"], paused_patch(resource, NOW))
    assert {c["type"] for c in resource["status"]["conditions"]} == {"Ready", "Stalled", "Paused"}
    again = copy.deepcopy(resource)
    assert paused_patch(again, NOW + FIVE) == {}
    after = merged(resource["status"], closing_patch(resource, closing()))
    assert {c["type"] for c in after["conditions"]} == {"Ready", "Stalled"}


@pytest.mark.parametrize(
    ("value", "paused"),
    [(None, False), ("false", False), ("False ", False), ("true", True), ("", True), ("x", True)],
)
def test_any_value_but_false_pauses(value: str | None, paused: bool) -> None:
    notes = {} if value is None else {"autopilot.mesh/paused": value}
    assert is_paused({"metadata": {"annotations": notes}}) is paused


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("enter", "after", "due", "pending", "timer"),
    [
        (None, None, True, None, Timer(105.0, None)),
        (None, 30 * SECOND, True, None, Timer(130.0, NOW + 30 * SECOND)),
        (None, 30 * SECOND, True, 101.0, Timer(130.0, NOW + 30 * SECOND)),
        (None, None, False, 103.0, Timer(103.0, ...)),
        (None, 30 * SECOND, False, 103.0, Timer(103.0, ...)),
        (None, 1 * SECOND, False, 103.0, Timer(101.0, NOW + SECOND)),
        (None, None, False, None, Timer(105.0, None)),
        (None, 30 * SECOND, False, None, Timer(130.0, NOW + 30 * SECOND)),
        ("Next", None, True, 103.0, Timer(None, None)),
        ("Next", 30 * SECOND, False, 103.0, Timer(130.0, NOW + 30 * SECOND)),
    ],
)
def test_when_the_timer_fires_next(
    enter: str | None, after: timedelta | None, due: bool, pending: float | None, timer: Timer
) -> None:
    decision = Decision("Here", enter=enter, after=after)
    assert timer_after(decision, due=due, pending=pending, began=BEGAN, interval=FIVE) == timer


@given(
    st.none() | st.floats(0.1, 1000).map(lambda s: timedelta(seconds=s)),
    st.floats(100.1, 1000),
    st.floats(0.1, 60).map(lambda s: timedelta(seconds=s)),
)
def test_a_sync_that_is_not_due_never_moves_a_tick_back_or_invents_one(
    after: timedelta | None, pending: float, interval: timedelta
) -> None:
    decision = Decision("Here", after=after)
    timer = timer_after(decision, due=False, pending=pending, began=BEGAN, interval=interval)
    assert timer.at is not None
    assert timer.at <= pending
    if after is None or 100.0 + after.total_seconds() >= pending:
        assert timer == Timer(pending, ...)


@pytest.mark.parametrize(
    ("stored", "at"),
    [(None, 105.0), (NOW + 7 * SECOND, 107.0), (NOW, None), (NOW - FIVE, None)],
)
def test_the_first_timer_follows_what_is_stored(stored: datetime | None, at: float | None) -> None:
    assert timer_at_start(stored, now=BEGAN, interval=FIVE) == at


def api(kind: type[Exception], status: int) -> Exception:
    return kind(status, "", "told")


@pytest.mark.parametrize(
    ("error", "reason", "stalled", "retry"),
    [
        (Refused("InvalidSpec", "m"), "InvalidSpec", True, False),
        (CacheUnavailable("m"), "InputsUnavailable", False, True),
        (InputMissing("m"), "InputMissing", False, True),
        (Overran("m", None), "WorkerOverran", False, True),
        (WorkerRaised(KeyError("k")), "WorkerFailed", False, True),
        (NotOurs("VirtualService a/b", "x"), "NotOurs", True, True),
        (HostTaken("web", "VirtualService a/b"), "HostTaken", True, True),
        (Contested("replicas", 3, 10), "Contested", True, True),
        (Held("replicas", "Canary a/b"), "Conflict", True, True),
        (WouldStarve("m"), "WouldStarve", False, True),
        (TargetMissing("m"), "TargetMissing", False, True),
        (api(Forbidden, 403), "Forbidden", True, True),
        (api(Invalid, 422), "Rejected", True, True),
        (api(FieldConflict, 409), "Conflict", True, True),
        (api(AlreadyExists, 409), "Conflict", True, True),
        (api(Conflict, 409), "WriteFailed", False, True),
        (api(NotFound, 404), "WriteFailed", False, True),
        (api(Unavailable, 503), "WriteFailed", False, True),
    ],
)
def test_what_becomes_of_an_error(
    error: Exception, reason: str, stalled: bool, retry: bool
) -> None:
    setback = setback_of(error, 0)
    assert setback is not None
    assert (setback.reason, setback.stalled, setback.retry) == (reason, stalled, retry)


def test_a_fault_of_the_api_shows_only_when_it_lasts() -> None:
    shown = [setback_of(Unavailable(503, "", "m"), n) for n in range(4)]
    assert [s.visible for s in shown if s] == [False, False, True, True]


def test_an_error_that_nobody_expected_is_not_explained_away() -> None:
    assert setback_of(KeyError("x"), 0) is None
