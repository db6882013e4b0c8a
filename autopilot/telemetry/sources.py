"""Several sources: the installation's, and those that resources name for themselves.

A source of a resource is opened when it is first read and closed when nobody reads it any more.
One that mustn't be asked (its host isn't allowed, its Secret is missing or wrong) makes samples
that say so; another source never answers in its place.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING

from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.telemetry.access import (
    Access,
    BadSource,
    access_of,
    check_tenant,
    check_url,
    host_of,
)
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.prometheus import PrometheusSource
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.secrets import SecretReader
from autopilot.telemetry.source import SourceRef

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from autopilot.base.clock import Clock
    from autopilot.telemetry.provider import OnSample
    from autopilot.telemetry.query import BoundQuery

__all__ = ["Limits", "SecretReader", "SourceRef", "Sources"]

log = logging.getLogger(__name__)

MAX_SOURCES = 100
_RETRY = 5.0
_IDLE = 60.0
_TURN = 1.0


def _none(url: str) -> bool:
    del url
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What the installation lets resources' own sources do.

    Attributes:
        allow_url: Whether the installation allows a URL's host; asked anew each time.
        timeout: Seconds for one request.
        refresh: Seconds after which a Secret is read again, at most 60.
    """

    allow_url: Callable[[str], bool] = _none
    timeout: float = 5.0
    refresh: float = 30.0


@dataclasses.dataclass(slots=True)
class _Open:
    """One source of resources: answered by a poller, or refused for a reason."""

    ref: SourceRef
    used: float
    due: float = 0.0
    access: Access | None = None
    poller: Poller | None = None
    source: PrometheusSource | None = None
    stop: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    why: Why = Why.SOURCE_DOWN
    problem: str = "not looked at yet"
    waiting: set[Hashable] = dataclasses.field(default_factory=set)
    lock: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)


