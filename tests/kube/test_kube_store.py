from typing import Any

import pytest

from autopilot.kube.client import Listing
from autopilot.kube.marks import OWNER_UID
from autopilot.kube.store import GRAVES, Store, newer

Body = dict[str, Any]


def thing(name: str, version: int | str, uid: str = "", owner: str = "", **meta: Any) -> Body:
    labels = {OWNER_UID: owner} if owner else {}
    told = {"name": name, "namespace": "ns", "uid": uid or f"u-{name}", "labels": labels}
    return {"kind": "X", "metadata": {**told, "resourceVersion": str(version), **meta}}


def store_of(*bodies: Body, version: int | str = 10) -> Store:
    store = Store(lambda _body: True)
    store.replace(Listing([*bodies], str(version)))
    return store


def names(store: Store) -> list[str]:
    return [each["metadata"]["name"] for each in store.all()]


def test_the_first_list_is_all_new() -> None:
    store = Store(lambda _body: True)
    a = thing("a", 3)
    assert store.replace(Listing([a], "10")) == [(None, a)]
    assert store.get(("ns", "a")) is a


def test_a_list_brings_the_deletions_that_were_missed() -> None:
    a, b = thing("a", 3), thing("b", 4)
    store = store_of(a, b)
    assert store.replace(Listing([b], "20")) == [(a, None)]


def test_a_list_that_brings_nothing_new_changes_nothing() -> None:
    a = thing("a", 3)
    store = store_of(a)
    assert store.replace(Listing([thing("a", 3)], "20")) == []
    assert store.get(("ns", "a")) is a


def test_the_echo_of_an_own_write_is_no_change() -> None:
    store = store_of(thing("a", 3))
    assert len(store.put(thing("a", 11), own=True)) == 1
    assert store.put(thing("a", 11)) == []


def test_a_late_event_is_dropped() -> None:
    store = store_of(thing("a", 3))
    store.put(thing("a", 15), own=True)
    assert store.put(thing("a", 12)) == []
    assert store.drop(thing("a", 13)) == []
    assert names(store) == ["a"]


def test_an_object_that_was_made_anew_is_two_changes() -> None:
    old = thing("a", 3, uid="one")
    store = store_of(old)
    new = thing("a", 12, uid="two")
    assert store.put(new) == [(old, None), (None, new)]
    assert store.drop(thing("a", 11, uid="one")) == []


def test_a_deleted_object_is_not_brought_back_by_a_late_event() -> None:
    a = thing("a", 3)
    store = store_of(a)
    assert store.drop(a, own=True) == [(a, None)]
    assert store.put(thing("a", 12)) == []
    assert store.drop(thing("a", 13)) == []
    assert store.put(thing("a", 14, uid="another"))


def test_a_list_that_was_asked_for_before_our_deletion_does_not_bring_the_object_back() -> None:
    a = thing("a", 3)
    store = store_of(a)
    store.begin_list()
    store.drop(a, own=True)
    assert store.replace(Listing([thing("a", 3)], "11")) == []
    assert names(store) == []
    # One asked for afterwards is the truth: the deletion had not happened after all.
    store.begin_list()
    assert store.replace(Listing([thing("a", 12)], "12"))


def test_an_object_that_left_the_selection_and_was_deleted_by_us_stays_gone() -> None:
    store = Store(lambda body: "outside" not in body["metadata"]["labels"])
    a = thing("a", 1)
    store.replace(Listing([a], "1"))
    outside = thing("a", 2)
    outside["metadata"]["labels"] = {"outside": "yes"}
    store.put(outside, own=True)
    store.drop(a, own=True)
    assert store.put(thing("a", 3)) == []
    assert names(store) == []


def test_an_early_list_does_not_bring_back_what_came_before_the_one_that_left() -> None:
    store = Store(lambda body: "outside" not in body["metadata"]["labels"])
    store.replace(Listing([], "0"))
    store.begin_list()
    first = thing("a", 1, uid="u1")
    store.put(first, own=True)
    second = thing("a", 3, uid="u2")
    second["metadata"]["labels"] = {"outside": "yes"}
    assert store.put(second, own=True) == [(first, None)]
    assert store.replace(Listing([first], "1")) == []
    assert names(store) == []


