"""Telemetry that a test writes down: a `SampleProvider` over any clock."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.telemetry.queries import as_text, python_name
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.templates import key

if TYPE_CHECKING:
    from collections.abc import Hashable

    from autopilot.base.clock import Clock
    from autopilot.telemetry.provider import OnSample
    from autopilot.telemetry.query import BoundQuery

_IGNORED = 3


@dataclass(frozen=True, slots=True)
class _Line:
    """What one query answers from a moment on."""

    query: str
    arguments: dict[str, str]
    since: float
    why: Why
    detail: str = ""
    value: float | None = None
    requests: float | None = None
    of: float | None = None
    age: float = 0.0

    def fits(self, query: BoundQuery, now: float) -> bool:
        asked = self.query == "*" or python_name(self.query) == python_name(query.name)
        if self.since > now or not asked:
            return False
        given = {key(name): value for name, value in query.arguments}
        return all(given.get(name, "") == value for name, value in self.arguments.items())


@dataclass(slots=True)
class _Reader:
    unread: int = 0


class ScriptedSamples:
    """Answers queries as a test says, by name and any of their arguments.

    The answer written last wins among those that fit; a query that nothing was written for has no
    data. Each interval brings a new scrape, and readers are woken, as with a real source.

    Rules' queries are named `error-rate`, `success-rate`, `latency`, `request-rate`,
    `timeout-rate`, `alert`, or as the signal; their arguments are `service` (several as a list),
    `namespace`, `version`, `callers`, `window`, `quantile`, `reporter`, `ago`; `alertname` and the
    alert's labels. An argument of empty text stands for one that isn't given.

    Args:
        clock: Virtual or real.
        interval: Seconds between scrapes.
        on_sample: Told the key of each reader at each scrape.
    """

    def __init__(
        self, clock: Clock, *, interval: float = 1.0, on_sample: OnSample | None = None
    ) -> None:
        self.on_sample = on_sample
        self._clock = clock
        self._interval = interval
        self._lines: list[_Line] = []
        self._readers: dict[Hashable, _Reader] = {}
        self.asked: list[BoundQuery] = []

    def set(
        self,
        query: str,
        value: float,
        *,
        requests: float | None = 1000.0,
        of: float | None = None,
        after: float = 0.0,
        age: float = 0.0,
        **parameters: Any,
    ) -> None:
        """From now on, or `after` seconds from now, a query answers with a value.

        Args:
            query: Its name, as declared or as Python spells it; `*` for every query.
            value: In the query's unit.
            requests: How many requests stand behind it.
            of: How many the whole route had; by default as many.
            after: Seconds of the clock from now.
            age: How many seconds ago the data was scraped.
            **parameters: Only where the query is asked with these.

        Raises:
            ValueError: The value isn't finite; a sample never holds such a one.
        """
        if not math.isfinite(value):
            raise ValueError("a sample never holds NaN or infinity; use no_data()")
        whole = requests if of is None else of
        self._add(
            query, parameters, after, Why.KNOWN, value=value, requests=requests, of=whole, age=age
        )

    def no_data(
        self,
        query: str = "*",
        *,
        requests: float | None = None,
        of: float | None = None,
        after: float = 0.0,
        **parameters: Any,
    ) -> None:
        """A query finds no series; with `requests=0, of=500` its target is silent on its route."""
        self._add(query, parameters, after, Why.NO_DATA, requests=requests, of=of)

    def unknown(
        self, why: Why, query: str = "*", *, after: float = 0.0, detail: str = "", **parameters: Any
    ) -> None:
        """A query has no value, for a reason."""
        self._add(query, parameters, after, why, detail=detail)

    def down(self, *, after: float = 0.0) -> None:
        """The source can't be reached: every query, until something else is written."""
        self._add("*", {}, after, Why.SOURCE_DOWN, detail="scripted")

    def up(self) -> None:
        """The source is back: what was written for the queries holds again."""
        self._lines = [line for line in self._lines if line.why is not Why.SOURCE_DOWN]

    async def read(self, query: BoundQuery, reader_key: Hashable) -> Sample:
        """The answer that stands."""
        await asyncio.sleep(0)
        self._readers[reader_key] = _Reader()
        self.asked.append(query)
        now = self._clock.monotonic()
        fitting = [line for line in reversed(self._lines) if line.fits(query, now)]
        line = max(fitting, key=lambda each: each.since, default=None)  # the first among equals
        if line is None:
            return Sample(query.name, query.promql, why=Why.NO_DATA, detail="nothing scripted")
        # A target that is silent on its route is dated by the route's own data.
        dated = line.why is Why.KNOWN or line.of is not None
        return Sample(
            query.name,
            query.promql,
            value=line.value,
            at=self._clock.now() - timedelta(seconds=line.age) if dated else None,
            requests=line.requests,
            of=line.of,
            why=line.why,
            detail=line.detail,
        )

    def forget(self, reader_key: Hashable) -> None:
        """Stop waking a reader."""
        self._readers.pop(reader_key, None)

    async def run(self, stop: asyncio.Event) -> None:
        """Wake readers at each scrape until told to stop."""
        end = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                nap = asyncio.create_task(_sleep(self._clock, self._interval))
                try:
                    await asyncio.wait({nap, end}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    nap.cancel()
                if not stop.is_set():
                    self.wake()
        finally:
            end.cancel()

    def wake(self) -> None:
        """A scrape has happened: tell those who still read."""
        for reader_key, reader in list(self._readers.items()):
            reader.unread += 1
            if reader.unread > _IGNORED:
                del self._readers[reader_key]
            elif self.on_sample is not None:
                self.on_sample(reader_key)

    def _add(
        self, query: str, parameters: dict[str, Any], after: float, why: Why, **answer: Any
    ) -> None:
        arguments = {key(name): _text(value) for name, value in parameters.items()}
        since = self._clock.monotonic() + after
        self._lines.append(_Line(query, arguments, since, why, **answer))


def _text(value: Any) -> str:
    """An argument as a bound query spells it; a list in any order, as in `service=["b", "a"]`."""
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(sorted(as_text(each) for each in value))
    return as_text(value)


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)
