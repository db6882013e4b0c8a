from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.kube.differ import EVERYTHING, differs, project

Body = dict[str, Any]

WANTED: Body = {
    "apiVersion": "v1",
    "kind": "X",
    "metadata": {"name": "a", "namespace": "n", "labels": {"l": "1"}},
    "spec": {"cpu": "1000m", "list": [{"name": "x"}], "empty": {}},
}
ANSWER: Body = {
    "apiVersion": "v1",
    "kind": "X",
    "metadata": {
        "name": "a",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "5",
        "labels": {"l": "1", "theirs": "2"},
    },
    "spec": {"cpu": "1", "list": [{"name": "x", "port": 80}], "empty": {}, "defaulted": True},
    "status": {"ready": 1},
}


def changed(base: Body, *path: str, to: Any) -> Body:
    copy = dict(base)
    if len(path) > 1:
        copy[path[0]] = changed(base.get(path[0], {}), *path[1:], to=to)
    elif to is None:
        copy.pop(path[0], None)
    else:
        copy[path[0]] = to
    return copy


def test_after_a_restart_one_apply_is_due() -> None:
    assert differs(WANTED, None, ANSWER, ANSWER) == [EVERYTHING]
    assert differs(WANTED, WANTED, None, ANSWER) == [EVERYTHING]


def test_what_is_not_there_has_to_be_made() -> None:
    assert differs(WANTED, WANTED, ANSWER, None) == [EVERYTHING]


def test_defaults_and_quantities_do_not_loop() -> None:
    assert differs(WANTED, WANTED, ANSWER, ANSWER) == []


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("spec", "defaulted"), False),
        (("status", "ready"), 3),
        (("metadata", "labels", "theirs"), "9"),
        (("metadata", "resourceVersion"), "77"),
        (("metadata", "annotations"), {"x": "y"}),
        (("spec", "empty"), {"filled": "by others"}),
        (("spec", "new"), "field"),
    ],
)
def test_fields_that_we_do_not_apply_are_no_business_of_ours(
    path: tuple[str, ...], to: Any
) -> None:
    assert differs(WANTED, WANTED, ANSWER, changed(ANSWER, *path, to=to)) == []


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("spec", "cpu"), "2", "spec.cpu"),
        (("spec", "cpu"), None, "spec.cpu"),
        (("spec", "list"), [{"name": "x", "port": 81}], "spec.list"),
        (("spec", "list"), [], "spec.list"),
        (("spec", "empty"), None, "spec.empty"),
        (("metadata", "labels", "l"), None, "metadata.labels.l"),
        (("metadata", "labels"), None, "metadata.labels.l"),
    ],
)
def test_drift_in_a_field_of_ours_is_told_by_its_path(
    path: tuple[str, ...], to: Any, told: str
) -> None:
    assert differs(WANTED, WANTED, ANSWER, changed(ANSWER, *path, to=to)) == [told]


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("spec", "cpu"), "2", "spec.cpu"),
        (("spec", "cpu"), None, "spec.cpu"),
        (("spec", "added"), 1, "spec.added"),
        (("metadata", "annotations"), {"autopilot.mesh/x": "1"}, "metadata.annotations"),
        (("metadata", "labels", "l"), "2", "metadata.labels.l"),
        (("spec", "empty"), {"x": 1}, "spec.empty.x"),
    ],
)
def test_a_change_of_mind_is_told_by_its_path(path: tuple[str, ...], to: Any, told: str) -> None:
    assert told in differs(changed(WANTED, *path, to=to), WANTED, ANSWER, ANSWER)


def test_true_is_not_one() -> None:
    one, true = {"spec": {"x": 1}}, {"spec": {"x": True}}
    assert differs(true, one, one, one)


def test_null_is_the_same_as_absent() -> None:
    assert differs({"spec": {"x": None}}, {"spec": {}}, {"spec": {}}, {"spec": {}}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(["spec", "data"]), JSON, max_size=2)


@given(applied=BODIES, answer=BODIES, live=BODIES)
def test_the_kept_part_of_an_answer_judges_as_the_whole_does(
    applied: Body, answer: Body, live: Body
) -> None:
    kept = project(applied, answer)
    assert differs(applied, applied, kept, live) == differs(applied, applied, answer, live)


@given(applied=BODIES, answer=BODIES)
def test_nothing_differs_from_itself(applied: Body, answer: Body) -> None:
    assert differs(applied, applied, answer, answer) == []
