"""How long a rule takes to see a failure, and what a step risks until then: pure.

The model. At time 0 a destination begins to answer a part e of its requests with errors, at once;
all else stays as it is. Before, a signal's services got r0 requests per second, since then r1, of
which a part b of them is the failing destination's. A ratio of errors over a window W, asked at
t ≤ W, is then (the counts of a range vector, divided)::

    ratio(t) = e·b·r1·t / (r0·(W - t) + r1·t)

and is known where the denominator, the requests in the window, reaches the signal's minimum. So
with steady traffic (r0 = r1, b = 1) a limit θ is crossed at t = W·θ/e; a trial that begins with
nothing in its window (r0 = 0) crosses it as soon as the minimum has been gathered, at
t = minRequests/r1. The instant is found by trying the rule's own condition on these values.

Telemetry adds to it. A window of W holds whole scrapes only, S apart, so it spans W - S to W. What
happened since the last scrape isn't seen (up to S), a series' first errors ever are seen one scrape
later (up to S, see `telemetry.builtins`), and the rule asks once per interval (up to I)::

    soonest: crossing with W - S, then `for` and `times`
    latest:  crossing with W + 2·S + I, then `for` and `times`

`times: k/n` needs k - 1 further samples. Left out: `after`, approvals and guardrails, which hold a
move back on purpose, and the write itself, which takes well under a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from autopilot.mesh.actions import Shed, Shift
from autopilot.rules.program import LADDER_DONE, Ready
from autopilot.telemetry.service_family import ServiceFamily
from autopilot.verdict.explain import explain
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autopilot.rules.program import PhasePlan, Program, Signal
    from autopilot.telemetry.query import Target
    from autopilot.verdict.cel import Condition
    from autopilot.verdict.transition import Transition

SHARES = (0.05, 0.2, 1.0)
"""The parts of errors that a plan looks at."""

SCRAPES = 4
"""How many scrapes a window holds unless told: as many as the documents ask for."""

PLENTY = 1000.0
"""Ready endpoints of a service that has none now, where a phase is entered only with some."""

_STEPS = 400
_VERSION = "destination_version"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who gets which part of the requests, and who fails.

    Attributes:
        subject: The destination that fails: `service`, or `service/subset`.
        before: Percent by destination until time 0.
        now: Percent by destination since then.
    """

    subject: str
    before: Mapping[str, float]
    now: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Situation:
    """What else is so.

    Attributes:
        rps: Requests per second to the rule's target, by all its callers.
        scrape: Seconds between scrapes; None for a quarter of each window.
        values: Present values of signals that the failure doesn't touch; one left out is unknown.
    """

    rps: float
    scrape: float | None = None
    values: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detection:
    """How long until a transition is ready.

    Attributes:
        errors: The part of errors, 0 to 1.
        soonest: Seconds; None where it never is.
        latest: Seconds; likewise.
        why: Why it never is, for people.
    """

    errors: float
    soonest: float | None = None
    latest: float | None = None
    why: str = ""


def shares_of(program: Program, phase: str, rung: int = 0) -> dict[str, float]:
    """Percent of the target's requests by destination; all to the target without a split.

    What is shed of all requests reaches nobody. How many requests have a header nobody knows: what
    is shed by header alone is counted as if it passed.
    """
    shares, passed = {program.target.host: 100.0}, 1.0
    for action in program.phases[phase].actions:
        wanted = action.at(rung)
        if isinstance(wanted, Shift):
            shares = {name: float(weight) for name, weight in wanted.weights.items()}
        elif isinstance(wanted, Shed) and not wanted.headers:
            passed = 1 - wanted.share / 100
    return {name: share * passed for name, share in shares.items()}


def decides(transition: Transition, program: Program) -> bool:
    """Whether a transition's condition reads errors of a mesh at all."""
    when = transition.when
    return when is not None and any(
        _measure(program.signals[name]) in {"errors", "success"}
        for name in when.reads
        if name in program.signals
    )


def detection(
    program: Program,
    transition: Transition,
    exposure: Exposure,
    situation: Situation,
    errors: float,
) -> Detection:
    """How long after time 0 a transition is ready; see the module for the formula.

    Args:
        program: The rule.
        transition: One that has a condition.
        exposure: Who gets what, and who fails.
        situation: What else is so.
        errors: The part of the subject's requests that fail, 0 to 1.
    """
    when = transition.when
    if when is None:
        return Detection(errors, why="it has no condition")
    judged = _over_time(program, when, exposure, situation, errors, early=False)
    if when.judge(judged(0.0)) is Verdict.TRUE:
        again = _with_endpoints(program, when, situation)
        if again is None:
            return Detection(errors, why="it is true already, before anything fails")
        return detection(program, transition, exposure, again, errors)
    crossed = []
    for early in (True, False):
        values = _over_time(program, when, exposure, situation, errors, early=early)
        crossed.append(_first_true(when, values, _longest(program, when)))
    soonest, latest = crossed
    if soonest is None or latest is None:
        return Detection(errors, why=_why_never(program, when, judged))
    interval, scrape = program.interval.total_seconds(), _scrape(program, when, situation)
    hold = transition.hold.total_seconds() if transition.hold else 0.0
    more = transition.times.k - 1 if transition.times else 0
    sooner = more * max(scrape, interval) - min(scrape, interval)
    return Detection(
        errors,
        soonest=soonest + hold + max(0.0, sooner),
        latest=latest + 2 * scrape + interval + hold + more * (scrape + interval),
    )


