"""Watches over HTTP: one JSON object a line, for as long as it takes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from autopilot.sandbox.apiserver import errors
from autopilot.sandbox.apiserver.encoding import dumps
from autopilot.sandbox.apiserver.history import event_line
from autopilot.sandbox.apiserver.watchers import Event, Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.sandbox.apiserver.calls import Call
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.views import View

BOOKMARK_EVERY = 10.0
"""Seconds between bookmarks: far below the 70 s after which clients take a watch for dead."""


@dataclass(slots=True, eq=False)
class Stream:
    """An open watch."""

    resource: str
    watcher: Watcher
    transport: asyncio.Transport | None
    expired: bool = False

    def cut(self) -> None:
        """Close the connection under it."""
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.transport.abort()  # close() would wait for a client that doesn't read
        elif self.transport is not None:
            self.transport.close()
        self.watcher.close()

    def expire(self) -> None:
        """End it with an ERROR 410."""
        self.expired = True
        self.watcher.close()


class Streams:
    """The open watches, and how one is served."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._open: set[Stream] = set()

    def __len__(self) -> int:
        return len(self._open)

    def of(self, resource: str) -> list[Stream]:
        """The open watches of a resource; `*` for all."""
        return [one for one in self._open if resource in ("*", one.resource)]

    def close(self) -> None:
        """End all watches."""
        for stream in self.of("*"):
            stream.watcher.close()

    async def serve(
        self, request: web.BaseRequest, call: Call, view: View, trouble: Sequence[tuple[str, float]]
    ) -> web.StreamResponse:
        """Answer a watch request until it ends.

        A fault's `trouble` is (`cut` or `expire`, seconds after the start).

        Raises:
            ApiError: 400 for parameters that can't be meant.
        """
        watcher = Watcher(call.selection())
        stream = Stream(call.kind.resource, watcher, request.transport)
        watcher.on_overflow = stream.cut
        refusal = self._fill(call, watcher)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.headers["Cache-Control"] = "no-cache, private"
        shelf = self._core.database.shelf(call.kind.storage)
        loop = asyncio.get_running_loop()
        timers = [
            loop.call_later(seconds, stream.cut if what == "cut" else stream.expire)
            for what, seconds in trouble
        ]
        shelf.watchers.add(watcher)
        self._open.add(stream)
        try:
            response.enable_chunked_encoding()
            await response.prepare(request)
            if refusal is not None:
                await response.write(_error_line(refusal))
            else:
                await self._pump(response, call, view, stream)
            if not _gone(request):
                await response.write_eof()
        except (ConnectionError, OSError):
            pass  # the client went away, which is how most watches end
        finally:
            for timer in timers:
                timer.cancel()
            shelf.watchers.discard(watcher)
            self._open.discard(stream)
        return response

    def _fill(self, call: Call, watcher: Watcher) -> errors.ApiError | None:
        """Queue what comes first, without a pause: nothing falls between past and present."""
        database, storage = self._core.database, call.kind.storage
        initial = call.query.get("sendInitialEvents", "")
        asked = call.number("resourceVersion")
        if initial:
            if call.query.get("resourceVersionMatch") != "NotOlderThan":
                raise errors.ApiError(
                    422, "Invalid", 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: '
                    "Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                    "NotOlderThan",
                )  # fmt: skip
        elif call.query.get("resourceVersionMatch"):
            raise errors.bad_request("resourceVersionMatch is forbidden for watch")
        if asked and asked > database.version:
            return errors.expired(f"too old resource version: {asked} ({database.version})")
        if call.flag("sendInitialEvents") or (not asked and not initial):
            for entry in database.entries(storage, call.namespace):
                if watcher.selection.matches(entry.body):
                    watcher.prime(Event("ADDED", entry))
            return None
        if not asked:
            return None
        missed = database.history.since(asked, storage)
        if missed is None:
            floor = database.history.floor
            return errors.expired(f"too old resource version: {asked} ({floor})")
        for change in missed:
            watcher.offer(change)
        return None

    async def _pump(
        self, response: web.StreamResponse, call: Call, view: View, stream: Stream
    ) -> None:
        watcher, database = stream.watcher, self._core.database
        loop = asyncio.get_running_loop()
        bookmarks = call.flag("allowWatchBookmarks")
        lasts = call.number("timeoutSeconds") or random.randint(1800, 3600)
        end = loop.time() + lasts
        bookmark_at = loop.time() + BOOKMARK_EVERY
        if call.flag("sendInitialEvents"):
            first = _lines(view, watcher.take()) + view.bookmark(database.version, initial=True)
            await response.write(first)
        while True:
            events, now = watcher.take(), loop.time()
            if events:
                await response.write(_lines(view, events))
                continue
            over = watcher.closed or now >= end
            if bookmarks and (now >= bookmark_at or (over and not stream.expired)):
                bookmark_at = now + BOOKMARK_EVERY
                await response.write(view.bookmark(database.version))
            if over:
                break
            await watcher.wait(min(end, bookmark_at if bookmarks else end) - now)
        if stream.expired:
            error = errors.expired(f"too old resource version: (injected) ({database.version})")
            await response.write(_error_line(error))


def _lines(view: View, events: list[Event]) -> bytes:
    return b"".join([_line(view, event) for event in events])


def _line(view: View, event: Event) -> bytes:
    if view.sees_raw(event.entry):
        return event.line
    return event_line(event.type, view.of_entry(event.entry))


def _error_line(error: errors.ApiError) -> bytes:
    return dumps({"type": "ERROR", "object": error.body()}) + b"\n"


def _gone(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()
