"""A query with its arguments, and the family of queries that it can be asked together with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from autopilot.base import durations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.telemetry.source import Series, SourceRef

PART = "part"
"""The label that tells the parts of one answer apart, so that one request fetches them all.

`value` is the answer (and so is a series without the label), `requests` how many requests stand
behind it, `of` how many the whole route had, `at` the unix time of the scrape behind the value,
`of_at` the same for the route. A query template may use it too, with `label_replace` and `or`.
"""


def seconds_of(window: str) -> float:
    """A window as PromQL spells it, in seconds; 0 for a spelling that only PromQL knows."""
    try:
        return durations.parse(window).total_seconds()
    except (ValueError, OverflowError):
        return 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a query is about.

    Attributes:
        namespace: Of the workload; empty for a template, whose text says whom it is about.
        name: Of the workload.
        route: (namespace, name) of every service that shares the target's route.
        narrow: Label and values that a service's requests are narrowed to, sorted.
    """

    namespace: str = ""
    name: str = ""
    route: tuple[tuple[str, str], ...] = ()
    narrow: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a source said about one target, not yet judged.

    Attributes:
        values: Normally one; none where there is no data, several where the query is ambiguous.
        requests: See `PART`.
        of: See `PART`.
        at: See `PART`; None where nothing was scraped lately, or the query doesn't ask.
        evaluated: Unix time at which the source evaluated the query; None without any series.
    """

    values: tuple[float, ...] = ()
    requests: float | None = None
    of: float | None = None
    at: float | None = None
    evaluated: float | None = None


class Family(Protocol):
    """Queries that differ only in their target. Families are hashable and equal by content."""

    @property
    def query(self) -> str:
        """The query's name."""
        ...

    @property
    def batch(self) -> int:
        """How many targets one request may ask for."""
        ...

    @property
    def timed(self) -> bool:
        """Whether the answer carries the time of its scrape."""
        ...

    @property
    def span(self) -> float:
        """The window in seconds; 0 where the query doesn't say."""
        ...

    def promql(self, targets: Sequence[Target]) -> str:
        """One query for all these targets."""
        ...

    def parts(self, series: Sequence[Series], target: Target) -> Parts:
        """Pick what an answer says about one target."""
        ...

    def parts_of(self, series: Sequence[Series], targets: Sequence[Target]) -> list[Parts]:
        """The same for several targets, in their order, reading the answer once."""
        ...


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query with its arguments: what a worker asks.

    Attributes:
        family: What it may be asked together with.
        target: Whom it is about.
        arguments: Parameter → value as given, sorted; for logs, records and scripts.
        interval: Seconds between polls; None for the operator's own.
        source: Whom to ask; None for the installation's source.
    """

    family: Family
    target: Target
    arguments: tuple[tuple[str, str], ...] = ()
    interval: float | None = None
    source: SourceRef | None = None

    @property
    def name(self) -> str:
        """The query's name."""
        return self.family.query

    @property
    def promql(self) -> str:
        """The query for this target alone."""
        return self.family.promql([self.target])


def plain_parts(series: Sequence[Series], ago: float = 0.0) -> Parts:
    """Read an answer that is about one target; series without the part label are values.

    Args:
        series: The answer.
        ago: How many seconds before the query's own time it speaks of.
    """
    of = values_of(series, "of")
    return Parts(
        values=values_of(series, "value") + values_of(series, ""),
        requests=_only(values_of(series, "requests")),
        of=sum(of) if of else None,
        at=next(iter(values_of(series, "at")), next(iter(values_of(series, "of_at")), None)),
        evaluated=series[0].at - ago if series else None,
    )


def _only(values: tuple[float, ...]) -> float | None:
    """The one value; of several nobody can say which is meant, which NaN says."""
    return (values[0] if len(values) == 1 else math.nan) if values else None


def values_of(series: Iterable[Series], part: str) -> tuple[float, ...]:
    """The values of the series that carry this part label (empty: those without one)."""
    return tuple(one.value for one in series if one.labels.get(PART, "") == part)