def _with_endpoints(program: Program, when: Condition, situation: Situation) -> Situation | None:
    """The situation with ready endpoints where there are none now; None where none lack.

    A phase isn't planned for while it has nothing to judge: a trial begins with ready endpoints.
    """
    empty = {
        name: PLENTY
        for name in when.reads
        if name in program.signals
        and isinstance(program.signals[name].source, Ready)
        and situation.values.get(name) == 0
    }
    return replace(situation, values={**situation.values, **empty}) if empty else None


def _over_time(
    program: Program,
    when: Condition,
    exposure: Exposure,
    situation: Situation,
    errors: float,
    *,
    early: bool,
) -> Callable[[float], dict[str, float | None]]:
    """The values that a condition reads, by seconds since time 0."""

    def values(seconds: float) -> dict[str, float | None]:
        made: dict[str, float | None] = {}
        for name in when.reads:
            if name == LADDER_DONE:
                made[name] = 0.0
                continue
            signal = program.signals[name]
            span = _span(signal)
            span -= _scrape_of(signal, situation) if early else 0.0
            made[name] = _value(signal, exposure, situation, errors * (seconds > 0), seconds, span)
        return made

    return values


def _value(
    signal: Signal,
    exposure: Exposure,
    situation: Situation,
    errors: float,
    seconds: float,
    span: float,
) -> float | None:
    measure = _measure(signal)
    if measure not in {"errors", "success", "rate"} or span <= 0:
        return situation.values.get(signal.name)
    assert not isinstance(signal.source, Ready)
    target = signal.source.target
    past, present = (_rate(target, part, situation.rps) for part in (exposure.before, exposure.now))
    since = min(seconds, span)
    requests = past * (span - since) + present * since
    if measure == "rate":
        return requests / span * signal.factor
    # The minimum is counted over the whole window, whose ends a source makes up for.
    if requests * _span(signal) / span < max(signal.min_requests, 1e-9):
        return None
    failing = {exposure.subject: exposure.now.get(exposure.subject, 0.0)}
    bad = errors * _rate(target, failing, situation.rps) * since / requests
    return (bad if measure == "errors" else 1 - bad) * signal.factor


def _rate(target: Target, shares: Mapping[str, float], rps: float) -> float:
    return sum(rps * share / 100 for name, share in shares.items() if _covers(target, name))


def _covers(target: Target, destination: str) -> bool:
    """Whether a signal's services answer for a destination; a subset is its version's name."""
    service, _, subset = destination.partition("/")
    versions = dict(target.narrow).get(_VERSION, ())
    named = any(name == service for _, name in target.route)
    return named and (not versions or not subset or subset in versions)


def _first_true(
    when: Condition, values: Callable[[float], Mapping[str, float | None]], longest: float
) -> float | None:
    """The first instant within a window at which a condition is true, to a thousandth of it."""
    last = 0.0
    for step in range(1, _STEPS + 1):
        seconds = longest * step / _STEPS
        if when.judge(values(seconds)) is Verdict.TRUE:
            low, high = last, seconds
            for _ in range(8):
                middle = (low + high) / 2
                low, high = (
                    (low, middle) if when.judge(values(middle)) is Verdict.TRUE else (middle, high)
                )
            return high
        last = seconds
    return None


def _why_never(
    program: Program, when: Condition, values: Callable[[float], Mapping[str, float | None]]
) -> str:
    at = values(_longest(program, when))
    said = when.judge(at)
    if said is Verdict.FALSE:
        return f"never: {_false(when, at)} stays false"
    unknown = [name for name in when.reads if at[name] is None]
    few = [name for name in unknown if _counts(program, name)]
    if few:
        least = max(program.signals[name].min_requests for name in few)
        return f"unknown: {', '.join(few)} would stand on fewer than {least:g} requests"
    false = _false(when, at)
    told = f"{false} stays false, and " if false else ""
    return f"unknown: {told}{', '.join(unknown)} isn't known"


def _false(when: Condition, at: Mapping[str, float | None]) -> str:
    leaves = [leaf for leaf in explain(when, at).leaves() if leaf.verdict.is_false]
    texts = [leaf.text for leaf in leaves]
    return ", ".join([text for text in texts if text != LADDER_DONE] or texts)


def _counts(program: Program, name: str) -> bool:
    return name in program.signals and _measure(program.signals[name]) in {"errors", "success"}


def _measure(signal: Signal) -> str:
    """What a built-in about the present measures; empty for all other signals."""
    family = None if isinstance(signal.source, Ready) else signal.source.family
    return family.measure if isinstance(family, ServiceFamily) and not family.ago else ""


def _span(signal: Signal) -> float:
    return 0.0 if isinstance(signal.source, Ready) else signal.source.family.span


def _longest(program: Program, when: Condition) -> float:
    spans = [_span(program.signals[name]) for name in when.reads if name in program.signals]
    return max(spans, default=0.0) or 1.0


def _scrape_of(signal: Signal, situation: Situation) -> float:
    return _span(signal) / SCRAPES if situation.scrape is None else situation.scrape


def _scrape(program: Program, when: Condition, situation: Situation) -> float:
    counted = [
        _scrape_of(program.signals[name], situation)
        for name in when.reads
        if _counts(program, name)
    ]
    return max(counted, default=0.0)


def steps_of(plan: PhasePlan) -> range:
    """The rungs of a phase."""
    return range(max(1, plan.rungs))