def test_a_list_that_was_asked_for_before_our_write_does_not_take_it_away() -> None:
    store = store_of(version=10)
    store.begin_list()
    store.put(thing("a", 12), own=True)
    assert store.replace(Listing([], "11")) == []
    assert names(store) == ["a"]
    store.begin_list()
    assert len(store.replace(Listing([], "13"))) == 1


def test_a_late_answer_does_not_bring_back_what_the_watch_has_left_behind() -> None:
    store = store_of(version=20)
    assert store.put(thing("a", 15), own=True) == []
    assert store.put(thing("a", 25), own=True)


def test_an_object_held_by_finalizers_stays_when_we_delete_it() -> None:
    a = thing("a", 3, finalizers=["x/y"])
    store = store_of(a)
    assert store.drop(a, own=True) == []
    assert store.drop(thing("a", 12)) == [(a, None)]


def test_our_deletion_of_an_object_that_was_made_anew_leaves_the_new_one() -> None:
    store = store_of(thing("a", 3, uid="new"))
    assert store.drop(thing("a", 2, uid="old"), own=True) == []
    assert names(store) == ["a"]


def test_an_own_write_that_leaves_the_selection_leaves_the_store() -> None:
    store = Store(lambda body: bool(body["metadata"]["labels"]))
    a = thing("a", 3, owner="o")
    store.replace(Listing([a], "10"))
    assert store.put(thing("b", 11), own=True) == []
    assert store.put(thing("a", 12), own=True) == [(a, None)]
    back = thing("a", 13, owner="o")
    assert store.put(back) == [(None, back)]


def test_a_server_that_starts_anew_is_believed_although_its_versions_are_lower() -> None:
    store = store_of(thing("a", 90), thing("b", 91), version=100)
    fresh = thing("a", 2, uid="fresh")
    changes = store.replace(Listing([fresh], "5"))
    assert [new for _, new in changes if new] == [fresh]
    assert names(store) == ["a"]
    assert store.put(thing("b", 6, uid="fresh-b"))


def test_versions_that_are_no_numbers_only_tell_same_from_different() -> None:
    assert newer("10", "9")
    assert not newer("9", "10")
    assert not newer("9", "9")
    assert newer("abc", "abd")
    assert not newer("abc", "abc")
    store = store_of(thing("a", "v1"), version="l1")
    assert store.put(thing("a", "v2"))
    assert store.put(thing("a", "v2")) == []
    assert store.drop(thing("a", "v3"))
    store.begin_list()
    store.put(thing("b", "v4"), own=True)
    assert store.replace(Listing([], "l2")) == []
    assert names(store) == ["b"]


def test_bodies_are_found_by_namespace_and_by_owner() -> None:
    other = thing("c", 5, owner="o")
    other["metadata"]["namespace"] = "elsewhere"
    store = store_of(thing("a", 3, owner="o"), thing("b", 4), other)
    assert [each["metadata"]["name"] for each in store.all("ns")] == ["a", "b"]
    assert [each["metadata"]["name"] for each in store.owned_by("o")] == ["a", "c"]
    store.put(thing("a", 11, owner="p"))
    assert [each["metadata"]["name"] for each in store.owned_by("o")] == ["c"]
    assert [each["metadata"]["name"] for each in store.owned_by("p")] == ["a"]
    store.drop(thing("a", 12))
    assert [*store.owned_by("p")] == []
    assert len(store) == 2


def test_a_store_may_change_while_it_is_read() -> None:
    store = store_of(thing("a", 3, owner="o"), thing("b", 4, owner="o"))
    for bodies in (store.all(), store.all("ns"), store.owned_by("o")):
        for body in bodies:
            store.drop({**body, "metadata": {**body["metadata"], "resourceVersion": "99"}})


@pytest.mark.parametrize("count", [GRAVES + 50])
def test_graves_are_bounded(count: int) -> None:
    store = store_of()
    for number in range(count):
        store.put(thing(f"n{number}", 11 + 2 * number))
        store.drop(thing(f"n{number}", 12 + 2 * number))
    assert len(store._graves) == GRAVES
