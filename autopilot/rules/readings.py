"""From what a source answered to what a condition reads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autopilot.telemetry.sample import Sample, Why
from autopilot.verdict.transition import Reading
from autopilot.verdict.units import Unit

if TYPE_CHECKING:
    from autopilot.rules.program import Signal

Answer = Sample | float | None
"""A sample of telemetry, a number of ready endpoints, or None: nobody could be asked."""


def reading_of(signal: Signal, answer: Answer, *, at: float | None = None) -> Reading:
    """A signal's value, in its unit; unknown where it stands on too few requests.

    Args:
        signal: Which.
        answer: What its source said.
        at: For an answer that carries no time of its own: when it was given, in unix seconds, so
            that `times` counts it once. None counts it at each judgement.
    """
    stamp = at
    if isinstance(answer, Sample) and answer.at is not None:
        stamp = answer.at.timestamp()
    number = _number(signal, answer)
    if number is None:
        return Reading(None, stamp)
    value = number if signal.unit is Unit.BOOL else number * signal.factor
    return Reading(value if math.isfinite(value) else None, stamp)


def why_unknown(signal: Signal, answer: Answer) -> str:
    """Why a signal has no value, for people; empty where it has one."""
    if _number(signal, answer) is not None:
        return ""
    if not isinstance(answer, Sample):
        return "not counted yet"
    if answer.value is None:
        said = str(answer.why) or str(Why.NO_DATA)
        return f"{said}: {answer.detail}" if answer.detail else said
    count = round(answer.requests or 0)
    return f"{count} request{'s'[: count != 1]}, {signal.min_requests:g} are needed"


def _number(signal: Signal, answer: Answer) -> float | None:
    if not isinstance(answer, Sample):
        return None if answer is None else float(answer)
    if answer.value is None:
        return 0.0 if signal.empty == "zero" and answer.why is Why.NO_DATA else None
    few = signal.min_requests > 0 and (answer.requests or 0.0) < signal.min_requests
    return None if few else answer.value
