"""One transition of a state machine over signals, judged.

Its clauses stand in a row. `when` is judged over the values that it reads. `times` makes true what
was true of k of the last n samples. `for` asks that this has held for a time. `after` and
`approve` are gates: they hold a transition back without touching what is counted.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from autopilot.base import durations
from autopilot.verdict.hold import EPSILON, For, Seen
from autopilot.verdict.memory import Progress
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from autopilot.verdict.cel import Condition
    from autopilot.verdict.hold import Times
    from autopilot.verdict.wait import Wait


class Reading(NamedTuple):
    """A signal's value now.

    Attributes:
        value: In the signal's unit; None for unknown.
        at: When its sample was scraped, in seconds of the source's clock; tells a new sample from
            one seen before. None for what isn't sampled (a ladder's end).
    """

    value: float | None = None
    at: float | None = None

    @property
    def known(self) -> bool:
        """Whether it has a value to judge by."""
        return self.value is not None and math.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a judgement is made on.

    Attributes:
        readings: By signal; one that is missing is unknown.
        elapsed: Seconds on a monotonic clock since the memory that the judgement goes on from was
            made (or its phase was written); None when another process made it, or nobody.
        approved: The phases that `autopilot approve` has opened the way to.
        gap: The longest `elapsed` during which somebody watched, in seconds; None where nothing
            can have changed in between (an engine that jumps from change to change).
        values: The readings' values, for conditions.
    """

    readings: Mapping[str, Reading]
    elapsed: float | None = None
    approved: frozenset[str] = frozenset()
    gap: float | None = None
    values: Mapping[str, float | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Take the values out of the readings, once for all transitions."""
        values = {name: reading.value for name, reading in self.readings.items()}
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class Transition:
    """A way from one phase to another.

    Attributes:
        to: The phase that it leads to.
        when: Its condition; None for one that is always true.
        hold: Its `for`; None for none.
        times: Its `times`; None for each sample counting alone.
        after: The time in phase that it waits for.
        approve: Whether a person must open it.
        from_any: Whether it leaves every phase: what it has counted outlasts a change of phase.
        key: By which its counts are kept: they belong to this text, and an edited one begins anew.
    """

    to: str
    when: Condition | None = None
    hold: timedelta | None = None
    times: Times | None = None
    after: Wait | None = None
    approve: bool = False
    from_any: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the key."""
        parts = (self.when.text if self.when else "", self.times, self.hold)
        digest = zlib.crc32("\0".join(map(str, parts)).encode("utf-8", "replace"))
        star = "*" if self.from_any else ""
        object.__setattr__(self, "key", f"{star}{self.to}#{digest:08x}")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a transition stands.

    Attributes:
        transition: Which.
        when: What its condition says of the values alone.
        counted: What `times` makes of that.
        ready: Whether it may be taken now.
        shut: Whether it needs an approval that nobody has given.
        seen: What `times` has counted.
        waits: What its `for` and `after` still wait for: the clause, the seconds that are left,
            and all its seconds.
        hungry: Whether further samples of the same values could change what it says (`times`).
    """

    transition: Transition
    when: Verdict
    counted: Verdict
    ready: bool
    shut: bool = False
    seen: Seen = field(default_factory=Seen)
    waits: tuple[tuple[str, float, float], ...] = ()
    hungry: bool = False

    @property
    def next_in(self) -> float | None:
        """Seconds until it could be taken on the same values; None when never, or now."""
        if self.shut or not self.waits or self.counted is not Verdict.TRUE:
            return None
        return max(left for _, left, _ in self.waits)

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it still waits for, for people: `5s more of for: 15s`, `approval`.

        Empty when it is ready, or its condition isn't true.
        """
        if not (self.when.is_true or self.counted.is_true):
            return ()
        times = self.transition.times
        lacking = [f"{sum(self.seen.last)} of times: {times.k}/{times.n}"] if times else []
        lacking = lacking if self.counted.is_false else []
        for clause, left, full in self.waits:
            lacking.append(f"{_span(left)} more of {clause}: {durations.render(full)}")
        return (*lacking, "approval") if self.shut else tuple(lacking)


def judge_transition(
    transition: Transition,
    before: Progress,
    moment: Moment,
    in_phase: float,
    failed: int = 0,
) -> tuple[Standing, Progress]:
    """Judge one transition.

    Args:
        transition: Which.
        before: What it has counted.
        moment: The values, and the time since the judgement before.
        in_phase: Seconds in phase.
        failed: Failed visits of its phase, for an `after` that doubles.

    Returns:
        Where it stands, and what it has counted now. Unknown is never ready.
    """
    when = transition.when.judge(moment.values) if transition.when else Verdict.TRUE
    counted, seen, stamp = _counted(transition, before, moment.readings, when)
    held, says = before.held, counted
    waits: list[tuple[str, float, float]] = []
    if transition.hold is not None:
        rule = For(transition.hold, moment.gap)
        held, says = rule.observe(before.held, counted, moment.elapsed)
        if (left := rule.left(held)) > 0:
            waits.append(("for", left, transition.hold.total_seconds()))
    if transition.after is not None:
        wait = transition.after.seconds(failed)
        if wait - in_phase > EPSILON:
            waits.append(("after", wait - in_phase, wait))
    standing = Standing(
        transition,
        when,
        counted,
        ready=says is Verdict.TRUE
        and not waits
        and (not transition.approve or transition.to in moment.approved),
        shut=transition.approve and transition.to not in moment.approved,
        seen=seen,
        waits=tuple(waits),
        hungry=_hungry(transition, seen, when),
    )
    return standing, Progress(held, seen, stamp)


def _counted(
    transition: Transition, before: Progress, readings: Mapping[str, Reading], when: Verdict
) -> tuple[Verdict, Seen, float | None]:
    """What `times` makes of it: a sample that was counted before counts no second time."""
    times = transition.times
    if times is None:
        return when, Seen(), None
    reads = transition.when.reads if transition.when else ()
    stamps = [at for name in reads if name in readings and (at := readings[name].at) is not None]
    newest = max(stamps, default=None)
    old = newest is not None and before.stamp is not None and newest <= before.stamp
    if when.is_unknown:
        return when, before.seen, before.stamp
    if old:
        return times.says(before.seen), before.seen, before.stamp
    seen, counted = times.observe(before.seen, when)
    return counted, seen, newest


def _hungry(transition: Transition, seen: Seen, when: Verdict) -> bool:
    """Whether another sample of the same values would change what `times` has counted."""
    if transition.times is None or when.is_unknown:
        return False
    return seen.last != (when.is_true,) * transition.times.n


def _span(seconds: float) -> str:
    """Rounded up to what people read: never `0s` while something is left."""
    grain = 1.0 if seconds >= 10 else 0.1 if seconds >= 1 else 0.001
    return durations.render(max(0.001, math.ceil(seconds / grain - EPSILON) * grain))
