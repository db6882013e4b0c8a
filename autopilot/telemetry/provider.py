"""How a worker's question reaches telemetry: real, or written down by a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable, Mapping

    from autopilot.telemetry.queries import Argument, Query, QuerySet
    from autopilot.telemetry.query import BoundQuery
    from autopilot.telemetry.sample import Sample

    OnSample = Callable[[Hashable], None]
    """Told the key of a reader for whom there is a new sample."""


class SampleProvider(Protocol):
    """Answers bound queries; a read is also a subscription.

    Attributes:
        on_sample: Told the key of each reader for whom there is a new sample; the runtime sets it.
    """

    on_sample: OnSample | None

    async def read(self, query: BoundQuery, reader_key: Hashable) -> Sample:
        """The present sample. Never raises for a source that fails: the sample says so."""
        ...

    def forget(self, reader_key: Hashable) -> None:
        """Drop a reader's subscriptions: it is gone."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Poll for subscribers and wake them, until told to stop."""
        ...


class MetricsReader:
    """`inputs.metrics` of one sync: `await metrics.error_rate(name="web") -> Sample`.

    Args:
        queries: What may be asked.
        provider: Who answers.
        reader_key: Who asks; woken when an answer changes.
        namespace: Taken where a query has a parameter of that name and none is given.
    """

    def __init__(
        self,
        queries: QuerySet,
        provider: SampleProvider,
        reader_key: Hashable,
        *,
        namespace: str = "",
    ) -> None:
        self._queries = queries
        self._provider = provider
        self._reader_key = reader_key
        self._namespace = namespace
        self.reads: list[Sample] = []

    def __getattr__(self, name: str) -> Ask:
        """The query of that Python name.

        Raises:
            AttributeError: There is none; names those that are.
        """
        if name.startswith("_") or name not in self._queries:
            known = ", ".join(sorted(self._queries))
            raise AttributeError(f"no query {name!r}; there are {known}")
        return Ask(self, self._queries[name])

    def __dir__(self) -> list[str]:
        """The queries' names among the rest."""
        return [*super().__dir__(), *self._queries]

    async def ask(self, query: Query, arguments: Mapping[str, Argument]) -> Sample:
        """Ask a query and record the answer in `reads`.

        Raises:
            ArgumentError: The arguments don't fit.
        """
        given = dict(arguments)
        takes = {name.casefold() for name in (*query.parameters, *query.optional)}
        if self._namespace and "namespace" in takes - {name.casefold() for name in given}:
            given["namespace"] = self._namespace
        return await self.read(query.bind(given))

    async def read(self, query: BoundQuery) -> Sample:
        """Ask a query whose arguments are bound already and record the answer in `reads`."""
        sample = await self._provider.read(query, self._reader_key)
        self.reads.append(sample)
        return sample


class Ask:
    """One query, ready to be called with its parameters."""

    def __init__(self, reader: MetricsReader, query: Query) -> None:
        self._reader = reader
        self._query = query

    async def __call__(self, **parameters: Argument) -> Sample:
        """Ask.

        Raises:
            ArgumentError: The arguments don't fit.
        """
        return await self._reader.ask(self._query, parameters)

    def __repr__(self) -> str:
        """The call's shape."""
        takes = (*self._query.parameters, *(f"{n}={v}" for n, v in self._query.optional.items()))
        return f"<query {self._query.name}({', '.join(takes)})>"
