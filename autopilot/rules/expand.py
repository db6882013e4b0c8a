"""The short form of a failover, written out: Normal → Standby → Trial → Normal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.rules.model_signals import DEFAULT_WINDOW
from autopilot.rules.model_types import render_percent
from autopilot.verdict.wait import Wait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.rules.model import FailoverShort, ReturnSpec, RuleSpec
    from autopilot.spec.positions import Path

DEFAULT_GOOD = "primary_errors < 1%"
_FIRST, _LAST = timedelta(minutes=1), timedelta(minutes=30)

_SHORT: Path = ("spec", "failover")
_BACK: Path = (*_SHORT, "return")
_TRIAL: Path = ("spec", "phases", 2)

MOVED: Mapping[Path, Path] = {
    ("spec", "phases"): _SHORT,
    ("spec", "phases", 0, "transitions", 0, "when"): (*_SHORT, "when"),
    ("spec", "phases", 0, "transitions", 0, "for"): (*_SHORT, "for"),
    ("spec", "phases", 1, "actions", 0, "failover", "to"): (*_SHORT, "to"),
    ("spec", "phases", 1, "transitions", 0, "after"): (*_BACK, "backoff"),
    (*_TRIAL, "actions", 0, "failover", "to"): (*_SHORT, "to"),
    (*_TRIAL, "actions", 0, "failover", "share"): (*_BACK, "trial"),
    (*_TRIAL, "actions", 0, "failover", "dwell"): (*_BACK, "dwell"),
    (*_TRIAL, "while"): (*_BACK, "good"),
    (*_TRIAL, "transitions"): (*_BACK, "good"),
}
"""Where a person wrote what the long form has at a path; the longest beginning counts."""


def expand(spec: RuleSpec) -> dict[str, Any]:
    """The long form of a rule's spec, as on the wire; itself a valid spec.

    What isn't short stays as it is; signals that the rule declares itself stand above those that
    the short form brings.
    """
    data: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    short = spec.failover
    if short is None:
        return data
    del data["failover"]
    rest: dict[str, Any] = {key: data.pop(key) for key in ("guardrails", "onDelete") if key in data}
    own = data.pop("signals", {})
    data["signals"] = {**short_signals(spec, short), **own}
    return {**data, "phases": _phases(short), **rest}


def backoff(back: ReturnSpec) -> Wait:
    """How long Standby lasts before a trial.

    By default the primary's last answers are out of sight by then: signals that look further back
    would judge the trial by what made the traffic leave.
    """
    first = max(_FIRST, window_of(back))
    return back.backoff or Wait(first, max(_LAST, first))


def window_of(back: ReturnSpec) -> timedelta:
    """How far the short form's signals of the primary look back.

    A trial's few requests are counted over all of a rung: a shorter window never sees enough.
    """
    return max(DEFAULT_WINDOW, back.dwell)


def short_signals(spec: RuleSpec, short: FailoverShort) -> dict[str, Any]:
    """The signals that the short form brings, as on the wire."""
    primary = spec.target.service
    window = durations.render(window_of(short.return_))
    alone = {"window": window, "backend": primary}
    return {
        "errors": {"builtin": "errorRate"},
        "p99": {"builtin": "latency", "quantile": 0.99},
        "primary_errors": {"builtin": "errorRate", **alone},
        "primary_p99": {"builtin": "latency", "quantile": 0.99, **alone},
        "primary_ready": {"ready": primary},
        "standby_ready": {"ready": short.to.partition("/")[0]},
    }


def _phases(short: FailoverShort) -> list[dict[str, Any]]:
    back = short.return_
    good = back.good or DEFAULT_GOOD
    normal = {
        "name": "Normal",
        "initial": True,
        "description": "The primary answers.",
        "transitions": [
            {
                "to": "Standby",
                "when": f"({short.when}) && ({short.needs})",
                "for": durations.render(short.for_),
            }
        ],
    }
    standby = {
        "name": "Standby",
        "description": f"{short.to} answers.",
        "actions": [{"failover": {"to": short.to}}],
        "transitions": [_to_trial(back), *_rescue(back)],
    }
    trial = {
        "name": "Trial",
        "description": "The primary gets a small share back and is judged by that alone.",
        "actions": [
            {
                "failover": {
                    "to": short.to,
                    "share": [render_percent(100 - share) for share in back.trial],
                    "dwell": durations.render(back.dwell),
                }
            }
        ],
        "while": good,
        "whenBlind": {"to": "Standby", "after": durations.render(_blind(back))},
        "transitions": [
            {"to": "Standby", "when": f"!({good}) || primary_ready < 1", "back": True},
            {"to": "Normal", "when": f"ladder.done && ({good})"},
            *_rescue(back),
        ],
    }
    return [normal, standby, trial]


def _rescue(back: ReturnSpec) -> list[dict[str, Any]]:
    """The way out where the standby has died.

    A primary that answers badly is better than a standby that isn't there; but where a person
    holds the gate, as before a database, writing to both may be worse than an outage.
    """
    if back.gate == "manual":
        return []
    return [{"to": "Normal", "when": "standby_ready < 1 && primary_ready >= 1"}]


def _to_trial(back: ReturnSpec) -> dict[str, Any]:
    way: dict[str, Any] = {"to": "Trial", "when": "primary_ready >= 1"}
    if back.gate == "manual":
        # Whoever opens the gate has waited for what matters.
        wait = {"after": str(back.backoff)} if back.backoff else {}
        return {**way, **wait, "approve": True}
    return {**way, "after": str(backoff(back))}


def _blind(back: ReturnSpec) -> timedelta:
    """Long enough for a quiet service to gather its requests."""
    return max(timedelta(minutes=5), 4 * back.dwell)
