import copy

import jsonpatch
import pytest
from hypothesis import given
from pure_values import OBJECTS, calm

from autopilot.sandbox.apiserver.jsonvalue import json_equal
from autopilot.sandbox.apiserver.patch import MAX_OPERATIONS, PatchError, json_patch, merge_patch


@calm
@given(OBJECTS, OBJECTS)
def test_the_difference_of_two_documents_leads_from_one_to_the_other_and_back(one, other):
    before = copy.deepcopy(one)
    there = jsonpatch.make_patch(one, other).patch
    back = jsonpatch.make_patch(other, one).patch
    changed = json_patch(one, there)
    assert changed == other
    assert json_patch(changed, back) == one
    assert json_equal(one, before), "the input was mutated"


@pytest.mark.parametrize(
    ("doc", "op", "expected"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": 1}, {"op": "add", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": 1}, {"op": "add", "path": "", "value": {"b": 1}}, {"b": 1}),
        ({"a": {"b": 1}}, {"op": "remove", "path": "/a/b"}, {"a": {}}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/1", "value": 3}, {"a": [1, 3]}),
        ({"a": 1}, {"op": "move", "from": "/a", "path": "/b"}, {"b": 1}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": {"b": 1}}, {"op": "copy", "from": "/a", "path": "/c"},
         {"a": {"b": 1}, "c": {"b": 1}}),
        ({"x/y": {"t~u": 1}}, {"op": "replace", "path": "/x~1y/t~0u", "value": 2},
         {"x/y": {"t~u": 2}}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": 1.0}, {"a": 1}),
        ({"a": None}, {"op": "test", "path": "/a", "value": None}, {"a": None}),
        ({"a": 1}, {"op": "test", "path": "/b", "value": None}, {"a": 1}),
    ],
)  # fmt: skip
def test_each_operation_does_what_rfc_6902_says(doc, op, expected):
    assert json_equal(json_patch(doc, [op]), expected)


@pytest.mark.parametrize(
    "op",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/flag", "value": 1},
        {"op": "test", "path": "/list/7", "value": None},
        {"op": "remove", "path": "/b"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/list/-1", "value": 1},
        {"op": "move", "from": "/b", "path": "/c"},
        {"op": "move", "from": "/in", "path": "/in/deep"},
        {"op": "copy", "from": "/b", "path": "/c"},
        {"op": "replace", "path": "", "value": [1]},
    ],
)
def test_an_operation_that_does_not_apply_answers_422_in_the_real_servers_words(op):
    with pytest.raises(PatchError) as caught:
        json_patch({"a": 1, "flag": True, "list": [1, 2], "in": {}}, [op])
    assert (caught.value.status, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == (
        "the server rejected our request due to an error in our request"
    )


@pytest.mark.parametrize(
    "ops",
    [
        {"op": "add"},
        ["add"],
        [{"op": "merge", "path": "/a"}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "copy", "path": "/a"}],
    ],
)
def test_what_is_no_json_patch_answers_400(ops):
    with pytest.raises(PatchError) as caught:
        json_patch({"a": 1}, ops)
    assert caught.value.status == 400


def test_a_patch_applies_as_a_whole_or_not_at_all():
    doc = {"a": 1}
    with pytest.raises(PatchError):
        json_patch(doc, [{"op": "remove", "path": "/a"}, {"op": "test", "path": "/a", "value": 1}])
    assert doc == {"a": 1}


def test_too_many_operations_answer_413():
    ops = [{"op": "test", "path": "/a", "value": 1}] * (MAX_OPERATIONS + 1)
    with pytest.raises(PatchError) as caught:
        json_patch({"a": 1}, ops)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("doc", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": True}, {"a": True}),
    ],
)
def test_merge_patch_passes_the_examples_of_rfc_7386(doc, patch, expected):
    assert json_equal(merge_patch(doc, patch), expected)


@calm
@given(OBJECTS, OBJECTS)
def test_a_merge_patch_applied_twice_changes_nothing_more_and_answers_the_same_object(doc, patch):
    before = copy.deepcopy(doc)
    once = merge_patch(doc, patch)
    assert merge_patch(once, patch) is once
    assert json_equal(doc, before), "the input was mutated"


def test_a_merge_patch_that_is_no_object_answers_400():
    with pytest.raises(PatchError) as caught:
        merge_patch({}, ["a"])
    assert caught.value.status == 400


def test_parts_that_a_patch_leaves_alone_are_shared_not_copied():
    doc = {"big": {"deep": [1, 2]}, "small": {"n": 1}}
    assert merge_patch(doc, {"small": {"n": 2}})["big"] is doc["big"]
    changed = json_patch(doc, [{"op": "replace", "path": "/small/n", "value": 2}])
    assert changed["big"] is doc["big"]


def test_a_merge_patch_with_equal_values_answers_the_same_object():
    doc = {"list": [1, {"a": True}], "map": {"b": 1}}
    assert merge_patch(doc, {"list": [1, {"a": True}], "map": {"b": 1}, "gone": None}) is doc