class Sources:
    """The `SampleProvider` over the installation's source and those of resources.

    Args:
        default: The installation's.
        clock: For intervals.
        secrets: Reads resources' Secrets; None where there is no cluster: they are refused.
        limits: What the installation allows.
    """

    def __init__(
        self,
        default: Poller,
        clock: Clock,
        *,
        secrets: SecretReader | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._default = default
        self._clock = clock
        self._secrets = secrets
        self._limits = limits or Limits()
        self._open: dict[SourceRef, _Open] = {}
        self._closed = False

    @property
    def on_sample(self) -> OnSample | None:
        """Told the key of each reader for whom there is a new sample."""
        return self._default.on_sample

    @on_sample.setter
    def on_sample(self, tell: OnSample | None) -> None:
        self._default.on_sample = tell
        for opened in self._open.values():
            if opened.poller is not None:
                opened.poller.on_sample = tell

    @property
    def default_interval(self) -> float:
        """Seconds between polls of a query that has no interval of its own."""
        return self._default.default_interval

    @default_interval.setter
    def default_interval(self, seconds: float) -> None:
        self._default.default_interval = seconds
        for opened in self._open.values():
            if opened.poller is not None:
                opened.poller.default_interval = seconds

    @property
    def addresses(self) -> list[str]:
        """The URLs of resources' sources that are open."""
        return sorted(each.source.address for each in self._open.values() if each.source)

    async def read(self, query: BoundQuery, reader_key: Hashable) -> Sample:
        """The present sample of the source that the query names."""
        if query.source is None:
            return await self._default.read(query, reader_key)
        opened = self._opened(query.source)
        if opened is None:
            return _refused(query, Why.REFUSED, f"more than {MAX_SOURCES} sources are named")
        opened.used = self._clock.monotonic()
        if opened.poller is None or self._forbidden(opened):
            await self._look(opened)
        if opened.poller is None:
            opened.waiting.add(reader_key)
            return _refused(query, opened.why, f"{query.source}: {opened.problem}")
        opened.waiting.discard(reader_key)
        return await opened.poller.read(dataclasses.replace(query, source=None), reader_key)

    def forget(self, reader_key: Hashable) -> None:
        """Drop a reader's subscriptions."""
        self._default.forget(reader_key)
        for opened in self._open.values():
            opened.waiting.discard(reader_key)
            if opened.poller is not None:
                opened.poller.forget(reader_key)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll for subscribers of every source until told to stop."""
        default = asyncio.create_task(self._default.run(stop))
        try:
            while not stop.is_set() and not default.done():
                nap = asyncio.create_task(_sleep(self._clock, _TURN))
                try:
                    await asyncio.wait({nap, default}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    nap.cancel()
                await self._tend()
            await default
        finally:
            await cancel_and_wait(default)
            await self.close()

    async def close(self) -> None:
        """Let go of resources' sources; the installation's belongs to whoever opened it."""
        self._closed = True
        opened, self._open = list(self._open.values()), {}
        for each in opened:
            await self._shut(each)

    async def _tend(self) -> None:
        now = self._clock.monotonic()
        old: list[_Open] = []
        for key, opened in list(self._open.items()):
            busy = opened.poller is not None and opened.poller.subscriptions > 0
            if not busy and now - opened.used > _IDLE:
                await self._shut(self._open.pop(key))
            elif now >= opened.due or self._forbidden(opened):
                old.append(opened)
        await asyncio.gather(*(self._look(opened) for opened in old))

    def _opened(self, ref: SourceRef) -> _Open | None:
        key = ref if ref.secret else dataclasses.replace(ref, namespace="")
        if key not in self._open:
            if len(self._open) >= MAX_SOURCES:
                return None
            self._open[key] = _Open(key, self._clock.monotonic())
        return self._open[key]

    def _forbidden(self, opened: _Open) -> bool:
        """Whether the installation has taken a host off its list since."""
        return opened.access is not None and not self._allows(opened.access)

    def _allows(self, access: Access) -> bool:
        return self._limits.allow_url(access.url)

    async def _look(self, opened: _Open) -> None:
        """Find out how the source is reached, and open or close it accordingly."""
        async with opened.lock:
            now = self._clock.monotonic()
            if now < opened.due and not self._forbidden(opened):
                return
            try:
                access = await self._access(opened.ref)
                if not self._allows(access):
                    host = host_of(access.url)
                    raise BadSource(f"the installation doesn't allow the host {host}")
            except BadSource as error:
                await self._shut(opened)
                opened.why, opened.problem = Why.REFUSED, str(error)
            except Exception as error:
                # An API that is away takes no access back: what was known is used on.
                opened.why, opened.problem = Why.SOURCE_DOWN, f"can't be read: {error}"
                log.warning(
                    "a source's Secret can't be read",
                    extra=fields(source=str(opened.ref), error=str(error)),
                )
            else:
                if access != opened.access or opened.poller is None:
                    await self._shut(opened)
                    self._start(opened, access)
            healthy = opened.poller is not None
            opened.due = now + (min(self._limits.refresh, 60.0) if healthy else _RETRY)

    async def _access(self, ref: SourceRef) -> Access:
        if bool(ref.url) == bool(ref.secret):
            raise BadSource("a source has a url or a secret, one of them")
        if ref.url:
            return Access(check_url(ref.url), headers=check_tenant(ref.tenant))
        if ref.tenant:
            raise BadSource("a tenant stands in the Secret, beside the url that it is sent to")
        if self._secrets is None:
            raise BadSource("there is no cluster to read Secrets from")
        data = await self._secrets.read(ref.namespace, ref.secret)
        if data is None:
            raise BadSource("there is no such Secret")
        return access_of(data)

    def _start(self, opened: _Open, access: Access) -> None:
        if self._closed:
            opened.problem = "shutting down"
            return
        opened.access = access
        opened.source = PrometheusSource.reached(access)
        opened.poller = Poller(
            opened.source,
            self._clock,
            default_interval=self._default.default_interval,
            timeout=self._limits.timeout,
            on_sample=self.on_sample,
        )
        opened.stop = asyncio.Event()
        opened.task = asyncio.create_task(opened.poller.run(opened.stop))
        self._wake(opened.waiting)
        opened.waiting.clear()

    def _wake(self, readers: Iterable[Hashable]) -> None:
        if self.on_sample is not None:
            for key in readers:
                self.on_sample(key)

    async def _shut(self, opened: _Open) -> None:
        """Close what is open, and wake its readers: they read anew, or hear why they can't."""
        poller, source, task = opened.poller, opened.source, opened.task
        opened.access = opened.poller = opened.source = opened.task = None
        if poller is None or source is None or task is None:
            return
        readers = poller.readers
        opened.stop.set()
        await task
        await source.close()
        self._wake(readers)


def _refused(query: BoundQuery, why: Why, detail: str) -> Sample:
    return Sample(query.name, query.promql, why=why, detail=detail)


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)
