"""What happened lately, bounded in bytes: a watch that starts in the past catches up from here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.encoding import Body

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
_OVERHEAD = 256


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An object as stored: its body (never changed in place), its JSON and its version."""

    body: Body
    raw: bytes
    version: int


class Change:
    """One write: what it was, the object after it, and the one before."""

    __slots__ = ("_line", "before", "entry", "storage", "type", "version")

    def __init__(self, type_: ChangeType, storage: str, entry: Entry, before: Entry | None) -> None:
        self.type: ChangeType = type_
        self.storage = storage
        self.entry = entry
        self.before = before
        self.version = entry.version
        self._line: bytes | None = None

    @property
    def line(self) -> bytes:
        """The watch event as one line of JSON, made once for all watchers."""
        if self._line is None:
            self._line = event_line(self.type, self.entry.raw)
        return self._line


def event_line(type_: str, raw: bytes) -> bytes:
    """A watch event around an object's JSON."""
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), raw)


class History:
    """The latest changes, oldest first.

    Args:
        start: The version before the first change.
        limit: Bytes of JSON kept; a bound in entries would not bound the memory.
    """

    def __init__(self, start: int, limit: int) -> None:
        self.floor = start
        self._limit = limit
        self._size = 0
        self._changes: deque[Change] = deque()

    def append(self, change: Change) -> None:
        """Remember a change, forgetting the oldest beyond the limit."""
        self._changes.append(change)
        self._size += len(change.entry.raw) + _OVERHEAD
        while self._size > self._limit and len(self._changes) > 1:
            self._forget()

    def clear(self, version: int) -> None:
        """Forget everything up to a version: a watch from before it has to list again."""
        while self._changes:
            self._forget()
        self.floor = version

    def since(self, version: int, storage: str) -> list[Change] | None:
        """The changes of a kind after a version; None if some of them are forgotten."""
        if version < self.floor:
            return None
        found = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            if change.storage == storage:
                found.append(change)
        found.reverse()
        return found

    def _forget(self) -> None:
        gone = self._changes.popleft()
        self._size -= len(gone.entry.raw) + _OVERHEAD
        self.floor = gone.version
