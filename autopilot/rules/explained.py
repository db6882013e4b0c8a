"""Why a rule is where it is, what it waits for and what comes next: pure.

Judged anew from its spec, its status and the signals as they are now, by the engine itself. What a
transition has counted (`for`, `times`) comes from the status, which is written as far as a restart
must not lose it: the controller may have counted more, never less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.base.timestamps import parse_time
from autopilot.kube.marks import APPROVE
from autopilot.rules.engine import advance, wanted
from autopilot.rules.state import State
from autopilot.rules.words import describe
from autopilot.verdict.explain import explain
from autopilot.verdict.transition import Moment
from autopilot.verdict.units import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.rules.engine import Advanced
    from autopilot.rules.program import Program
    from autopilot.verdict.cel import Condition
    from autopilot.verdict.transition import Reading, Standing


@dataclass(frozen=True, slots=True)
class SignalTold:
    """A signal.

    Attributes:
        name: Its name.
        value: For people; `unknown` where it isn't known.
        age: Seconds since its scrape; None for one that isn't scraped.
        why: Why it isn't known.
        read: Whether a way out of the present phase reads it.
    """

    name: str
    value: str
    age: float | None
    why: str
    read: bool


@dataclass(frozen=True, slots=True)
class Way:
    """A way out of the phase.

    Attributes:
        to: Where it leads.
        verdict: What its condition says: true, false or unknown.
        ready: Whether it would be taken now.
        lines: Each comparison with its values, indented.
        lacks: What it still waits for, once its condition is true.
        holds: Its other clauses, for people: `for: 10s`, `after: 1m..30m`, `approve`.
    """

    to: str
    verdict: str
    ready: bool
    lines: tuple[str, ...]
    lacks: tuple[str, ...]
    holds: str


@dataclass(frozen=True, slots=True)
class LadderTold:
    """The ladders of the phase.

    Attributes:
        rung: From 1.
        of: How many rungs.
        dwell_left: Seconds that the rung must still be stood on.
        climbs: What `while` says; true without one.
        lines: Its comparisons.
        then: What the next rung wants; empty on the last one.
    """

    rung: int
    of: int
    dwell_left: float
    climbs: str
    lines: tuple[str, ...]
    then: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule, explained.

    Attributes:
        phase: The phase; the virtual one of a rule that observes.
        since: When it was entered; None where nothing says.
        virtual: Whether the rule only observes.
        why: Why the phase was entered.
        signals: All of them.
        ways: The ways out, in the order in which they are tried.
        exits: `maxStay` and `whenBlind`, for people.
        ladder: None where the phase has none.
        wants: What the phase wants of the mesh, in few words.
        failed: Failed visits that make waits longer, for people.
        next: What would happen next, and when.
    """

    phase: str
    since: datetime | None
    virtual: bool
    why: str
    signals: tuple[SignalTold, ...]
    ways: tuple[Way, ...]
    exits: tuple[str, ...]
    ladder: LadderTold | None
    wants: tuple[str, ...]
    failed: tuple[str, ...]
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a rule's status says.

    Attributes:
        phase: The phase.
        since: When it was entered.
        why: Why.
        machine: What the state machine remembers.
        virtual: Whether that is a rule's that observes.
        opened: The phase that a person has opened the way to, if any.
    """

    phase: str
    since: datetime | None
    why: str
    machine: Any
    virtual: bool
    opened: frozenset[str] = frozenset()

    @classmethod
    def of(cls, body: Body, program: Program) -> Stored:
        """From a rule; the initial phase where it has none yet, or one that is gone."""
        status = body.get("status") or {}
        history = status.get("phaseHistory") or [{}]
        said: Mapping[str, Any] = {
            "phase": status.get("phase"),
            "since": status.get("phaseSince"),
            "why": history[-1].get("message") if isinstance(history[-1], dict) else "",
            "machine": status.get("machine"),
        }
        if program.observe:
            would = status.get("wouldBe")
            said = would if isinstance(would, dict) else {}
        phase = said.get("phase")
        if phase not in program.phases:
            return cls(program.initial, None, "", None, program.observe)
        named = str((body["metadata"].get("annotations") or {}).get(APPROVE) or "").strip()
        return cls(
            phase=str(phase),
            since=parse_time(said.get("since")),
            why=str(said.get("why") or ""),
            machine=said.get("machine"),
            virtual=program.observe,
            opened=frozenset({named} if named else ()),
        )


def report(
    program: Program,
    stored: Stored,
    readings: Mapping[str, Reading],
    why: Mapping[str, str],
    now: datetime,
) -> Explanation:
    """Explain a rule.

    Args:
        program: The compiled rule.
        stored: What its status says.
        readings: The signals as they are now.
        why: Why signals aren't known, by name.
        now: For ages, and for how long the phase has lasted.
    """
    state = _aged(State.from_status(stored.machine, stored.phase), stored, now)
    # As the worker has it: nobody is asked to approve what isn't done.
    opened = frozenset(program.phases) if stored.virtual else stored.opened
    found = advance(program, state, Moment(readings, None, opened), why)
    return Explanation(
        phase=stored.phase,
        since=stored.since,
        virtual=stored.virtual,
        why=stored.why,
        signals=tuple(_signals(found, readings, why, now)),
        ways=tuple(_way(found, each) for each in found.judged.standings),
        exits=tuple(_exits(found)),
        ladder=_ladder(found),
        wants=tuple(describe(each) for each in wanted(program, found.held)),
        failed=tuple(_failed(state)),
        next=tuple(_next(found)),
    )


def _aged(state: State, stored: Stored, now: datetime) -> State:
    """The state with its time in phase by the wall clock, where the status says less."""
    if stored.since is None:
        return state
    seconds = max(state.memory.seconds, (now - stored.since).total_seconds())
    return replace(state, memory=replace(state.memory, phase=state.phase, seconds=seconds))


def _signals(
    found: Advanced, readings: Mapping[str, Reading], why: Mapping[str, str], now: datetime
) -> Iterator[SignalTold]:
    read = {
        name
        for each in found.judged.standings
        for name in (each.transition.when.reads if each.transition.when else ())
    }
    read |= set(found.plan.climbs.reads) if found.plan.climbs else set()
    for name, signal in found.program.signals.items():
        reading = readings.get(name)
        at = reading.at if reading else None
        yield SignalTold(
            name=name,
            value=render(reading.value if reading else None, signal.unit),
            age=None if at is None else max(0.0, now.timestamp() - at),
            why=why.get(name, ""),
            read=name in read,
        )


def _way(found: Advanced, standing: Standing) -> Way:
    transition = standing.transition
    clauses = []
    if transition.times is not None:
        clauses.append(f"times: {transition.times.k}/{transition.times.n}")
    if transition.hold is not None:
        clauses.append(f"for: {durations.render(transition.hold)}")
    if transition.after is not None:
        clauses.append(f"after: {transition.after}")
    if transition.approve:
        clauses.append("approve" if standing.shut else "approve: given")
    return Way(
        to=transition.to,
        verdict=standing.when.value,
        ready=standing.ready,
        lines=_lines(transition.when, found),
        lacks=standing.lacks,
        holds=", ".join(clauses),
    )


def _lines(condition: Condition | None, found: Advanced) -> tuple[str, ...]:
    if condition is None:
        return ()
    return tuple(explain(condition, found.moment.values, found.why).lines())


def _exits(found: Advanced) -> Iterator[str]:
    plan, memory = found.plan.judged, found.held.memory
    if plan.max_stay is not None:
        most, spent = plan.max_stay.after, durations.render(round(memory.seconds))
        yield f"to {plan.max_stay.to} after {durations.render(most)} at the latest; spent {spent}"
    if plan.when_blind is not None:
        most = plan.when_blind.after
        state = f"blind for {durations.render(round(memory.blind.seconds))}"
        seen = state if found.judged.blind else "it sees"
        yield f"to {plan.when_blind.to} when blind for {durations.render(most)}; {seen}"


def _ladder(found: Advanced) -> LadderTold | None:
    plan = found.plan
    if plan.rungs <= 1:
        return None
    rung = found.held.rung
    above = [each.at(rung + 1) for each in plan.actions] if rung + 1 < plan.rungs else []
    return LadderTold(
        rung=rung + 1,
        of=plan.rungs,
        dwell_left=found.dwell_left,
        climbs=found.climbs.value,
        lines=_lines(plan.climbs, found),
        then=tuple(describe(each) for each in above),
    )


def _failed(state: State) -> Iterator[str]:
    for way, count in state.memory.failed.items():
        phase, _, to = way.partition(">")
        visits = f"{count} failed visit{'' if count == 1 else 's'}"
        yield f"{visits}: {phase} → {to} waits longer"


def _next(found: Advanced) -> Iterator[str]:
    """What would happen on these very values, the soonest first."""
    if found.move is not None:
        yield f"to {found.move.to} at the next look: {found.message}"
        return
    if found.climbed:
        yield f"the ladder climbs at the next look: {found.message}"
        return
    coming: list[tuple[float, str]] = []
    for each in found.judged.standings:
        if each.next_in is not None:
            coming.append((each.next_in, f"to {each.transition.to}"))
        elif each.lacks:
            coming.append((float("inf"), f"to {each.transition.to}: {_needs(found, each)}"))
    if found.plan.rungs > 1 and found.held.rung + 1 < found.plan.rungs and found.climbs.is_true:
        coming.append((found.dwell_left, f"the ladder climbs to rung {found.held.rung + 2}"))
    for seconds, what in sorted(coming):
        when = "" if seconds == float("inf") else f" within {_span(seconds)}, on these values"
        yield f"{what}{when}"
    if not coming:
        yield found.message


def _needs(found: Advanced, standing: Standing) -> str:
    if standing.shut:
        program = found.program
        which = f"rule/{program.name} {standing.transition.to} -n {program.namespace}"
        opens = f"`autopilot approve {which}`"
        return f"waits for a person: {opens}"
    return f"waits for {', '.join(standing.lacks)}"


def _span(seconds: float) -> str:
    return durations.render(max(1, round(seconds)))
