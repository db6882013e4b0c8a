"""One client that watches a kind: what concerns it, and a bounded buffer until it reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver.encoding import Body, dumps
from autopilot.sandbox.apiserver.history import Change, ChangeType, Entry, event_line

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects a list or a watch is about; None doesn't restrict."""

    namespace: str | None = None
    labels: Callable[[dict[str, str]], bool] | None = None
    fields: Callable[[Body], bool] | None = None

    @property
    def everything(self) -> bool:
        """Whether only the namespace restricts."""
        return self.labels is None and self.fields is None

    def matches(self, body: Body) -> bool:
        """Whether an object is selected."""
        metadata = body["metadata"]
        if self.namespace is not None and metadata.get("namespace", "") != self.namespace:
            return False
        if self.labels is not None and not self.labels(metadata.get("labels") or {}):
            return False
        return self.fields is None or self.fields(body)


@dataclass(frozen=True, slots=True)
class Event:
    """What a watcher is told. `line` is set when the stored form can be sent as it is."""

    type: ChangeType
    entry: Entry
    change: Change | None = None

    @property
    def line(self) -> bytes:
        """The event as a line of JSON of the stored object."""
        if self.change is not None:
            return self.change.line
        return event_line(self.type, self.entry.raw)


def seen_through(selection: Selection, change: Change) -> Event | None:
    """A change as somebody sees it who sees only a selection.

    An object whose labels change into the selection is ADDED to it, one that leaves is DELETED
    from it, with the body it had while it was in, under the version of the change.
    """
    if selection.everything:
        if selection.namespace in (None, change.entry.body["metadata"].get("namespace", "")):
            return Event(change.type, change.entry, change)
        return None
    was = change.before is not None and selection.matches(change.before.body)
    now = change.type != "DELETED" and selection.matches(change.entry.body)
    if now:
        if was == (change.type == "MODIFIED"):
            return Event(change.type, change.entry, change)
        return Event("ADDED", change.entry)
    if not was or change.before is None:
        return None
    if change.type == "DELETED":
        return Event("DELETED", change.entry, change)
    last = change.before.body
    body = {**last, "metadata": {**last["metadata"], "resourceVersion": str(change.version)}}
    return Event("DELETED", Entry(body, dumps(body), change.version))


class Watcher:
    """A subscriber of one kind.

    Args:
        selection: What it is told of.
        limit: Bytes that may wait; beyond that it is cut off (it stalls, or is too slow).
    """

    def __init__(
        self,
        selection: Selection,
        *,
        limit: int = 32 << 20,
    ) -> None:
        self.selection = selection
        self.closed = False
        self._limit = limit
        self.on_overflow: Callable[[], None] | None = None
        self._size = 0
        self._events: list[Event] = []
        self._wake: asyncio.Future[None] | None = None

    def offer(self, change: Change) -> None:
        """Tell it of a change, if that concerns it."""
        event = seen_through(self.selection, change)
        if event is not None:
            self.push(event)

    def prime(self, event: Event) -> None:
        """Queue an event of the first state, which may be larger than the limit."""
        self._events.append(event)

    def push(self, event: Event) -> None:
        """Queue an event."""
        if self.closed:
            return
        self._events.append(event)
        self._size += len(event.entry.raw)
        if self._size > self._limit:
            self._events.clear()
            self.close()
            if self.on_overflow is not None:
                self.on_overflow()
        self._notify()

    def close(self) -> None:
        """End it: what waits is still delivered, then the stream ends."""
        self.closed = True
        self._notify()

    def take(self) -> list[Event]:
        """All that waits."""
        events, self._events, self._size = self._events, [], 0
        return events

    async def wait(self, timeout: float) -> None:
        """Return when there is something to take, it is closed, or after `timeout` seconds."""
        if self._events or self.closed:
            return
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_later(timeout, self._notify)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
