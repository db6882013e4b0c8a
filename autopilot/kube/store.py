"""What a cache knows, as a pure data structure: versions only move forward.

News comes from three sides that overtake one another: a list, the watch behind it, and the answers
to our own writes. Each object keeps the newest resourceVersion seen, whoever brought it; a deleted
one leaves a grave, so that a late event can't bring it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.kube.client import Body, Listing
from autopilot.kube.marks import OWNER_UID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""

Change = tuple[Body | None, Body | None]
"""Before and after; None where there was nothing, or is nothing any more."""

GRAVES = 4096
"""The newest deletions that are remembered: far more than can be overtaken by a late event."""


def key_of(body: Body) -> Key:
    """Where a body belongs."""
    meta = body["metadata"]
    return str(meta.get("namespace") or ""), str(meta["name"])


def version_of(body: Body) -> str:
    """A body's resourceVersion."""
    return str(body["metadata"].get("resourceVersion", ""))


def uid_of(body: Body) -> str:
    """A body's uid."""
    return str(body["metadata"].get("uid", ""))


def newer(left: str, right: str) -> bool:
    """Whether resourceVersion `left` is newer; versions that are no numbers count when different.

    The API promises an order since Kubernetes 1.35, and always kept one for the kinds in etcd.
    """
    if left.isdigit() and right.isdigit():
        return int(left) > int(right)
    return left != right


def _beyond(left: str, right: str) -> bool:
    return left.isdigit() and right.isdigit() and int(left) > int(right)


@dataclass(frozen=True, slots=True)
class _Grave:
    uid: str
    version: str
    certain: bool
    """The object itself is gone, not just out of the selection: its uid never comes back."""


class Store:
    """Objects of one kind and selection.

    Args:
        matches: Whether a body belongs to the selection; asked for our own writes only.
    """

    def __init__(self, matches: Callable[[Body], bool]) -> None:
        self._matches = matches
        self._objects: dict[Key, Body] = {}
        self._by_namespace: dict[str, dict[Key, Body]] = {}
        self._by_owner: dict[str, dict[Key, Body]] = {}
        self._graves: dict[Key, _Grave] = {}
        self._since_list: set[Key] = set()
        self.progress = ""
        """The newest resourceVersion that a list, an event or a bookmark brought."""

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> Body | None:
        """The body under a key."""
        return self._objects.get(key)

    def all(self, namespace: str | None = None) -> Iterator[Body]:
        """All bodies, or those of one namespace."""
        if namespace is None:
            return iter([*self._objects.values()])
        return iter([*self._by_namespace.get(namespace, {}).values()])

    def owned_by(self, uid: str) -> Iterator[Body]:
        """The bodies whose label names this owner."""
        return iter([*self._by_owner.get(uid, {}).values()])

    def begin_list(self) -> None:
        """Say that a list is about to be asked for: what we do from now on may not be in it."""
        self._since_list.clear()

    def replace(self, listing: Listing) -> list[Change]:
        """Take in a list, with the deletions that were missed.

        A list older than what the watch has shown means that the API's history was reset (a sandbox
        started anew, a backup restored): then it is the truth, whatever the versions say.
        """
        reset = _beyond(self.progress, listing.resource_version)
        self.progress = listing.resource_version
        changes: list[Change] = []
        seen: set[Key] = set()
        for body in listing.items:
            key = key_of(body)
            seen.add(key)
            if self._left_since(key, body):
                continue
            self._graves.pop(key, None)
            known = self._objects.get(key)
            if known is None or reset or newer(version_of(body), version_of(known)):
                changes += self._set(key, known, body)
        for key in [key for key in self._objects if key not in seen]:
            known = self._objects[key]
            if self._outlives(key, version_of(known), listing.resource_version, reset=reset):
                continue
            self._bury(key, _Grave(uid_of(known), listing.resource_version, certain=False))
            changes += self._unset(key, known)
        return changes

    def put(self, body: Body, *, own: bool = False) -> list[Change]:
        """Take in a body from an event, or (`own`) from the answer to a write of ours."""
        key, version = key_of(body), version_of(body)
        known, grave = self._objects.get(key), self._graves.get(key)
        if grave and (
            (grave.certain and grave.uid == uid_of(body)) or not newer(version, grave.version)
        ):
            return []
        if known is not None and not newer(version, version_of(known)):
            return []
        if own:
            if known is None and not newer(version, self.progress):
                # The watch has passed this version: it is gone again, or never was ours to see.
                return []
            self._since_list.add(key)
            if not self._matches(body):
                if known is None:
                    return []
                self._bury(key, _Grave(uid_of(body), version, certain=False))
                return self._unset(key, known)
        self._graves.pop(key, None)
        return self._set(key, known, body)

    def drop(self, body: Body, *, own: bool = False) -> list[Change]:
        """Take in a deletion from an event, or (`own`) one of ours that is known to be done.

        One of ours is passed over while finalizers hold the object.
        """
        key, version, uid = key_of(body), version_of(body), uid_of(body)
        known, grave = self._objects.get(key), self._graves.get(key)
        if known is None:
            same = grave is not None and grave.uid == uid
            if grave is None or newer(version, grave.version):
                again = same and grave is not None and grave.certain
                self._bury(key, _Grave(uid, version, certain=own or again))
            elif own and same:
                self._bury(key, _Grave(uid, grave.version, certain=True))
            return []
        if own:
            if uid_of(known) != uid or known["metadata"].get("finalizers"):
                return []
            self._since_list.add(key)
            version = version_of(known)
        elif _beyond(version_of(known), version):
            return []
        self._bury(key, _Grave(uid, version, certain=own))
        return self._unset(key, known)

    def _left_since(self, key: Key, body: Body) -> bool:
        """Whether an answer of ours says that a listed object has gone since the list was made."""
        grave = self._graves.get(key)
        if key not in self._since_list or grave is None:
            return False
        return grave.uid == uid_of(body) or not newer(version_of(body), grave.version)

    def _outlives(self, key: Key, version: str, listed: str, *, reset: bool) -> bool:
        """Whether an object that a list lacks is newer than the list."""
        ours = key in self._since_list
        if version.isdigit() and listed.isdigit():
            return (ours or not reset) and _beyond(version, listed)
        return ours

    def _set(self, key: Key, known: Body | None, body: Body) -> list[Change]:
        if known is not None:
            self._unindex(key, known)
        self._objects[key] = body
        self._by_namespace.setdefault(key[0], {})[key] = body
        if owner := _owner(body):
            self._by_owner.setdefault(owner, {})[key] = body
        if known is None:
            return [(None, body)]
        if uid_of(known) != uid_of(body):
            return [(known, None), (None, body)]
        if version_of(known) == version_of(body):
            return []
        return [(known, body)]

    def _unset(self, key: Key, known: Body) -> list[Change]:
        self._unindex(key, known)
        del self._objects[key]
        return [(known, None)]

    def _unindex(self, key: Key, known: Body) -> None:
        for index, value in ((self._by_namespace, key[0]), (self._by_owner, _owner(known))):
            keys = index.get(value)
            if keys is None:
                continue
            keys.pop(key, None)
            if not keys:
                del index[value]

    def _bury(self, key: Key, grave: _Grave) -> None:
        self._graves.pop(key, None)
        self._graves[key] = grave
        if len(self._graves) > GRAVES:
            del self._graves[next(iter(self._graves))]


def _owner(body: Body) -> str:
    return str((body["metadata"].get("labels") or {}).get(OWNER_UID, ""))
