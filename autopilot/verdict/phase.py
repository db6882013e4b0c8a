"""A phase of a state machine over signals, judged: which way it goes, and what is remembered.

Pure: values, time and memory in; a move or none, the next memory and the time of the next look
out. So the same judge serves the controller, unit tests in virtual time and backtests.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from autopilot.verdict.hold import EPSILON, For, Held
from autopilot.verdict.memory import Memory, Progress
from autopilot.verdict.transition import Moment, Standing, Transition, judge_transition
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from datetime import timedelta

QUIET = 3600.0
"""After so many seconds in the initial phase no failed visit counts any more."""


_FRESH = Progress()


class Because(StrEnum):
    """Why a phase is left."""

    WHEN = "when"
    MAX_STAY = "maxStay"
    WHEN_BLIND = "whenBlind"


@dataclass(frozen=True, slots=True)
class Exit:
    """`maxStay` or `whenBlind`.

    Attributes:
        to: The phase that it leads to.
        after: How long the stay, or the blindness, lasts at most.
    """

    to: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase.

    Attributes:
        name: Its name.
        transitions: In the order in which they are tried; `fromAny` ones among them, of which
            one that leads here is passed over.
        initial: Whether the machine begins here.
        final: Whether it ends here: nothing is ever taken.
        max_stay: Where to after a time, whatever is known.
        when_blind: Where to when none of its transitions could be judged for a time.
        unsampled: Signals that don't come from telemetry (`ladder.done`): knowing them doesn't
            make a phase see.
    """

    name: str
    transitions: tuple[Transition, ...] = ()
    initial: bool = False
    final: bool = False
    max_stay: Exit | None = None
    when_blind: Exit | None = None
    unsampled: frozenset[str] = field(default=frozenset({"ladder.done"}))


@dataclass(frozen=True, slots=True)
class Move:
    """A decision to leave a phase.

    Attributes:
        to: Where to.
        because: Which clause says so.
        transition: Which transition, where it is one's `when`.
    """

    to: str
    because: Because
    transition: Transition | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judgement found.

    Attributes:
        move: Where to go; None to stay.
        memory: What to remember if the phase is kept: nothing was taken, or a guardrail refused.
        standings: Where each transition stands, in their order.
        blind: Whether none of the transitions that read telemetry can be judged.
        next_in: Seconds after which the same values could bring a move; 0 where one is decided,
            None when they never can. A caller with a `gap` judges again within it all the same.
        hungry: Whether further samples of the same values could change what is counted: an engine
            that jumps lets them come one by one while it is so (at most n of a `times: k/n`).
    """

    move: Move | None
    memory: Memory
    standings: tuple[Standing, ...] = ()
    blind: bool = False
    next_in: float | None = None
    hungry: bool = False

    def moved(self) -> Memory:
        """What to remember once the move has been made."""
        if self.move is None:
            return self.memory
        memory, taken = self.memory, self.move.transition
        if taken is not None and taken.after is not None and taken.after.grows:
            way = _way(memory.phase, taken)
            failed = {**memory.failed, way: min(memory.failed.get(way, 0) + 1, 60)}
            memory = replace(memory, failed=failed)
        lasting = [
            standing.transition.key
            for standing in self.standings
            if standing.transition.from_any and standing.transition is not taken
        ]
        return memory.entered(self.move.to, lasting)


def judge_phase(phase: Phase, before: Memory, moment: Moment) -> Judged:
    """Judge a phase: the first transition in order that is ready wins, then the two exits.

    A visit has failed when its transition with a doubling `after` was taken and the phase is
    entered again without the machine having spent `QUIET` in its initial phase in between.

    Args:
        phase: Which.
        before: What is remembered; of another phase, only failed visits count.
        moment: The values, and the time since the judgement before.
    """
    if before.phase != phase.name:
        lasting = [transition.key for transition in phase.transitions if transition.from_any]
        before = before.entered(phase.name, lasting)
        moment = replace(moment, elapsed=None)
    memory = _older(phase, before, moment.elapsed)
    if phase.final:
        return Judged(None, memory)
    standings, progress = [], {}
    for transition in phase.transitions:
        if transition.from_any and transition.to == phase.name:
            continue
        standing, now = judge_transition(
            transition,
            before.progress.get(transition.key, _FRESH),
            moment,
            memory.seconds,
            memory.failed.get(_way(phase.name, transition), 0),
        )
        standings.append(standing)
        if now != _FRESH:
            progress[transition.key] = now
    blind = _blind(phase, standings, moment)
    timers = [standing.next_in for standing in standings if standing.next_in is not None]
    exits, dark = _exits(phase, memory, blind, moment)
    memory = Memory(phase.name, memory.seconds, progress, dark, memory.failed)
    ready = next((standing.transition for standing in standings if standing.ready), None)
    move = Move(ready.to, Because.WHEN, ready) if ready else None
    for left, exit_move in exits:
        if left > 0:
            timers.append(left)
        elif move is None:
            move = exit_move
    return Judged(
        move,
        memory,
        tuple(standings),
        blind,
        next_in=0.0 if move else min(timers, default=None),
        hungry=any(standing.hungry for standing in standings),
    )


def _older(phase: Phase, memory: Memory, elapsed: float | None) -> Memory:
    """The time in phase gone on, as far as anything asks for it, and old failures forgotten."""
    asked = [
        transition.after.seconds(memory.failed.get(_way(phase.name, transition), 0))
        for transition in phase.transitions
        if transition.after is not None
    ]
    if phase.max_stay is not None:
        asked.append(phase.max_stay.after.total_seconds())
    if phase.initial and memory.failed:
        asked.append(QUIET)
    if not asked:
        return memory if memory.seconds == 0 else replace(memory, seconds=0.0)
    seconds = min(memory.seconds + max(0.0, elapsed or 0.0), max(asked))
    failed = {} if phase.initial and seconds >= QUIET else memory.failed
    return Memory(memory.phase, seconds, memory.progress, memory.blind, failed)


def _blind(phase: Phase, standings: list[Standing], moment: Moment) -> bool:
    """Whether no transition that reads telemetry can be judged by it."""
    seeing = []
    for standing in standings:
        when = standing.transition.when
        sampled = [name for name in when.reads if name not in phase.unsampled] if when else []
        if not sampled:
            continue
        known = any(name in moment.readings and moment.readings[name].known for name in sampled)
        seeing.append(known and not standing.when.is_unknown)
    return bool(seeing) and not any(seeing)


def _exits(
    phase: Phase, memory: Memory, blind: bool, moment: Moment
) -> tuple[list[tuple[float, Move]], Held]:
    """`maxStay`, then `whenBlind`, each with the seconds left; and the time spent blind."""
    exits, held = [], memory.blind
    if phase.max_stay is not None:
        left = phase.max_stay.after.total_seconds() - memory.seconds
        left = left if left > EPSILON else 0.0
        exits.append((left, Move(phase.max_stay.to, Because.MAX_STAY)))
    if phase.when_blind is not None:
        rule = For(phase.when_blind.after)
        held, _ = rule.observe(memory.blind, Verdict.of(blind), moment.elapsed)
        if blind:
            exits.append((rule.left(held), Move(phase.when_blind.to, Because.WHEN_BLIND)))
    return exits, held


def _way(phase: str, transition: Transition) -> str:
    return f"{phase}>{transition.to}"
