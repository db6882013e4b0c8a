"""Who wants which sample, and when it is due: the poller's bookkeeping, without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.telemetry.sample import Sample, Why

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Hashable

    from autopilot.telemetry.query import Family, Target

IGNORED = 3
"""After how many unused intervals a subscription lapses."""


@dataclass(slots=True)
class Reader:
    """One subscriber of an entry.

    Attributes:
        last: Monotonic time of its last read.
        ignored: New samples since then.
    """

    last: float
    ignored: int = 0


@dataclass(slots=True)
class Entry:
    """One target of a group.

    Attributes:
        target: Whom it is about.
        sample: The last answer; None before the first.
        expires: Monotonic time until which the answer may be handed out again.
        flight: The answer on its way; None when nobody asks.
        asking: The readers that wait for it, and so needn't be woken.
        readers: Subscribers by key.
    """

    target: Target
    sample: Sample | None = None
    expires: float = 0.0
    flight: asyncio.Future[Sample] | None = None
    asking: set[Hashable] = field(default_factory=set)
    readers: dict[Hashable, Reader] = field(default_factory=dict)

    def subscribe(self, reader_key: Hashable, now: float) -> None:
        """Note a read."""
        self.readers[reader_key] = Reader(now)

    def take(self, sample: Sample, expires: float, *, timed: bool) -> list[Hashable]:
        """Keep an answer; says whom to wake: subscribers to whom it is new."""
        fresh = self.sample is None or _essence(sample, timed) != _essence(self.sample, timed)
        self.sample = sample
        self.expires = expires
        wake = [key for key in self.readers if key not in self.asking] if fresh else []
        for key in wake:
            self.readers[key].ignored += 1
        self.asking.clear()
        return wake

    def lapse(self, now: float, patience: float) -> bool:
        """Drop subscribers that no longer read; says whether none is left.

        One that was woken for several new samples and read none has lost interest; one that
        there was nothing to wake for keeps its place for longer, so that it hears of the first.
        """
        gone = [
            key
            for key, reader in self.readers.items()
            if reader.ignored >= IGNORED or now - reader.last > patience
        ]
        for key in gone:
            del self.readers[key]
        return not self.readers and self.flight is None


@dataclass(slots=True)
class Group:
    """Entries of one family that are polled at one interval.

    Attributes:
        family: How to ask.
        interval: Seconds between polls.
        due: Monotonic time of the next poll.
        failures: Failed polls in a row.
        entries: By target.
        pending: Entries that wait for the next request to leave.
    """

    family: Family
    interval: float
    due: float
    failures: int = 0
    entries: dict[Target, Entry] = field(default_factory=dict)
    pending: list[Entry] = field(default_factory=list)

    def delay(self, why: Why) -> float:
        """Seconds until the next poll after such an answer: the interval, sooner while down."""
        self.failures = self.failures + 1 if why is Why.SOURCE_DOWN else 0
        if not self.failures:
            return self.interval
        return min(self.interval, 0.25 * 2.0 ** min(self.failures, 16))


def _essence(sample: Sample, timed: bool) -> tuple[object, ...]:
    """What makes a sample new. The time counts only where it is the scrape's."""
    return (
        sample.value,
        sample.why,
        sample.requests,
        sample.of,
        sample.at if timed and sample.why is not Why.STALE else None,
    )
