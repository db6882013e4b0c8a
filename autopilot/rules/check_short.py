"""Checks of a failover's short form, in its own words, before it is written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.rules.compile_signals import unit_of
from autopilot.rules.expand import DEFAULT_GOOD, backoff, short_signals
from autopilot.rules.model_signals import DEFAULT_WINDOW, SignalSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import FailoverShort, RuleSpec
    from autopilot.spec.positions import Path

_SHORT: Path = ("spec", "failover")
_BACK: Path = (*_SHORT, "return")


def check_short(spec: RuleSpec, short: FailoverShort, findings: Findings) -> RuleSpec | None:
    """Check the short form.

    Returns:
        The spec with what can't be read replaced by what can, so that the rest is checked too;
        None where nothing sensible can be written out.
    """
    target = spec.target.service
    if short.to == target:
        hint = "name another service, or a subset: service/subset"
        findings.wrong((*_SHORT, "to"), f"{target} fails over to itself", hint)
        return None
    if not _trial(short, findings):
        return None
    rails = spec.guardrails
    if rails.max_step is not None and rails.max_step < 100:
        findings.wrong(
            ("spec", "guardrails", "maxStep"),
            f"a failover moves 100% in one step, and {rails.max_step:g}% is allowed",
            "leave it out, or write the long form (`autopilot rule expand`) with a ladder",
        )
    units = {
        **{
            name: unit_of(SignalSpec.model_validate(one, by_alias=True, by_name=False))
            for name, one in short_signals(spec, short).items()
        },
        **{name: unit_of(signal) for name, signal in spec.signals.items()},
    }
    when = findings.condition((*_SHORT, "when"), short.when, units, {})
    needs = findings.condition((*_SHORT, "needs"), short.needs, units, {})
    back = short.return_
    text = back.good or DEFAULT_GOOD
    good = findings.condition((*_BACK, "good"), text, units, {})
    if when and back.good is None and "p99" in when.reads:
        findings.wrong(
            (*_BACK, "good") if "return_" in short.model_fields_set else _SHORT,
            "return.good is missing: p99 is watched, so the primary's own must be judged",
            'write it like good: "primary_errors < 1% && primary_p99 < 400ms"',
        )
    if good and not good.reads:
        hint = "name a signal of the primary, like primary_errors < 1%"
        findings.wrong((*_BACK, "good"), "judges nothing", hint)
    if good:
        _fresh(spec, short, good.reads, findings)
    return spec.model_copy(
        update={
            "failover": short.model_copy(
                update={
                    "when": short.when if when else "errors > 1%",
                    "needs": short.needs if needs else "standby_ready >= 1",
                    "return_": back.model_copy(update={"good": text if good else DEFAULT_GOOD}),
                }
            )
        }
    )


def _fresh(spec: RuleSpec, short: FailoverShort, reads: Iterable[str], findings: Findings) -> None:
    """Refuse a trial that would be judged by what made the traffic leave."""
    if short.return_.gate == "manual" and not short.return_.backoff:
        return  # who opens it says that it is time
    first = backoff(short.return_).first
    brought = short_signals(spec, short)
    for name in dict.fromkeys(reads):
        signal = spec.signals.get(name)
        if signal is None and name in brought:
            signal = SignalSpec.model_validate(brought[name], by_alias=True, by_name=False)
        if signal is None or not signal.builtin or signal.ago:
            continue
        window = signal.window or DEFAULT_WINDOW
        if window > first:
            findings.wrong(
                (*_BACK, "backoff"),
                f"a trial begins after {durations.render(first)}, and {name} looks back "
                f"{durations.render(window)}: it would see the failure that it fled from",
                f"begin with {durations.render(window)} or more, or give {name} a shorter window",
            )


def _trial(short: FailoverShort, findings: Findings) -> bool:
    back = short.return_
    path: Path = (*_BACK, "trial")
    before = 0.0
    for share in back.trial:
        if share != round(share) or not 0 < share < 100:
            hint = "whole percents from 1% to 99%; the return itself gives all back"
            findings.wrong(path, f"{share:g}% is no share for a trial", hint)
            return False
        if share <= before:
            hint = "each rung is larger than the one before"
            findings.wrong(path, f"{share:g}% comes after {before:g}%", hint)
            return False
        before = share
    if not back.dwell:
        findings.wrong((*_BACK, "dwell"), "is no time", "write it like 30s")
        return False
    return True
