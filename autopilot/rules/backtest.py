"""What a rule would have done over recorded history.

Its signals are asked for at each step of the past, judged as the controller judges them, and the
rule is flown through them. What was recorded happened without the rule: what it would have
changed in the signals themselves, nobody knows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.base.timestamps import parse_time
from autopilot.rules.program import Ready
from autopilot.rules.readings import reading_of, why_unknown
from autopilot.rules.simulate import Flight, Script, Track, simulate
from autopilot.telemetry.history import Span, history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autopilot.rules.program import Program, Signal
    from autopilot.telemetry.history import RangeSource
    from autopilot.telemetry.sample import Sample

    Past = Mapping[str, Sequence[tuple[datetime, Sample]]]

MOST = 20_000
"""How many moments are judged unless a step is asked for."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which a signal wasn't known.

    Attributes:
        signal: Its name.
        start: From when.
        end: Until when.
        why: Why; the first reason where there are several.
    """

    signal: str
    start: datetime
    end: datetime
    why: str

    @property
    def seconds(self) -> float:
        """How long."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came out.

    Attributes:
        program: The rule, judged at each step.
        span: Of the past.
        flight: What it would have done.
        gaps: Where signals weren't known, by signal and time.
        assumed: Signals that weren't asked for, each with what was said instead.
    """

    program: Program
    span: Span
    flight: Flight
    gaps: tuple[Gap, ...]
    assumed: Mapping[str, float | None]

    def when(self, seconds: float) -> datetime:
        """A time of the flight, by the wall clock."""
        return self.span.start + timedelta(seconds=seconds)

    @property
    def phases(self) -> dict[str, float]:
        """Seconds in each phase, in the order of the rule."""
        found = dict.fromkeys(self.program.phases, 0.0)
        for phase, began, ended in self.flight.stays():
            found[phase] += ended - began
        return found


def unrecorded(program: Program) -> list[str]:
    """The signals that no metrics source has: counts of endpoints."""
    return [name for name, one in program.signals.items() if isinstance(one.source, Ready)]


def span_of(program: Program, start: datetime, end: datetime, step: timedelta | None) -> Span:
    """The moments to judge: at the rule's interval, or further apart where there'd be too many.

    Raises:
        ValueError: The times make no sense.
    """
    if step is None:
        every = program.interval
        times = -(-(end - start) // (every * MOST))
        step = every * max(1, times)
    return Span(start, end, step)


async def fetch(
    program: Program,
    source: RangeSource,
    span: Span,
    assumed: Mapping[str, float | None],
    timeout: float,
) -> Past:
    """The past of all signals that are recorded and that nothing is assumed of.

    Args:
        program: The rule.
        source: Whom to ask, whatever source the rule names.
        span: When.
        assumed: Signals that aren't asked for.
        timeout: Seconds for each request.

    Raises:
        SourceDown: The source didn't answer.
        QueryRefused: It refuses a query.
    """
    asked = {
        name: one.source
        for name, one in program.signals.items()
        if not isinstance(one.source, Ready) and name not in assumed
    }
    interval = program.interval.total_seconds()
    answers = await asyncio.gather(
        *(
            history(source, query, span, timeout=timeout, interval=interval)
            for query in asked.values()
        )
    )
    return dict(zip(asked, answers, strict=True))


def backtest(
    program: Program, span: Span, past: Past, assumed: Mapping[str, float | None]
) -> Backtest:
    """Fly a rule through what was recorded.

    Args:
        program: The rule.
        span: When.
        past: By signal, what it would have been told at each moment.
        assumed: Signals that stay the same all the time.
    """
    # It can't look more often than there is something to see.
    program = replace(program, interval=max(program.interval, span.step))
    tracks = {name: Track.of([(0.0, value, "")]) for name, value in assumed.items()}
    for name, samples in past.items():
        tracks[name] = _track(program.signals[name], samples, span)
    until = (span.count - 1) * span.step.total_seconds()
    flight = simulate(program, Script(until, tracks, epoch=span.start))
    gaps = [
        Gap(name, span.start + timedelta(seconds=at), span.start + timedelta(seconds=end), why)
        for name in program.signals
        if name in past
        for at, end, why in tracks[name].unknown(until)
    ]
    return Backtest(program, span, flight, tuple(gaps), dict(assumed))


def _track(signal: Signal, samples: Sequence[tuple[datetime, Sample]], span: Span) -> Track:
    return Track.of(
        (
            (at - span.start).total_seconds(),
            reading_of(signal, sample).value,
            why_unknown(signal, sample),
        )
        for at, sample in samples
    )


def moment(text: str, now: datetime) -> datetime:
    """Read a time: `now`, `-2h`, or as in RFC 3339; in UTC where it names no zone.

    Raises:
        ValueError: It is none; the message says what would be right.
    """
    said = text.strip()
    if said.lower() == "now":
        return now
    if said.startswith("-"):
        return now - durations.parse(said[1:])
    found = parse_time(said)
    if found is None:
        raise ValueError(f"{said[:40]!r} is no time; write now, -2h or 2026-01-31T14:00:00Z")
    return found
