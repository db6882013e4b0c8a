"""Asks a source no more than it must, and tells workers when there is something new.

A worker's first read asks at once and leaves a subscription, which lapses when unused. From then
on `run` polls, each distinct query once per interval, and several targets of one family in one
request; reads between polls get the last answer. A source that fails makes samples that say so.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
from typing import TYPE_CHECKING, Any

from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.telemetry.judge import Asked, judge, stale_after
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.source import QueryRefused, SourceDown
from autopilot.telemetry.subscriptions import IGNORED, Entry, Group

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from autopilot.base.clock import Clock
    from autopilot.telemetry.provider import OnSample
    from autopilot.telemetry.query import BoundQuery, Family
    from autopilot.telemetry.source import MetricsSource, Series

log = logging.getLogger(__name__)

_CONCURRENCY = 8
_SHORTEST_NAP = 0.001
_PATIENCE = 600.0


class Poller:
    """The `SampleProvider` on a real source.

    Attributes:
        default_interval: As given; may be changed while it runs, and holds from the next read.

    Args:
        source: Whom to ask; None where no address is known: every sample is then *source down*.
        clock: For intervals; ages of data are by the source's own clock.
        default_interval: Seconds between polls of a query that has no interval of its own.
        timeout: Seconds for one request.
        on_sample: Told the key of each reader for whom there is a new sample.
        stale_after: Seconds after which data says nothing any more; see `judge.stale_after`.
    """

    def __init__(
        self,
        source: MetricsSource | None,
        clock: Clock,
        *,
        default_interval: float,
        timeout: float,
        on_sample: OnSample | None = None,
        stale_after: float | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self.default_interval = default_interval
        self._timeout = timeout
        self.on_sample = on_sample
        self._stale_after = stale_after
        self._groups: dict[tuple[Family, float], Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._changed = asyncio.Event()
        self._owed: set[Hashable] = set()
        self._closed = False

    @property
    def subscriptions(self) -> int:
        """How many targets are being polled."""
        return sum(len(group.entries) for group in self._groups.values())

    @property
    def readers(self) -> set[Hashable]:
        """The keys of all who subscribe to something."""
        groups = self._groups.values()
        return {
            key for group in groups for entry in group.entries.values() for key in entry.readers
        }

    async def read(self, query: BoundQuery, reader_key: Hashable) -> Sample:
        """The present sample; asks the source only if the last one is older than its interval."""
        if self._source is None:
            detail = "no address of a metrics server is known"
            return Sample(query.name, query.promql, why=Why.SOURCE_DOWN, detail=detail)
        if self._closed:
            return Sample(query.name, query.promql, why=Why.SOURCE_DOWN, detail="shutting down")
        if query.source is not None:
            detail = f"{query.source} isn't read here: this process has one source"
            return Sample(query.name, query.promql, why=Why.REFUSED, detail=detail)
        now = self._clock.monotonic()
        group = self._group(query, now)
        entry = group.entries.setdefault(query.target, Entry(query.target))
        entry.subscribe(reader_key, now)
        if entry.sample is not None and now < entry.expires:
            return _own(entry.sample)
        if entry.sample is not None and now >= group.due:
            self._poll(group, now)
        flight = entry.flight or self._launch(group, entry)
        entry.asking.add(reader_key)
        # A reader that is cancelled must not take the answer away from the others.
        return _own(await asyncio.shield(flight))

    def forget(self, reader_key: Hashable) -> None:
        """Drop a reader's subscriptions."""
        for group in self._groups.values():
            for entry in group.entries.values():
                entry.readers.pop(reader_key, None)
                entry.asking.discard(reader_key)
        self._owed.discard(reader_key)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll for subscribers until told to stop, then let go of everything in flight."""
        end = asyncio.create_task(stop.wait())
        end.add_done_callback(self._wake)
        try:
            while not stop.is_set():
                self._changed.clear()
                now = self._clock.monotonic()
                self._prune(now)
                for group in self._groups.values():
                    if now >= group.due:
                        self._poll(group, now)
                await self._pause()
        finally:
            end.cancel()
            await self.close()

    async def close(self) -> None:
        """End requests in flight; whoever waits for one is told *source down*."""
        self._closed = True
        await cancel_and_wait(*self._tasks)
        for group in self._groups.values():
            self._settle_unanswered(group, list(group.entries.values()))
        self._groups.clear()

    def _group(self, query: BoundQuery, now: float) -> Group:
        interval = query.interval or self.default_interval
        key = (query.family, interval)
        if key not in self._groups:
            self._groups[key] = Group(query.family, interval, _next_tick(now, interval))
            self._changed.set()
        return self._groups[key]

    def _prune(self, now: float) -> None:
        for key, group in list(self._groups.items()):
            # A reader that there is nothing new for isn't woken, so it can't be expected to read:
            # through an outage it keeps its place, or nobody would tell it of the end.
            slowest = max(group.interval, self.default_interval)
            patience = max(_PATIENCE, (IGNORED + 0.5) * slowest)
            for target, entry in list(group.entries.items()):
                if entry.lapse(now, patience):
                    del group.entries[target]
            if not group.entries:
                del self._groups[key]

    async def _pause(self) -> None:
        """Until the next poll is due, a group is new, or the end."""
        nap = None
        if self._groups:
            due = min(group.due for group in self._groups.values())
            seconds = max(_SHORTEST_NAP, due - self._clock.monotonic())
            nap = asyncio.create_task(_sleep(self._clock, seconds))
            nap.add_done_callback(self._wake)
        try:
            await self._changed.wait()
        finally:
            if nap is not None:
                nap.cancel()

    def _wake(self, task: asyncio.Task[Any]) -> None:
        # A nap that is cancelled because something else happened must not count as one more thing.
        if not task.cancelled():
            self._changed.set()

    def _poll(self, group: Group, now: float) -> None:
        # On a grid that all groups share: a poll that is late doesn't make all later ones late,
        # what was missed isn't made up for, and all that one reader asks is of one moment.
        group.due = _next_tick(now, group.interval)
        for entry in group.entries.values():
            if entry.flight is None:
                self._launch(group, entry)

    def _launch(self, group: Group, entry: Entry) -> asyncio.Future[Sample]:
        entry.flight = asyncio.get_running_loop().create_future()
        if not group.pending:
            task = asyncio.create_task(self._flush(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        group.pending.append(entry)
        return entry.flight

    async def _flush(self, group: Group) -> None:
        """Send what is pending; a turn of the loop later, so that asks of one moment share it."""
        batch: list[Entry] = []
        try:
            await asyncio.sleep(0)
            batch, group.pending = group.pending, []
            size = group.family.batch
            chunks = [batch[start : start + size] for start in range(0, len(batch), size)]
            async with asyncio.TaskGroup() as tasks:
                for chunk in chunks:
                    tasks.create_task(self._fetch(group, chunk))
        finally:
            self._settle_unanswered(group, batch)

    async def _fetch(self, group: Group, entries: Sequence[Entry]) -> None:
        family = group.family
        promql = family.promql([entry.target for entry in entries])
        series: Sequence[Series] = ()
        why, detail = Why.KNOWN, ""
        try:
            async with self._slots:
                assert self._source is not None
                series = await self._source.query(promql, timeout=self._timeout)
            detail = "; ".join(getattr(series, "warnings", ()))
        except QueryRefused as error:
            why, detail = Why.REFUSED, str(error)
        except SourceDown as error:
            why, detail = Why.SOURCE_DOWN, str(error)
        except Exception as error:
            log.exception("a metrics source broke", extra=fields(query=family.query))
            why, detail = Why.SOURCE_DOWN, repr(error)
        now = self._clock.monotonic()
        delay = group.delay(why)
        if delay < group.interval:
            group.due = min(group.due, now + delay)
            self._changed.set()
        stale = self._stale_after or stale_after(group.interval, family.span)
        asked = Asked(family.query, promql, family.timed, stale, detail)
        if why is Why.KNOWN:
            parts = family.parts_of(series, [entry.target for entry in entries])
            samples = [judge(each, asked) for each in parts]
        else:
            samples = [Sample(family.query, promql, why=why, detail=detail)] * len(entries)
        for entry, sample in zip(entries, samples, strict=True):
            self._settle(group, entry, sample, now + delay)
        self._tell()

    def _settle(self, group: Group, entry: Entry, sample: Sample, expires: float) -> None:
        self._owed.update(entry.take(sample, expires, timed=group.family.timed))
        flight, entry.flight = entry.flight, None
        if flight is not None and not flight.done():
            flight.set_result(sample)

    def _tell(self) -> None:
        """Wake those to whom something is new, once nothing that they ask is on its way.

        A reader that reads all its queries would wait for the last one anyway; so it is woken
        once for all of them.
        """
        if not self._owed:
            return
        waiting = {
            key
            for group in self._groups.values()
            for entry in group.entries.values()
            if entry.flight is not None
            for key in entry.readers
        }
        ready = self._owed - waiting
        self._owed &= waiting
        if self.on_sample is not None:
            for key in ready:
                self.on_sample(key)

    def _settle_unanswered(self, group: Group, entries: Sequence[Entry]) -> None:
        for entry in entries:
            flight, entry.flight = entry.flight, None
            if flight is not None and not flight.done():
                query, promql = group.family.query, group.family.promql([entry.target])
                flight.set_result(
                    Sample(query, promql, why=Why.SOURCE_DOWN, detail="the request was given up")
                )


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)


def _next_tick(now: float, interval: float) -> float:
    """The next whole multiple of an interval; a hair before one counts as on it."""
    return (math.floor(now / interval + 1e-6) + 1) * interval


def _own(sample: Sample) -> Sample:
    """A copy whose judgements are the reader's alone."""
    return dataclasses.replace(sample, judgements=[])
