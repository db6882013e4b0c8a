"""Whether a move may be made: pure.

A limit that trips latches the present phase until a person lets go of it. What only has to wait
(the smallest dwell), or what somebody forbids (protected, opted out, another namespace), doesn't:
it is judged anew at every sync.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.base.timestamps import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from autopilot.runtime.guardrails.limits import Limits

LATCHED = "Latched"
"""The condition, and its reason where nobody remembers a better one."""

MAX_TRANSITIONS = "MaxTransitions"
MIN_DWELL = "MinDwell"
MAX_STEP = "MaxStep"
MAX_OFF_INITIAL = "MaxOffInitial"
PROTECTED = "Protected"
OPTED_OUT = "OptedOut"
NOT_ALLOWED = "NotAllowed"


@dataclass(frozen=True, slots=True)
class Forward:
    """One write that moves traffic forward.

    Attributes:
        summary: For people.
        namespace: Of the object that is written.
        share: How much of a host's requests it moves, in percent.
    """

    summary: str
    namespace: str
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """What a decision comes to.

    Attributes:
        phase: The present one.
        enter: The phase to be entered; None to stay.
        back: Whether entering it moves traffic back, so that no limit holds it up.
        leaves: Whether the initial phase is left.
        steps: The writes that move traffic forward, whether a phase is entered or not.
    """

    phase: str
    enter: str | None = None
    back: bool = False
    leaves: bool = False
    steps: tuple[Forward, ...] = ()

    @property
    def forward(self) -> bool:
        """Whether there is anything for a limit to hold up."""
        return not self.back and (self.enter is not None or bool(self.steps))


@dataclass(frozen=True, slots=True)
class Latch:
    """The present phase is held until a person lets go of it.

    Attributes:
        reason: Which limit tripped.
        message: For a person.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Trip:
    """Why a move isn't made.

    Attributes:
        reason: CamelCase.
        message: Limit, value, and when or how it clears.
        latches: Whether the phase stays held until a person lets go of it.
        until: When it clears by itself; None where that can't be said.
    """

    reason: str
    message: str
    latches: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What a limit counts by.

    Attributes:
        now: The wall clock.
        since: When the present phase was entered.
        entered: When phases were entered, the oldest first; without the one that it began in.
        latch: What is held already.
        others_off: How many other resources are off their initial phase.
        clears: What a person does to let go, for messages.
    """

    now: datetime
    since: datetime
    entered: Sequence[datetime] = ()
    latch: Latch | None = None
    others_off: int = 0
    clears: str = "autopilot approve KIND/NAME --latch, or a change of the spec"


def judge(move: Move, limits: Limits, record: Record) -> Trip | None:
    """Why a move must not be made; None where it may be."""
    if not move.forward:
        return None
    if record.latch is not None:
        return Trip(record.latch.reason, record.latch.message, latches=True)
    tripped = _step(move, limits, record)
    if tripped is None and move.enter is not None:
        tripped = _transitions(move, limits, record)
        tripped = tripped or _off_initial(move, limits, record)
        # Last: what only waits mustn't hide what latches.
        tripped = tripped or _dwell(move, limits, record)
    return tripped


def _step(move: Move, limits: Limits, record: Record) -> Trip | None:
    for step in move.steps:
        if step.share > limits.max_step:
            return Trip(
                MAX_STEP,
                f"{step.summary}: moves {step.share:g} % forward in one write, and maxStep is "
                f"{limits.max_step:g} %; held until {record.clears}",
                latches=True,
            )
    return None


def _transitions(move: Move, limits: Limits, record: Record) -> Trip | None:
    for count, per in limits.max_transitions:
        within = [at for at in record.entered if record.now - at < per]
        if len(within) >= count:
            return Trip(
                MAX_TRANSITIONS,
                f"{move.phase} stays: {move.enter} would be transition {len(within) + 1} in "
                f"{durations.render(per)}, and maxTransitions is {count}; held until "
                f"{record.clears}",
                latches=True,
            )
    return None


def _off_initial(move: Move, limits: Limits, record: Record) -> Trip | None:
    most = limits.max_off_initial
    if most is None or not move.leaves or record.others_off < most:
        return None
    return Trip(
        MAX_OFF_INITIAL,
        f"{move.phase} stays: {record.others_off} other resources are off their initial phase, and "
        f"maxOffInitial is {most}; held until {record.clears}",
        latches=True,
    )


def _dwell(move: Move, limits: Limits, record: Record) -> Trip | None:
    until = record.since + limits.min_dwell
    if record.now >= until:
        return None
    return Trip(
        MIN_DWELL,
        f"{move.phase} stays until {stamp(until)}: {move.enter} is wanted, and minDwell is "
        f"{durations.render(limits.min_dwell)}",
        until=until,
    )
