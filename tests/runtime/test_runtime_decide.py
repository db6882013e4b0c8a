"""From an answer to a decision: pure, and all or nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from runtime_kit import CONFIG_MAPS, MAPS_OUT, RAMP, config_map

from autopilot.mesh.actions import Scale, Split
from autopilot.runtime.assemble import machine_of
from autopilot.runtime.decide import Decision, Subject, changed_status, decide
from autopilot.runtime.definition import OperatorDefinition, PhaseDefinition
from autopilot.runtime.inputs import Item
from autopilot.runtime.outputs import read_outputs
from autopilot.runtime.refused import Refused
from autopilot.runtime.result import UNCHANGED, Result
from autopilot.runtime.status import merged
from autopilot.spec.model import Model, Spec, Status


class Leg(Model):
    flown_km: int = 0
    note: str | None = None


class FlightStatus(Status):
    canary_weight: int = 0
    since: datetime | None = None
    legs: list[Leg] = Field(default_factory=list)
    by_name: dict[str, int] = Field(default_factory=dict)


@dataclass
class Outputs:
    configmaps: Any = UNCHANGED


UP = PhaseDefinition(
    "Up", initial=True, outputs=(MAPS_OUT,), actions=("split",), transitions=("Down",)
)
DEFINITION = OperatorDefinition(
    "flight",
    RAMP,
    (UP, PhaseDefinition("Down", transitions=("Up", "End")), PhaseDefinition("End", final=True)),
    spec=Spec,
    status=FlightStatus,
)


def subject(finalizing: bool = False, **status: Any) -> Subject:
    return Subject(DEFINITION, machine_of(DEFINITION), UP, "default", status, finalizing)


def split(host: str = "web") -> Split:
    return Split(host, {"a": 100}, "a")


def test_an_answer_becomes_a_decision_with_everything_on_the_wire() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    result: Result[Outputs] = Result.to(
        "Down",
        outputs=Outputs(configmaps=[{"metadata": {"name": "out"}, "data": {"a": "b"}}]),
        actions=[split()],
        status={"canary_weight": 5, "since": at, "legs": [Leg(flown_km=3)]},
        reason="Descending",
        message="low on fuel",
        after="30s",
    )
    decision = decide(subject(), result)
    assert decision.enter == "Down"
    assert decision.status == {
        "canaryWeight": 5,
        "since": "2026-01-02T00:00:00Z",
        "legs": [{"flownKm": 3}],
    }
    assert decision.outputs[0].bodies == (config_map("out", a="b"),)
    assert decision.actions == (split(),)
    assert (decision.reason, decision.message) == ("Descending", "low on fuel")
    assert decision.after == timedelta(seconds=30)
    assert not decision.quiet


@pytest.mark.parametrize(
    ("result", "reason", "quiet"),
    [
        (Result.stay(), "Up", True),
        (Result.stay(message="m"), "Up", False),
        (Result.stay(reason="R"), "R", False),
        (Result.to("Down"), "Down", False),
        (Result.to("Up"), "Up", True),
    ],
)
def test_a_reason_is_made_up_from_the_phase(result: Any, reason: str, quiet: bool) -> None:
    decision = decide(subject(), result)
    assert (decision.reason, decision.quiet) == (reason, quiet)


def test_entering_the_present_phase_is_staying() -> None:
    assert decide(subject(), Result.to("Up")).enter is None


@pytest.mark.parametrize(
    ("given_status", "wire"),
    [
        ({"canary_weight": 3}, {"canaryWeight": 3}),
        ({"canaryWeight": 3}, {"canaryWeight": 3}),
        ({"canary_weight": "3"}, {"canaryWeight": 3}),
        ({"since": None}, {"since": None}),
        ({"legs": [{"flownKm": 1, "note": None}]}, {"legs": [{"flownKm": 1}]}),
        ({"by_name": {"snake_key": 1}}, {"byName": {"snake_key": 1}}),
        ({}, {}),
        (None, {}),
    ],
)
def test_status_fields_may_be_spelled_either_way(given_status: Any, wire: Any) -> None:
    assert decide(subject(), Result.stay(status=given_status)).status == wire


def test_a_whole_status_model_may_be_given() -> None:
    model: Any = FlightStatus(canary_weight=4)
    decision = decide(subject(), Result.stay(status=model))
    assert decision.status["canaryWeight"] == 4
    assert changed_status(decision, {"canaryWeight": 4, "legs": [], "byName": {}}) == {}


def test_what_is_stored_and_not_named_stays() -> None:
    stored = {"canaryWeight": 7, "phase": "Up", "byName": {"a": 1, "b": 2}}
    decision = decide(subject(**stored), Result.stay(status={"by_name": {"a": 1}}))
    assert merged(stored, changed_status(decision, stored)) == {
        "canaryWeight": 7,
        "phase": "Up",
        "byName": {"a": 1},
    }


def test_a_field_that_was_stored_wrong_is_named_with_the_rest() -> None:
    with pytest.raises(Refused, match=r"status.canaryWeight.*status.legs\[0\].flown_km"):
        decide(subject(), Result.stay(status={"canary_weight": "x", "legs": [{"flown_km": "far"}]}))


def test_two_actions_on_one_thing_are_refused() -> None:
    with pytest.raises(Refused, match="two split actions for web"):
        decide(subject(), Result.stay(actions=[split(), split()]))
    decide(subject(), Result.stay(actions=[split(), split("shop")]))
    with pytest.raises(Refused, match="scale, which it doesn't"):
        decide(subject(), Result.stay(actions=[Scale("web", 0)]))


@pytest.mark.parametrize(("actions", "taken"), [(None, None), ([], ()), ((), ())])
def test_no_actions_and_unsaid_actions_are_two_things(actions: Any, taken: Any) -> None:
    assert decide(subject(), Result.stay(actions=actions)).actions == taken


def test_only_a_finalizer_may_be_done() -> None:
    assert decide(subject(finalizing=True), Result.done()).finished
    with pytest.raises(Refused, match="ends a finalizer"):
        decide(subject(), Result.done())


@pytest.mark.parametrize("kept", [None, UNCHANGED])
def test_an_unchanged_kind_is_not_spoken_of(kept: Any) -> None:
    assert read_outputs(UP, Outputs(kept), "default") == ()
    assert read_outputs(UP, {"secrets": kept}, "default") == ()
    assert read_outputs(UP, Outputs([]), "default")[0].bodies == ()


def test_an_item_may_be_returned_and_is_copied() -> None:
    body = {"metadata": {"name": "x"}, "data": {"a": "1"}}
    taken = read_outputs(UP, Outputs([Item(body)]), "default")[0].bodies[0]
    taken["data"]["a"] = "2"
    assert body["data"] == {"a": "1"}
    assert taken["apiVersion"] == CONFIG_MAPS.api_version


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(UNCHANGED),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "name", "namespace", "kind", "status", "data", "configmaps", "phase"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.none() | st.sampled_from(["Up", "Down", "End", "Nowhere"]),
    ANYTHING,
    ANYTHING,
    ANYTHING,
    st.booleans(),
)
def test_whatever_a_worker_returns_is_decided_or_refused_with_a_reason(
    target: str | None, outputs: Any, status: Any, actions: Any, done: bool
) -> None:
    result: Result[Any] = Result(target, outputs, actions, status, finished=done)
    try:
        decision = decide(subject(), result)
    except Refused as refused:
        assert refused.reason.isalnum()
        assert str(refused)
    else:
        assert isinstance(decision, Decision)
        assert decision.enter in {None, "Down"}
        assert set(decision.status) <= {"canaryWeight", "since", "legs", "byName"}
        for kind in decision.outputs:
            for body in kind.bodies:
                assert body["metadata"]["namespace"] == "default"
                assert not {"uid", "resourceVersion", "managedFields"} & set(body["metadata"])
