"""When a resource's next turn comes, and whether a tick is due, used up or owed.

No ramp is hurried: a tick is used up by the write of step (1) that it led to, whoever made it and
whatever failed afterwards; one that was refused before it is owed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.runtime import reasons
from autopilot.runtime.queue import Ran
from autopilot.runtime.status import difference
from autopilot.runtime.timers import timer_at_start
from autopilot.runtime.view import next_tick, stored_phase, stored_status, stored_tick

if TYPE_CHECKING:
    from autopilot.runtime.attempt import Attempt
    from autopilot.runtime.decide import Decision
    from autopilot.runtime.setbacks import Setback

HOPS = 10
"""So many phases in a row are entered at once; a machine that never stays goes on by the timer."""

LONGEST_ACTING = 10.0
"""The longest back-off, in seconds, of a resource that acts on the mesh."""

LONGEST_BEHIND = 2.0
"""The longest wait, in seconds, before a move back that failed is tried again."""


def one_interval(attempt: Attempt) -> float:
    """The monotonic time one `workInterval` after a sync began."""
    return attempt.began.monotonic + attempt.commons.settings.work_interval.total_seconds()


def see(attempt: Attempt) -> None:
    """Settle whether the sync is due, where the queue can't know."""
    memory, queue, key = attempt.memory, attempt.commons.queue, attempt.key
    stored, tick = stored_phase(attempt.body), stored_tick(attempt.body)
    at = timer_at_start(
        next_tick(attempt.body),
        now=attempt.began,
        interval=attempt.commons.settings.work_interval,
    )
    if memory.phase is None and stored:
        attempt.due = attempt.due or at is None
        if at is not None and queue.schedule.timer(key) is None:
            queue.tick_at(key, at)
    elif not stored or (memory.phase != stored and (tick is None or tick == memory.tick)):
        attempt.due = True
    elif tick != memory.tick or _was_made(attempt):
        # Another process, or a write of ours whose answer was lost, has used the tick up.
        attempt.due = at is None
        queue.tick_at(key, at)
        memory.unsure, memory.owed = None, False
    attempt.due = attempt.due or memory.owed
    memory.owed = False
    memory.phase, memory.tick = stored or attempt.phase.name, tick
    attempt.record.due = attempt.due


def _was_made(attempt: Attempt) -> bool:
    """Whether a step (1) of which no answer came was made nevertheless."""
    unsure = attempt.memory.unsure
    return unsure is not None and not difference(stored_status(attempt.body), unsure)


def after_decision(attempt: Attempt, decision: Decision) -> None:
    """Set the timer, and wake the resource for a new phase."""
    memory, queue, timer = attempt.memory, attempt.commons.queue, attempt.timer
    dry_run = attempt.commons.options.dry_run
    if not dry_run:
        memory.tick, memory.unsure = stored_tick(attempt.body), None
    queue.tick_at(attempt.key, timer.at if timer else None)
    if decision.enter is None:
        memory.hops = 0
    elif not dry_run:
        _enter(attempt, decision.enter, timed=timer is not None and timer.at is not None)
    else:
        queue.tick_at(attempt.key, one_interval(attempt))


def _enter(attempt: Attempt, name: str, *, timed: bool) -> None:
    """A new phase is looked at at once; it is due at once unless its timer was set."""
    memory, queue, key = attempt.memory, attempt.commons.queue, attempt.key
    memory.phase = name
    memory.hops += 1
    phase = attempt.phase_named(name)
    if timed:
        queue.schedule.renew(key)
    if phase is not None and phase.final:
        queue.tick_at(key, None)
    elif memory.hops > HOPS and not timed:
        queue.tick_at(key, one_interval(attempt))
    else:
        queue.wake(key, due=not timed)


def use_up(attempt: Attempt) -> None:
    """A tick whose step (1) was written is used up, whatever failed afterwards.

    Unless a phase is to be entered: its stored tick is the old one, until step (3).
    """
    memory, written = attempt.memory, attempt.written
    entering = attempt.record.enter is not None
    if written.first:
        memory.tick, memory.unsure = written.tick, None
    elif written.unsure is not None and not entering:
        memory.unsure = written.unsure
    if written.first and not entering and attempt.timer is not None:
        attempt.due = False
        attempt.commons.queue.tick_at(attempt.key, attempt.timer.at)


def after_setback(attempt: Attempt, setback: Setback) -> Ran:
    """When a sync that failed is tried again."""
    if setback.retry:
        at_most = LONGEST_ACTING if attempt.phase.actions and setback.after is None else None
        at_most = LONGEST_BEHIND if attempt.written.behind else at_most
        return Ran(failed=True, owed=attempt.due, after=setback.after, at_most=at_most)
    queue, key = attempt.commons.queue, attempt.key
    attempt.memory.owed = attempt.due
    if setback.reason == reasons.INVALID_SPEC:
        queue.tick_at(key, None)
    elif queue.schedule.timer(key) is None:
        queue.tick_at(key, one_interval(attempt))
    return Ran()
