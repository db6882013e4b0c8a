"""What a list of recorded requests says. Pure: records in, numbers out."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Record(NamedTuple):
    """One request.

    Attributes:
        at: When it was sent, in seconds of the machine's monotonic clock.
        duration: Seconds until the whole answer was there, or until it was given up.
        status: The HTTP status; 0 when no answer came (a time-out, a broken connection).
        workload: The answer's `x-workload`; empty when the answer has none.
        version: The answer's `x-version`; empty when the answer has none.
        error: Why no answer came; empty when one did.
    """

    at: float
    duration: float
    status: int
    workload: str = ""
    version: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        """No answer, or a 5xx."""
        return self.status == 0 or self.status >= 500

    @property
    def done(self) -> float:
        """When the answer was complete."""
        return self.at + self.duration

    def encode(self) -> list[Any]:
        """The short form of one line of NDJSON."""
        return [
            round(self.at, 6),
            round(self.duration, 6),
            self.status,
            self.workload,
            self.version,
            self.error,
        ]


@dataclass(frozen=True, slots=True)
class Totals:
    """A count of everything so far.

    Attributes:
        requests: Answered or given up.
        failed: Of these, without an answer or with a 5xx.
        by_status: How many per HTTP status; 0 is no answer.
    """

    requests: int
    failed: int
    by_status: dict[int, int]

    @property
    def success_rate(self) -> float | None:
        """The share that didn't fail, 0 to 1; None without requests."""
        return None if not self.requests else 1 - self.failed / self.requests


def totals(records: Iterable[Record]) -> Totals:
    """Count records."""
    by_status: Counter[int] = Counter()
    failed = 0
    for record in records:
        by_status[record.status] += 1
        failed += record.failed
    return Totals(by_status.total(), failed, dict(by_status))


def window(
    records: Iterable[Record], since: float = -math.inf, until: float = math.inf
) -> list[Record]:
    """The records sent at or after `since` and before `until`."""
    return [record for record in records if since <= record.at < until]


def quantile(records: Iterable[Record], q: float) -> float | None:
    """A quantile of the durations, in seconds, by the nearest-rank method; None without records.

    Requests without an answer count with the time after which they were given up.
    """
    durations = sorted(record.duration for record in records)
    if not durations:
        return None
    return durations[max(0, math.ceil(q * len(durations)) - 1)]


def bad(limit: float | None = None) -> Callable[[Record], bool]:
    """What counts as a bad answer: a failure or, with a limit in seconds, one slower than it."""

    def check(record: Record) -> bool:
        return record.failed or (limit is not None and record.duration > limit)

    return check


def first_bad(
    records: Iterable[Record], workload: str, *, slower_than: float | None = None
) -> Record | None:
    """The bad answer of a workload that was complete first."""
    is_bad = bad(slower_than)
    found = (record for record in records if record.workload == workload and is_bad(record))
    return min(found, key=lambda record: record.done, default=None)


def last_answered(
    records: Iterable[Record], workload: str, *, since: float = -math.inf
) -> Record | None:
    """The request sent last, at or after `since`, that this workload answered."""
    found = (record for record in records if record.workload == workload and record.at >= since)
    return max(found, key=lambda record: record.at, default=None)


def reaction(
    records: Sequence[Record], workload: str, *, slower_than: float | None = None
) -> float | None:
    """Seconds from a workload's first bad answer to the last request sent that it answered.

    None when it gave no bad answer; never negative.
    """
    first = first_bad(records, workload, slower_than=slower_than)
    if first is None:
        return None
    last = last_answered(records, workload)
    return max(0.0, last.at - first.done) if last else 0.0


@dataclass(frozen=True, slots=True)
class Second:
    """One interval of a time line.

    Attributes:
        at: Its beginning, in seconds since the time line's.
        requests: Sent in it.
        by_version: Of these, how many each version answered.
        failed: Of these, how many failed.
        p50: The durations' median, in seconds; None without requests.
        p99: Their 99th percentile.
    """

    at: float
    requests: int
    by_version: dict[str, int]
    failed: int
    p50: float | None
    p99: float | None

    @property
    def success_rate(self) -> float | None:
        """0 to 1; None without requests."""
        return None if not self.requests else 1 - self.failed / self.requests


def timeline(
    records: Sequence[Record], *, start: float | None = None, step: float = 1.0
) -> list[Second]:
    """Cut the records into intervals of `step` seconds, empty ones included."""
    if not records:
        return []
    begin = min(record.at for record in records) if start is None else start
    slots: dict[int, list[Record]] = {}
    for record in records:
        if record.at >= begin:
            slots.setdefault(int((record.at - begin) / step), []).append(record)
    return [
        _second(index * step, slots.get(index, [])) for index in range(max(slots, default=-1) + 1)
    ]


def _second(at: float, records: list[Record]) -> Second:
    counted = totals(records)
    return Second(
        at=at,
        requests=counted.requests,
        by_version=dict(Counter(record.version for record in records if record.version)),
        failed=counted.failed,
        p50=quantile(records, 0.5),
        p99=quantile(records, 0.99),
    )
