"""A rule's signals, all read at once: telemetry through the poller, endpoints through the cache."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autopilot.kube.cache import CacheUnavailable
from autopilot.rules.program import Ready
from autopilot.rules.readings import reading_of, why_unknown
from autopilot.telemetry.sample import Sample, Why

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autopilot.rules.program import Program, Signal
    from autopilot.runtime.inputs import Inputs
    from autopilot.verdict.transition import Reading

_TROUBLE = (Why.SOURCE_DOWN, Why.REFUSED)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read.

    Attributes:
        readings: By signal.
        why: Why signals aren't known, by name.
        at: When the data behind a signal was scraped, where that is told.
        trouble: Signals that nobody can answer, and why: a source that is down, or refuses. Time
            won't mend that, unlike too few requests.
    """

    readings: Mapping[str, Reading] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    at: Mapping[str, datetime] = field(default_factory=dict)
    trouble: Mapping[str, str] = field(default_factory=dict)


async def read(program: Program, inputs: Inputs, now: datetime) -> Read:
    """Read all signals of a rule; one that can't be read is unknown.

    Args:
        program: The rule.
        inputs: The inputs of the sync.
        now: The wall clock.
    """
    asked = [signal for signal in program.signals.values() if not isinstance(signal.source, Ready)]
    answers = await asyncio.gather(*(inputs.metrics.read(signal.source) for signal in asked))
    found: dict[str, Any] = {signal.name: one for signal, one in zip(asked, answers, strict=True)}
    why: dict[str, str] = {}
    for signal in program.signals.values():
        if isinstance(signal.source, Ready):
            try:
                found[signal.name] = ready(inputs, signal.source)
            except CacheUnavailable as error:
                found[signal.name], why[signal.name] = None, str(error)
    return _read(program.signals.values(), found, why, stamp(now, program.interval.total_seconds()))


def stamp(now: datetime, interval: float) -> float:
    """The time of an answer that carries none: the same within one interval.

    So `times` counts a number of endpoints once per interval, however often somebody looks.
    """
    seconds = now.timestamp()
    return seconds - seconds % interval if interval > 0 else seconds


def ready(inputs: Inputs, source: Ready) -> float:
    """How many endpoints of a service are ready.

    Raises:
        CacheUnavailable: It can't be told.
    """
    slices = inputs.endpointslices.of((source.namespace, source.service))
    # A service of both address families has each of its endpoints twice.
    counts: dict[str, int] = {}
    for body in slices:
        family = str(body.get("addressType") or "")
        found = sum(
            (endpoint.get("conditions") or {}).get("ready") is not False
            for endpoint in body.get("endpoints") or ()
        )
        counts[family] = counts.get(family, 0) + found
    return float(max(counts.values(), default=0))


def _read(
    signals: Iterable[Signal], found: Mapping[str, Any], why: Mapping[str, str], counted: float
) -> Read:
    readings: dict[str, Reading] = {}
    said: dict[str, str] = {}
    times: dict[str, datetime] = {}
    trouble: dict[str, str] = {}
    for signal in signals:
        answer, at = found[signal.name], None
        if not isinstance(answer, Sample):
            at = counted
        reading = reading_of(signal, answer, at=at)
        readings[signal.name] = reading
        if not reading.known:
            said[signal.name] = why.get(signal.name) or why_unknown(signal, answer)
            if signal.name in why or (isinstance(answer, Sample) and answer.why in _TROUBLE):
                trouble[signal.name] = said[signal.name]
        if reading.at is not None:
            times[signal.name] = datetime.fromtimestamp(reading.at, UTC)
    return Read(readings, said, times, trouble)
