"""The data: objects by kind, namespace and name, one resourceVersion over all, and its history.

Nothing here knows Kubernetes' rules. A body that is stored is never changed in place; a write
replaces it, so that a list, a watch event and the history can share one object and its bytes.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver.encoding import Body, dumps
from autopilot.sandbox.apiserver.history import Change, ChangeType, Entry, History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autopilot.sandbox.apiserver.watchers import Watcher


@dataclass(slots=True)
class Shelf:
    """The objects of one kind."""

    spaces: dict[str, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    watchers: set[Watcher] = field(default_factory=set)


class Database:
    """Objects, versions and who is told of them.

    Args:
        history_bytes: How much of the past a watch can catch up on, in bytes of JSON.
    """

    def __init__(self, *, history_bytes: int = 16 << 20) -> None:
        # Wall-clock microseconds: no restart ever goes back, and 2^53 is 200 years away.
        self.version = time.time_ns() // 1000
        self.history = History(self.version, history_bytes)
        self.hooks: list[Callable[[Change], None]] = []
        self._shelves: dict[str, Shelf] = defaultdict(Shelf)
        self._dependents: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
        self._by_uid: dict[str, tuple[str, str, str]] = {}

    def shelf(self, storage: str) -> Shelf:
        """The objects and watchers of a kind."""
        return self._shelves[storage]

    def get(self, storage: str, namespace: str, name: str) -> Entry | None:
        """One object, or None."""
        space = self._shelves[storage].spaces.get(namespace)
        return space.get(name) if space else None

    def entries(self, storage: str, namespace: str | None = None) -> list[Entry]:
        """The objects of a kind by namespace and name; all namespaces if None."""
        spaces = self._shelves[storage].spaces
        names = sorted(spaces) if namespace is None else [namespace] if namespace in spaces else []
        return [spaces[space][name] for space in names for name in sorted(spaces[space])]

    def storages(self) -> Iterator[str]:
        """What has ever been stored or watched."""
        return iter(list(self._shelves))

    def owned_by(self, uid: str) -> list[tuple[str, str, str]]:
        """(storage, namespace, name) of the objects that name this uid as an owner."""
        return sorted(self._dependents.get(uid, ()))

    def place_of(self, uid: str) -> tuple[str, str, str] | None:
        """Where the living object with this uid is."""
        return self._by_uid.get(uid)

    def put(self, storage: str, body: Body) -> Entry:
        """Store a body under the next resourceVersion and tell the watchers."""
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        self.version += 1
        body = {**body, "metadata": {**metadata, "resourceVersion": str(self.version)}}
        entry = Entry(body, dumps(body), self.version)
        space = self._shelves[storage].spaces[namespace]
        before = space.get(name)
        space[name] = entry
        self._index(storage, before, entry)
        self._publish(Change("MODIFIED" if before else "ADDED", storage, entry, before))
        return entry

    def remove(self, storage: str, namespace: str, name: str, body: Body | None = None) -> Entry:
        """Take an object away; the event carries its last body under a version of its own."""
        spaces = self._shelves[storage].spaces
        before = spaces[namespace].pop(name)
        if not spaces[namespace]:
            del spaces[namespace]
        self.version += 1
        last = body or before.body
        last = {**last, "metadata": {**last["metadata"], "resourceVersion": str(self.version)}}
        entry = Entry(last, dumps(last), self.version)
        self._index(storage, before, None)
        self._publish(Change("DELETED", storage, entry, before))
        return entry

    def forget_history(self) -> None:
        """Move the beginning of history to now."""
        self.history.clear(self.version)

    def _publish(self, change: Change) -> None:
        self.history.append(change)
        for watcher in self._shelves[change.storage].watchers.copy():
            watcher.offer(change)
        for hook in self.hooks:
            hook(change)

    def _index(self, storage: str, before: Entry | None, after: Entry | None) -> None:
        old = before.body["metadata"] if before else {}
        new = after.body["metadata"] if after else {}
        if old.get("uid") != new.get("uid"):
            if old:
                self._by_uid.pop(old["uid"], None)
            if new:
                self._by_uid[new["uid"]] = _key(storage, new)
        was, now = old.get("ownerReferences"), new.get("ownerReferences")
        if was == now:
            return
        key = _key(storage, new or old)
        for reference in was or ():
            self._dependents[reference["uid"]].discard(key)
            if not self._dependents[reference["uid"]]:
                del self._dependents[reference["uid"]]
        for reference in now or ():
            self._dependents[reference["uid"]].add(key)


def _key(storage: str, metadata: Body) -> tuple[str, str, str]:
    return storage, metadata.get("namespace", ""), metadata["name"]


__all__ = ["Change", "ChangeType", "Database", "Entry", "Shelf"]
