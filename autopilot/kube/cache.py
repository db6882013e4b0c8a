"""A kind kept in memory: one list, then a watch, for ever.

A cache that can't tell what is there says so; it never passes for an empty list. The bodies that it
hands out are shared by all readers and must not be changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.base.clock import Clock, SystemClock
from autopilot.base.errors import RetryLater
from autopilot.base.logs import fields as log_fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.client import ApiError, Body, Gone, KubeClient, NotFound, WatchEvent
from autopilot.kube.retry import Backoff
from autopilot.kube.selectors import Selection
from autopilot.kube.store import Change, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autopilot.kube.kinds import ResourceType

    Bodies = list[Body]
    Handler = Callable[[Body | None, Body | None], None]

__all__ = ["Cache", "CacheSettings", "CacheUnavailable", "Selection"]

_log = logging.getLogger(__name__)

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class CacheUnavailable(RetryLater):
    """A cache can't vouch for what it holds, so it hands nothing out."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """How a cache behaves.

    Attributes:
        silence: Seconds without a sign of life (bookmarks count) before the watch is opened anew.
        grace: Seconds without a watch during which what was known still counts.
        backoff: The waits between failed attempts; until the next one nothing that reads the
            cache can move traffic back, so no more than 10 s.
        strip: Leave managedFields and kubectl's last-applied annotation out of memory.
        settled: Seconds that a watch has to last before its end counts as no failure.
    """

    silence: float = 70.0
    grace: float = 30.0
    backoff: Backoff = field(default_factory=lambda: Backoff(maximum=10.0))
    strip: bool = True
    settled: float = 5.0


class Cache:
    """The objects of one kind and selection, kept up to date while `run` runs.

    Attributes:
        synced: Set once it has been listed.
        absent: Whether the API doesn't serve the kind.
        changes: How many changes it has seen: what follows from its objects stands until then.

    Args:
        client: The API.
        kind: The kind.
        selection: Which of its objects.
        clock: For silence, grace and back-off.
        settings: See `CacheSettings`.
        rng: For the jitter.
    """

    def __init__(
        self,
        client: KubeClient,
        kind: ResourceType,
        selection: Selection | None = None,
        *,
        clock: Clock | None = None,
        settings: CacheSettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.kind = kind
        self.selection = selection or Selection()
        self.synced = asyncio.Event()
        self.absent = False
        self.changes = 0
        self._client = client
        self._clock: Clock = clock or SystemClock()
        self._settings = settings or CacheSettings()
        self._rng = rng or random.Random()
        self._store = Store(self.selection.test())
        self._handlers: list[Handler] = []
        self._cursor = ""
        self._lost: float | None = None
        self._life = 0.0
        self._lively = False
        self._why = "it has not been listed yet"

    @property
    def available(self) -> bool:
        """Whether what it holds is what is there, or was until `grace` seconds ago."""
        if self.absent or not self.synced.is_set():
            return False
        return self._lost is None or self._clock.monotonic() - self._lost <= self._settings.grace

    @property
    def why(self) -> str:
        """Why it is unavailable; empty when it is available."""
        return "" if self.available else f"{self.kind.qualified}: {self._why}"

    def __len__(self) -> int:
        return len(self._store)

    def get(self, namespace: str | None, name: str) -> Body | None:
        """One object; read-only. None says that there is none.

        Raises:
            CacheUnavailable: It can't be told.
        """
        self._vouch()
        return self._store.get((namespace or "", name))

    def list(self, namespace: str | None = None) -> Bodies:
        """All objects, or those of one namespace; the bodies are read-only.

        Raises:
            CacheUnavailable: It can't be told.
        """
        self._vouch()
        return [*self._store.all(namespace)]

    def owned_by(self, uid: str) -> Bodies:
        """The objects whose label `autopilot.mesh/owner-uid` is `uid`; read-only.

        Raises:
            CacheUnavailable: It can't be told.
        """
        self._vouch()
        return [*self._store.owned_by(uid)]

    def on_change(self, handler: Handler) -> Callable[[], None]:
        """Call `handler(old, new)` after each change from now on; returns how to stop that.

        The cache is up to date when it is called. It must not block. An object deleted and made
        again is two changes.
        """
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    def observe(self, body: Body) -> None:
        """Take in the answer to a write of ours, unless something newer is known."""
        if self.kind.matches(body):
            self._emit(self._store.put(self._slim(body), own=True))

    def observe_deleted(self, body: Body) -> None:
        """Take in that this very object (its uid counts) is gone by our doing.

        While finalizers hold it, it stays until the watch says otherwise.
        """
        if self.kind.matches(body):
            self._emit(self._store.drop(body, own=True))

    async def wait_synced(self, timeout: float | None = None) -> None:
        """Wait for the first list.

        Raises:
            CacheUnavailable: It took longer than `timeout` seconds.
        """
        tasks: set[asyncio.Task[Any]] = {asyncio.create_task(self.synced.wait())}
        if timeout is not None:
            tasks.add(asyncio.create_task(self._clock.sleep(timeout)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(*tasks)
        if not self.synced.is_set():
            raise CacheUnavailable(self.why)

    async def run(self, stop: asyncio.Event) -> None:
        """List and watch until `stop` is set."""
        follow = asyncio.create_task(self._follow())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({follow, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if follow.done():
                follow.result()
        finally:
            await cancel_and_wait(follow, stopped)
            self._lose("it was stopped")

    async def _follow(self) -> None:
        failures = 0
        while True:
            began, self._lively = self._clock.monotonic(), False
            wait: float | None = None
            try:
                if not self._cursor:
                    await self._list()
                await self._watch()
            except Exception as error:
                wait = self._failed(error)
            lasted = self._clock.monotonic() - began
            if self._lively or lasted >= self._settings.settled:
                failures = 0
                if wait is None:
                    continue
            pause = self._settings.backoff.delay(failures, self._rng)
            await self._clock.sleep(max(pause, wait or 0.0))
            failures += 1

    async def _list(self) -> None:
        where = self.selection
        self._store.begin_list()
        listing = await self._client.list(
            self.kind, where.namespace, labels=where.labels, fields=where.fields
        )
        for number, body in enumerate(listing.items):
            listing.items[number] = self._slim(body)
        changes = self._store.replace(listing)
        self._cursor = listing.resource_version
        self.absent = False
        # Fresh now, but not yet followed: the grace begins here.
        self._lose("its watch has not been opened yet")
        self.synced.set()
        self._emit(changes)

    async def _watch(self) -> None:
        self._life = self._clock.monotonic()
        reader = asyncio.create_task(self._read())
        silence = asyncio.create_task(self._silence())
        try:
            await asyncio.wait({reader, silence}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                reader.result()
            else:
                _log.info("watch is silent, opening it anew", extra=self._about())
        finally:
            await cancel_and_wait(reader, silence)
            if self._lost is None:
                self._lose("its watch has ended")

    async def _read(self) -> None:
        where = self.selection
        events = self._client.watch(
            self.kind,
            where.namespace,
            resource_version=self._cursor,
            labels=where.labels,
            fields=where.fields,
        )
        async with contextlib.aclosing(events) as stream:  # type: ignore[type-var]
            async for event in stream:
                self._life = self._clock.monotonic()
                self._take(event)

    def _take(self, event: WatchEvent) -> None:
        version = str(event.object["metadata"].get("resourceVersion", ""))
        # The first event repeats our own cursor: it shows that the watch stands, not that it works.
        self._lively = self._lively or version != self._cursor
        self._lost = None
        if event.type == "DELETED":
            self._emit(self._store.drop(event.object))
        elif event.type != "BOOKMARK":
            self._emit(self._store.put(self._slim(event.object)))
        self._cursor = self._store.progress = version

    async def _silence(self) -> None:
        while (quiet := self._clock.monotonic() - self._life) < self._settings.silence:
            await self._clock.sleep(self._settings.silence - quiet)

    def _failed(self, error: Exception) -> float | None:
        """Note a failure; seconds to wait at least, None to go on at once."""
        if isinstance(error, Gone):
            self._cursor = ""
            _log.info("watch is too old, listing anew", extra=self._about())
            return None
        known = self._why
        if isinstance(error, NotFound):
            self._cursor = ""
            self.absent = True
            self._why = "the API doesn't serve this kind; is its CRD installed?"
        elif isinstance(error, ApiError):
            self._why = str(error)
        else:
            self._why = f"{type(error).__name__}: {error}"
            _log.error("cache failed", extra=self._about(), exc_info=error)
        # An absent kind is asked for again and again: said once, it is said.
        level = logging.DEBUG if self._why == known else logging.WARNING
        _log.log(level, "cache can't follow its kind", extra=self._about(why=self._why))
        return (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0

    def _lose(self, why: str) -> None:
        self._lost = self._clock.monotonic()
        self._why = why

    def _vouch(self) -> None:
        if not self.available:
            raise CacheUnavailable(self.why)

    def _slim(self, body: Body) -> Body:
        if not self._settings.strip:
            return body
        meta = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
        notes = meta.get("annotations")
        if notes and _LAST_APPLIED in notes:
            meta["annotations"] = {k: v for k, v in notes.items() if k != _LAST_APPLIED}
        return {**body, "metadata": meta}

    def _emit(self, changes: Iterable[Change]) -> None:
        for old, new in changes:
            self.changes += 1
            for handler in [*self._handlers]:
                try:
                    handler(old, new)
                except Exception:
                    _log.exception("a handler of changes failed", extra=self._about())

    def _about(self, **more: object) -> dict[str, object]:
        return log_fields(kind=self.kind.qualified, namespace=self.selection.namespace, **more)
