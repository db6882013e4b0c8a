"""When the timer fires next. Pure.

A tick is never brought forward by anything but the worker's own word: a sync that drift or a new
sample woke leaves a running timer alone, unless its `after` is sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from types import EllipsisType

    from autopilot.runtime.decide import Decision


SHORTEST = timedelta(seconds=0.1)
"""The shortest wait: `after=deadline - now` is soon negative, and each tick is a write."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks.

    Attributes:
        wall: For what is stored.
        monotonic: Seconds, for what is measured.
    """

    wall: datetime
    monotonic: float


@dataclass(frozen=True, slots=True)
class Timer:
    """The timer after a sync.

    Attributes:
        at: Seconds on the monotonic clock; None for no timer.
        stored: `nextTick`: a time, None to store none, `...` to leave what is stored.
    """

    at: float | None
    stored: datetime | EllipsisType | None


def timer_after(
    decision: Decision,
    *,
    due: bool,
    pending: float | None,
    began: Moment,
    interval: timedelta,
    stored: bool = True,
) -> Timer:
    """The timer after a decision.

    Args:
        decision: What was decided.
        due: Whether the sync was due: then its tick is used up.
        pending: The running timer, on the monotonic clock.
        began: When the sync began; durations count from here.
        interval: The operator's own, where the worker names none.
        stored: Whether a tick is kept in status at all.
    """
    if stored:
        return _timer_after(decision, due=due, pending=pending, began=began, interval=interval)
    # Nothing is counted in ticks there: each look sets the next one anew.
    if decision.enter is not None and decision.after is None:
        return Timer(None, ...)
    after = interval if decision.after is None else max(decision.after, SHORTEST)
    return Timer(began.monotonic + after.total_seconds(), ...)


def _timer_after(
    decision: Decision, *, due: bool, pending: float | None, began: Moment, interval: timedelta
) -> Timer:
    after = None if decision.after is None else max(decision.after, SHORTEST)
    if decision.enter is not None:
        if after is None:
            return Timer(None, None)
        return Timer(began.monotonic + after.total_seconds(), began.wall + after)
    if due or pending is None:
        at = began.monotonic + (interval if after is None else after).total_seconds()
        return Timer(at, None if after is None else began.wall + after)
    if after is not None and began.monotonic + after.total_seconds() < pending:
        return Timer(began.monotonic + after.total_seconds(), began.wall + after)
    return Timer(pending, ...)


def timer_at_start(stored: datetime | None, *, now: Moment, interval: timedelta) -> float | None:
    """The timer of a resource that this process sees for the first time.

    Args:
        stored: `nextTick`.
        now: The present.
        interval: The operator's own.

    Returns:
        Seconds on the monotonic clock; None when the stored moment has passed, so it is due now.
    """
    if stored is None:
        return now.monotonic + interval.total_seconds()
    left = (stored - now.wall).total_seconds()
    return now.monotonic + left if left > 0 else None
