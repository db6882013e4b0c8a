"""What becomes of an error in a sync: its condition, and whether to try again. Pure."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.client import (
    AlreadyExists,
    ApiError,
    Conflict,
    FieldConflict,
    Forbidden,
    Invalid,
)
from autopilot.kube.ownership import NotOurs
from autopilot.mesh.errors import Contested, Held, HostTaken, TargetMissing, WouldStarve
from autopilot.overlay import errors as overlay
from autopilot.runtime import reasons
from autopilot.runtime.inputs import InputMissing
from autopilot.runtime.refused import Refused
from autopilot.runtime.status import Condition
from autopilot.runtime.workers import Overran

PATIENCE = 2
"""Failed attempts before a fault of the API shows in a condition: most pass by themselves."""

LONGEST_ASKED = 60.0
"""Seconds; an API that asks for a longer wait isn't obeyed."""

RECHECK = 1.0
"""Seconds until inputs that can't be told are looked at again; a look costs no call."""

_CHAIN = 10


class WorkerRaised(RetryLater):
    """An author's function raised something of its own.

    Args:
        error: What it raised; it is the cause as well.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error

    @property
    def place(self) -> tuple[Any, ...]:
        """What was raised, and where, causes included; but not its text, which may hold numbers."""
        error: BaseException | None = self.error
        found: list[Any] = []
        # A chain may run in a circle.
        while error is not None and len(found) < _CHAIN:
            frames = traceback.walk_tb(error.__traceback__)
            found.append(
                (type(error), tuple((frame.f_code.co_filename, line) for frame, line in frames))
            )
            error = error.__cause__ or error.__context__
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Setback:
    """How a sync that went wrong ends.

    Attributes:
        reason: For the condition Ready, and Stalled if it holds.
        message: For a person.
        stalled: Whether a person has to change something.
        retry: Whether another try follows after a wait; else the timer goes on as usual.
        after: Seconds to wait; None for the back-off.
        visible: Whether the condition is written.
        input_missing: Whether a change of an input, or a new sample, may cure it: a worker that
            now moves traffic back mustn't wait for the end of a back-off.
        result: For the metrics.
        condition: A type of condition that it brings beside Ready and Stalled; empty for none.
    """

    reason: str
    message: str
    stalled: bool = False
    retry: bool = True
    after: float | None = None
    visible: bool = True
    input_missing: bool = False
    result: str = "error"
    condition: str = ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The further conditions that it brings."""
        if not self.condition:
            return ()
        return (Condition(self.condition, True, self.reason, self.message),)


def setback_of(error: Exception, attempt: int) -> Setback | None:
    """Judge an error; None for one that nobody expected, which is a fault of the runtime's own.

    Args:
        error: What a sync raised.
        attempt: How many syncs of the resource have failed in a row before this one.
    """
    text = str(error)
    match error:
        case Refused():
            return Setback(error.reason, text, stalled=True, retry=False, result="refused")
        case CacheUnavailable():
            return Setback(
                reasons.INPUTS_UNAVAILABLE,
                text,
                after=RECHECK,
                input_missing=True,
                result="requeue",
            )
        case InputMissing():
            return Setback(
                reasons.INPUT_MISSING,
                text,
                after=error.after,
                input_missing=True,
                result="requeue",
            )
        case Overran():
            return Setback(reasons.WORKER_OVERRAN, text)
        case WorkerRaised():
            return Setback(reasons.WORKER_FAILED, text, input_missing=True)
        case WouldStarve() | TargetMissing():
            return Setback(
                type(error).__name__, text, after=error.after, input_missing=True, result="requeue"
            )
        case overlay.NotThere():
            return Setback(
                reasons.TARGET_MISSING,
                text,
                after=error.after,
                input_missing=True,
                result="requeue",
            )
        case RetryLater():
            return Setback(
                reasons.RETRYING, text, after=error.after, input_missing=True, result="requeue"
            )
        case NotOurs():
            return Setback(reasons.NOT_OURS, text, stalled=True, input_missing=True)
        case HostTaken():
            return Setback(type(error).__name__, text, stalled=True, input_missing=True)
        case Contested() | overlay.Contested():
            return Setback(
                reasons.CONTESTED,
                text,
                stalled=True,
                input_missing=True,
                condition=reasons.CONTESTED,
            )
        case Held() | overlay.Held():
            # Nothing tells when it is let go of, so it is asked for again.
            return Setback(
                reasons.CONFLICT,
                text,
                stalled=True,
                input_missing=True,
                condition=reasons.CONFLICT,
            )
        case overlay.Foreign():
            return Setback(
                type(error).__name__,
                text,
                stalled=True,
                input_missing=True,
                condition=reasons.CONFLICT,
            )
        case overlay.NotUnique() | overlay.TooLarge():
            return Setback(type(error).__name__, text, stalled=True, input_missing=True)
        case TerminalError():
            return Setback(reasons.TERMINAL, text, stalled=True, retry=False)
        case ApiError():
            return _of_api(error, text, attempt)
    return None


def _of_api(error: ApiError, text: str, attempt: int) -> Setback:
    match error:
        case Forbidden():
            return Setback(reasons.FORBIDDEN, text, stalled=True)
        case Invalid():
            return Setback(reasons.REJECTED, text, stalled=True)
        case FieldConflict() | AlreadyExists():
            return Setback(reasons.CONFLICT, text, stalled=True)
    shown = attempt >= PATIENCE and not isinstance(error, Conflict)
    after = None if error.retry_after is None else min(error.retry_after, LONGEST_ASKED)
    return Setback(reasons.WRITE_FAILED, text, after=after, visible=shown)
