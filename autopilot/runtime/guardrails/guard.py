"""What guardrails make of a decision, before anything of it is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autopilot.base.timestamps import parse_time
from autopilot.kube.cache import CacheUnavailable
from autopilot.runtime.guardrails import latch as latches
from autopilot.runtime.guardrails.judge import Latch, Move, Record, Trip, judge
from autopilot.runtime.guardrails.permission import Known, refusal
from autopilot.runtime.guardrails.steps import about, forward, hazards_only, without_forward
from autopilot.runtime.result import NOTHING_ASIDE
from autopilot.runtime.view import stored_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from autopilot.kube.cache import Cache
    from autopilot.mesh.steps import Plan
    from autopilot.runtime.decide import Decision
    from autopilot.runtime.guardrails.ledger import Ledger
    from autopilot.runtime.guardrails.limits import Limits
    from autopilot.runtime.record import Key
    from autopilot.runtime.status import Condition

    Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A decision, and what it is judged by.

    Attributes:
        key: The resource.
        body: The resource.
        decision: What its worker decided.
        plan: The writes that it comes to.
        limits: What holds for it.
        now: The wall clock.
        leaves: Whether it is in its initial phase.
        initial: The initial phase's name.
        inferred: Whether the worker doesn't say which phases move back, so that the writes tell.
        approved: Whether a person has just let go of the latch.
    """

    key: Key
    body: Body
    decision: Decision
    plan: Plan
    limits: Limits
    now: datetime
    leaves: bool
    initial: str
    inferred: bool = False
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Guarded:
    """What may be carried out.

    Attributes:
        decision: As decided, or what is left of it.
        plan: Likewise.
        trip: Why it isn't all that was decided; None where it is.
        latch: What holds the phase after this sync.
        conditions: For the status, where the latch comes or goes.
        news: For an Event: a reason and a text; empty where nothing comes or goes.
    """

    decision: Decision
    plan: Plan
    trip: Trip | None = None
    latch: Latch | None = None
    conditions: tuple[Condition, ...] = ()
    news: tuple[str, str] = ("", "")

    @property
    def forbidden(self) -> bool:
        """Whether the resource may not act where it wants to, rather than not yet or not so far."""
        return self.trip is not None and not self.trip.latches and self.trip.until is None


class Guard:
    """Judges decisions.

    Args:
        ledger: Counts resources off their initial phase.
        namespaces: The cache of Namespaces; None where nothing acts.
        services: The cache of Services; None where none is kept.
    """

    def __init__(self, ledger: Ledger, namespaces: Cache | None, services: Cache | None) -> None:
        self.ledger = ledger
        self._known = Known(
            lambda name: _get(namespaces, None, name),
            lambda home, name: _get(services, home, name),
        )

    def judge(self, question: Question) -> Guarded:
        """What may be carried out of a decision; claims its place among those off their initial.

        Raises:
            CacheUnavailable: How many are off their initial phase can't be told.
        """
        move = _move(question)
        held = latches.read_latch(question.body, approved=question.approved)
        trip = self._refused(question, move)
        if trip is None and move.forward:
            trip = judge(move, question.limits, self._record(question, move, held))
        latch = held.latch
        if trip is not None and trip.latches:
            latch = Latch(trip.reason, trip.message)
        conditions, news = _told(held, latch)
        if trip is None:
            if move.enter is not None and move.leaves:
                self.ledger.claim(question.key)
            return Guarded(question.decision, question.plan, None, latch, conditions, news)
        decision, plan = _restrained(question, trip)
        return Guarded(decision, plan, trip, latch, conditions, news)

    def _refused(self, question: Question, move: Move) -> Trip | None:
        """Whoever may not act somewhere may not move back there either: only removals pass."""
        if not move.steps:
            return None
        actions = question.decision.actions or ()
        where = about(question.key.namespace, actions, question.plan)
        return refusal(where, question.limits, self._known)

    def _record(self, question: Question, move: Move, held: latches.Latched) -> Record:
        now = question.now
        since = now if held.released else held.since
        counts = question.limits.max_off_initial is not None and move.leaves
        key = question.key
        where = f" -n {key.namespace}" if key.namespace else ""
        approve = f"autopilot approve {key.kind}/{key.name}{where} --latch"
        return Record(
            now=now,
            since=parse_time(stored_status(question.body).get("phaseSince")) or now,
            entered=latches.entered(question.body, since, now),
            latch=held.latch,
            others_off=self.ledger.others(question.key) if counts else 0,
            clears=f"`{approve}`, or a change of the spec",
        )


def _move(question: Question) -> Move:
    decision, steps = question.decision, forward(question.plan)
    enter = decision.enter
    back = enter is not None and (enter == question.initial or decision.aside.back)
    if enter is not None and question.inferred and not steps:
        back = back or any(step.moves == "back" for step in question.plan.changes)
    # What leaves the initial phase is a move forward, whatever it calls itself.
    if question.leaves and enter is not None and not question.inferred:
        back = enter == question.initial
    return Move(decision.phase, enter, back, question.leaves, steps)


def _restrained(question: Question, trip: Trip) -> tuple[Decision, Plan]:
    """The present phase goes on as it is: nothing that was decided is stored."""
    decision = question.decision
    cut = hazards_only if decision.enter is not None else without_forward
    wait = None if trip.until is None else trip.until - question.now
    return (
        replace(
            decision,
            enter=None,
            status={},
            outputs=(),
            actions=None,
            reason=trip.reason,
            message=trip.message,
            after=wait,
            quiet=False,
            aside=NOTHING_ASIDE,
        ),
        cut(question.plan),
    )


def _told(
    held: latches.Latched, latch: Latch | None
) -> tuple[tuple[Condition, ...], tuple[str, str]]:
    if latch is not None:
        news = ("", "") if held.latch is not None else (latch.reason, latch.message)
        return (latches.latched_condition(latch),), news
    if held.released:
        condition = latches.released_condition(held.released)
        return (condition,), (condition.reason, condition.message)
    return (), ("", "")


def _get(cache: Cache | None, namespace: str | None, name: str) -> Any:
    if cache is None:
        return None
    try:
        return cache.get(namespace, name)
    except CacheUnavailable:
        return None
