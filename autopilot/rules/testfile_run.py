"""Flies the tests of rules, and tells what came out otherwise than expected, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.rules.simulate import simulate
from autopilot.rules.words import describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autopilot.rules.simulate import Flight, Step
    from autopilot.rules.testfile_case import Case, Expected

_MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that wasn't met.

    Attributes:
        line: Where it stands in the file.
        at: When, in seconds from the beginning.
        what: `phase`, `rung`, `actions`, `events` or `never`.
        expected: What should have been.
        got: What was.
        why: The look at that moment, a line each: every condition with its values.
    """

    line: int
    at: float
    what: str
    expected: str
    got: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test.

    Attributes:
        case: The test.
        failures: Empty when it passed.
        flight: What the rule did.
    """

    case: Case
    failures: tuple[Failure, ...]
    flight: Flight = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures

    @property
    def timeline(self) -> list[str]:
        """All that happened, a line each; the middle of a long one is left out."""
        lines = [line_of(step) for step in self.flight.steps]
        left_out = len(lines) - _MOST_LINES
        if left_out <= 0:
            return lines
        half = _MOST_LINES // 2
        return [*lines[:half], f"… {left_out} more …", *lines[-half:]]


def run(case: Case) -> Outcome:
    """Fly one test."""
    flight = simulate(case.program, case.script, [one.seconds for one in case.expect])
    return Outcome(case, tuple(_failures(case, flight)), flight)


def line_of(step: Step) -> str:
    """A step for people: when, where to, why, and what it wants of the mesh."""
    reason, message = step.event
    does = "; ".join(describe(action) for action in step.wanted)
    acts = f"  [{does}]" if does else ""
    return f"{durations.render(step.at):<9} {reason}: {message}{acts}"


def _failures(case: Case, flight: Flight) -> Iterator[Failure]:
    before = -1.0
    for expected in case.expect:
        why = tuple(_why(flight, expected))
        for what, should, was in _compared(flight, expected, before):
            yield Failure(expected.line, expected.seconds, what, should, was, why)
        before = expected.seconds
    for phase, line in case.never:
        step = next((one for one in flight.steps if one.phase == phase), None)
        if step is not None:
            why = tuple(step.found.lines) if step.found else ()
            got = f"{phase} at {durations.render(step.at)}: {step.event[1]}"
            yield Failure(line, step.at, "never", f"never {phase}", got, why)


def _compared(flight: Flight, expected: Expected, before: float) -> Iterator[tuple[str, str, str]]:
    """What differs at a moment: what, expected, got."""
    spec, stands = expected.spec, flight.at(expected.seconds)
    if spec.phase is not None and spec.phase != stands.phase:
        yield "phase", spec.phase, stands.phase
    if spec.rung is not None and spec.rung != stands.rung + 1:
        rungs = flight.program.phases[stands.phase].rungs
        yield "rung", str(spec.rung), f"{stands.rung + 1} of {rungs} in {stands.phase}"
    if spec.actions is not None:
        wanted = [describe(action) for action in stands.wanted]
        if wanted != list(spec.actions):
            yield "actions", _listed(spec.actions), _listed(wanted)
    if spec.events is not None:
        happened = [": ".join(step.event) for step in _events(flight, before, expected.seconds)]
        fits = len(happened) == len(spec.events) and all(
            part in event for part, event in zip(spec.events, happened, strict=True)
        )
        if not fits:
            yield "events", _listed(spec.events), _listed(happened)


def _events(flight: Flight, before: float, until: float) -> list[Step]:
    """What happened since the expectation before, its own moment left out."""
    return [step for step in flight.between(before, until) if step.found is not None]


def _why(flight: Flight, expected: Expected) -> Iterator[str]:
    found = flight.peeks.get(expected.seconds)
    if found is None:
        return
    yield f"in {found.held.phase}:"
    yield from ("  " + line for line in found.lines)


def _listed(texts: Sequence[str]) -> str:
    return "; ".join(texts) or "none"
