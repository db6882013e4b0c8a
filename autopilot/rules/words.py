"""Actions and values in few words, for status, Events and reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.mesh.actions import Fault, Mirror, OutlierDetection, Retry, Shed, Shift, Timeout
from autopilot.verdict.units import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.mesh.actions import Overlaid
    from autopilot.rules.program import Program
    from autopilot.verdict.transition import Reading

TOLD = ("rule", "phase", "from", "reason")
"""What a notification may name besides the signals: the rule, the phase that is entered, the one
that is left, and why."""

_NAMED = re.compile(r"\[\[\s*([A-Za-z_][\w.]*)\s*\]\]")


def describe(action: Overlaid) -> str:
    """An action: `failover checkout: checkout-standby 100 %`."""
    host = action.where.host
    match action:
        case Shift():
            shares = ", ".join(f"{to} {share} %" for to, share in action.weights.items() if share)
            return f"{action.called} {host}: {shares}"
        case Mirror():
            return f"mirror {host}: {action.percentage:g} % to {action.to}"
        case Fault():
            return f"fault {host}: {_fault(action)}"
        case Timeout():
            return f"timeout {host}: {durations.render(action.timeout)}"
        case Retry():
            return f"retry {host}: {action.attempts} attempts"
        case OutlierDetection():
            return f"outlierDetection {host}"
        case Shed():
            who = " of some callers" if action.headers else ""
            return f"shed {host}: {action.share:g} % answered {action.status}{who}"
    raise AssertionError(action)


def _fault(fault: Fault) -> str:
    parts = []
    if fault.abort_status is not None or fault.abort_grpc is not None:
        answer = fault.abort_grpc or fault.abort_status
        parts.append(f"{fault.abort_percentage:g} % aborted with {answer}")
    if fault.delay is not None:
        parts.append(f"{fault.delay_percentage:g} % delayed by {durations.render(fault.delay)}")
    return ", ".join(parts)


def values(program: Program, readings: Mapping[str, Reading]) -> dict[str, str]:
    """Each signal's value with its unit; `unknown` for one that isn't known."""
    return {
        name: render(readings[name].value if name in readings else None, signal.unit)
        for name, signal in program.signals.items()
    }


def filled(text: str, names: Mapping[str, str]) -> str:
    """A text with its `[[ names ]]` filled in; one that isn't known stays as it is."""
    return _NAMED.sub(lambda found: names.get(found[1], found[0]), text)
