"""A model test: whatever overtakes whatever, a store never goes back and ends at the truth."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from autopilot.kube.client import Listing
from autopilot.kube.store import Key, Store, key_of, uid_of, version_of

Body = dict[str, Any]
NAMES = st.sampled_from(["a", "b", "c"])
SELECTED = {"in": "yes"}


def selected(body: Body) -> bool:
    return bool(body["metadata"]["labels"] == SELECTED)


class World(RuleBasedStateMachine):
    """A server with a history, and a store fed by a list, a watch and our own late answers."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self.uids = itertools.count(1)
        self.objects: dict[Key, Body] = {}
        self.history: list[tuple[int, str, Body]] = []
        self.answers: list[Body] = []
        self.deletions: list[Body] = []
        self.store = Store(selected)
        self.cursor = 0
        self.snapshot: Listing | None = None
        self.highest: dict[Key, int] = {}
        self.certainly_gone: set[str] = set()
        self.mirror: dict[Key, Body] = {}
        self.list_now()

    # The server's side

    def write(self, name: str, labels: dict[str, str]) -> Body:
        self.version += 1
        key = ("ns", name)
        old = self.objects.get(key)
        uid = uid_of(old) if old else f"u{next(self.uids)}"
        meta = {
            "name": name,
            "namespace": "ns",
            "uid": uid,
            "resourceVersion": str(self.version),
            "labels": labels,
        }
        body = {"kind": "X", "metadata": meta}
        self.objects[key] = body
        was, now = old is not None and selected(old), selected(body)
        if was or now:
            change = "MODIFIED" if was and now else "ADDED" if now else "DELETED"
            self.history.append((self.version, change, body))
        return body

    def remove(self, key: Key) -> None:
        self.version += 1
        body = copy.deepcopy(self.objects.pop(key))
        was = selected(body)
        body["metadata"]["resourceVersion"] = str(self.version)
        if was:
            self.history.append((self.version, "DELETED", body))

    @rule(name=NAMES, inside=st.booleans(), ours=st.booleans())
    def somebody_writes(self, name: str, inside: bool, ours: bool) -> None:
        body = self.write(name, SELECTED if inside else {})
        if ours:
            self.answers.append(body)

    @rule(name=NAMES, ours=st.booleans())
    def somebody_deletes(self, name: str, ours: bool) -> None:
        key = ("ns", name)
        if key not in self.objects:
            return
        known = self.store.get(key)
        mine = ours and known is not None and uid_of(known) == uid_of(self.objects[key])
        self.remove(key)
        if mine:
            assert known is not None
            self.deletions.append(known)

    # What reaches the store, in any order

    def took(self, changes: list[tuple[Body | None, Body | None]]) -> None:
        for old, new in changes:
            key = key_of(new or old or {})
            assert self.mirror.get(key) == old, "a change begins where the last one ended"
            if new is None:
                del self.mirror[key]
                continue
            self.mirror[key] = new
            assert int(version_of(new)) > self.highest.get(key, 0), "a version goes back"
            assert uid_of(new) not in self.certainly_gone, "a deleted object comes back"
            self.highest[key] = int(version_of(new))

    @rule()
    def an_event_arrives(self) -> None:
        pending = [each for each in self.history if each[0] > self.cursor]
        if not pending or self.snapshot is not None:
            return
        version, change, body = pending[0]
        self.took(self.store.drop(body) if change == "DELETED" else self.store.put(body))
        self.cursor = version
        self.store.progress = str(version)

    @rule()
    def a_bookmark_arrives(self) -> None:
        if self.snapshot is None and not any(each[0] > self.cursor for each in self.history):
            self.cursor = self.version
            self.store.progress = str(self.version)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def an_answer_of_ours_arrives(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.answers) - 1))
        self.took(self.store.put(self.answers.pop(index), own=True))

    @precondition(lambda self: self.deletions)
    @rule(data=st.data())
    def our_deletion_is_confirmed(self, data: st.DataObject) -> None:
        body = self.deletions.pop(data.draw(st.integers(0, len(self.deletions) - 1)))
        self.took(self.store.drop(body, own=True))
        known = self.store.get(key_of(body))
        assert known is None or uid_of(known) != uid_of(body)
        self.certainly_gone.add(uid_of(body))

    @rule()
    def a_list_is_answered_by_the_server(self) -> None:
        if self.snapshot is None:
            self.store.begin_list()
            items = [copy.deepcopy(each) for each in self.objects.values() if selected(each)]
            self.snapshot = Listing(items, str(self.version))

    @rule()
    def the_list_arrives(self) -> None:
        if self.snapshot is not None:
            self.took(self.store.replace(self.snapshot))
            self.cursor = int(self.snapshot.resource_version)
            self.snapshot = None

    def list_now(self) -> None:
        self.a_list_is_answered_by_the_server()
        self.the_list_arrives()

    @invariant()
    def the_indexes_agree_with_the_objects(self) -> None:
        assert {key_of(each) for each in self.store.all()} == set(self.mirror)
        assert {key_of(each) for each in self.store.all("ns")} == set(self.mirror)

    def teardown(self) -> None:
        self.the_list_arrives()
        for body in self.answers:
            self.took(self.store.put(body, own=True))
        for body in self.deletions:
            self.took(self.store.drop(body, own=True))
        while any(each[0] > self.cursor for each in self.history):
            self.an_event_arrives()
        truth = {key: version_of(each) for key, each in self.objects.items() if selected(each)}
        assert {key_of(each): version_of(each) for each in self.store.all()} == truth


World.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestAStoreNeverGoesBackAndEndsAtTheTruth = World.TestCase
