"""Signals: from what a person wrote to what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from autopilot.rules.model_signals import DEFAULT_WINDOW, FIELDS, SORTS
from autopilot.rules.program import Ready, Signal
from autopilot.spec.problems import did_you_mean
from autopilot.telemetry.queries import ArgumentError
from autopilot.telemetry.service_builtins import (
    UNITS,
    alert_query,
    rule_query,
    service_query,
)
from autopilot.telemetry.templates import BadTemplate, compile_template, key
from autopilot.verdict.cel import Condition, ConditionError
from autopilot.verdict.units import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.mesh.actions import Measure, Where
    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import RuleSpec
    from autopilot.rules.model_signals import SignalSpec
    from autopilot.spec.positions import Path
    from autopilot.telemetry.query import BoundQuery
    from autopilot.telemetry.source import SourceRef

MEASURED: Mapping[str, Measure] = {
    "errorRate": "errors",
    "successRate": "success",
    "latency": "latency",
    "requestRate": "rate",
    "timeoutRate": "timeouts",
}
"""What each built-in measures."""

_COUNTED = frozenset({"errors", "success", "latency", "timeouts"})
"""Measures behind which requests must stand."""

_SHORTEST = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Asker:
    """What all signals of a rule have in common.

    Attributes:
        namespace: The rule's own.
        target: The rule's target.
        services: All services that the target's requests may be answered by.
        source: Whom to ask; None for the installation's.
        interval: Between polls.
        min_requests: The rule's own.
    """

    namespace: str
    target: Where
    services: tuple[tuple[str, str], ...]
    source: SourceRef | None
    interval: timedelta
    min_requests: float

    @property
    def names(self) -> dict[str, str]:
        """What a query's text may name."""
        port = {"port": str(self.target.port)} if self.target.port else {}
        return {"service": self.target.host, "namespace": self.target.namespace, **port}


def compile_signals(spec: RuleSpec, asker: Asker, findings: Findings) -> dict[str, Signal]:
    """All signals that make sense; what is wrong with the others is among the findings."""
    made: dict[str, Signal] = {}
    for name, signal in spec.signals.items():
        path: Path = ("spec", "signals", name)
        _check_name(name, path, findings)
        if not _check_fields(signal, path, findings):
            continue
        try:
            found = _signal(name, signal, asker)
        except (ValueError, ArgumentError) as error:
            message, _, hint = str(error).partition("; ")
            findings.wrong(path, message.removeprefix(f"query {name}: "), hint)
            continue
        _remark(signal, path, findings)
        made[name] = found
    return made


def unit_of(signal: SignalSpec) -> Unit:
    """The unit that a signal is read in, whatever else is wrong with it."""
    if signal.builtin:
        return Unit(UNITS[MEASURED[signal.builtin]])
    if signal.alert:
        return Unit.BOOL
    return (signal.unit or Unit.COUNT) if signal.query else Unit.COUNT


def _check_name(name: str, path: Path, findings: Findings) -> None:
    """A name is good if a condition can read it."""
    if not _readable(name) or name.partition(".")[0] == "ladder":
        hint = "write it like p99 or primary_errors"
        findings.wrong(path, f"{name[:63]!r} is no name that a condition can read", hint)


@lru_cache(4096)
def _readable(name: str) -> bool:
    try:
        return len(name) <= 63 and [*Condition.compile(name, {name: Unit.BOOL}).reads] == [name]
    except ConditionError:
        return False


def _check_fields(signal: SignalSpec, path: Path, findings: Findings) -> bool:
    sort = signal.sort
    if not sort:
        given = [one for one in SORTS if getattr(signal, one) is not None]
        message = f"has {' and '.join(given)}" if given else "doesn't say what it is"
        findings.wrong(path, message, f"a signal is exactly one of {', '.join(SORTS)}")
        return False
    allowed, good = FIELDS[sort], True
    for field in sorted(signal.model_fields_set):
        info = type(signal).model_fields[field]
        wire = info.alias or field
        if wire in SORTS or wire in allowed or getattr(signal, field) in (None, ()):
            continue
        hint = f"{sort} takes {', '.join(allowed)}" if allowed else f"{sort} takes nothing else"
        findings.wrong((*path, wire), f"a signal by {sort} has no {wire}", hint)
        good = False
    if signal.quantile is not None and signal.builtin and signal.builtin != "latency":
        findings.wrong((*path, "quantile"), f"{signal.builtin} has no quantile", "latency has one")
        good = False
    return good


def _signal(name: str, signal: SignalSpec, asker: Asker) -> Signal:
    empty: Literal["unknown", "zero"] = signal.empty or "unknown"
    source = _ask(name, signal, asker)
    least = 0.0
    if signal.builtin and MEASURED[signal.builtin] in _COUNTED:
        least = asker.min_requests if signal.min_requests is None else signal.min_requests
    return Signal(name, unit_of(signal), source, min_requests=least, empty=empty)


def _ask(name: str, signal: SignalSpec, asker: Asker) -> BoundQuery | Ready:
    if signal.ready:
        return Ready(asker.target.namespace, signal.ready)
    if signal.alert:
        return alert_query(
            signal.alert, signal.labels, interval=asker.interval, source=asker.source
        )
    if signal.query:
        _check_template(signal.query, asker)
        return rule_query(
            name,
            signal.query,
            asker.names,
            ago=signal.ago or "",
            interval=asker.interval,
            source=asker.source,
        )
    assert signal.builtin
    service, _, version = (signal.backend or "").partition("/")
    return service_query(
        MEASURED[signal.builtin],
        [(asker.target.namespace, service)] if service else asker.services,
        window=signal.window or DEFAULT_WINDOW,
        quantile=signal.quantile or 0.99,
        version=version,
        callers=signal.from_ or asker.target.callers,
        reporter=signal.reporter or "source",
        ago=signal.ago or "",
        # A trial behind a shed, or a shed that grows, would judge by its own 503s.
        answered=bool(service),
        interval=asker.interval,
        source=asker.source,
    )


def _check_template(text: str, asker: Asker) -> None:
    try:
        names = compile_template(text).names
    except BadTemplate as error:
        raise ValueError(f"the query's template: {error}") from error
    known = {key(name) for name in asker.names}
    for name in sorted(names):
        if key(name) not in known:
            hint = did_you_mean(name, asker.names)
            raise ValueError(f"the query names [[ {name} ]], which isn't there; {hint}")


def _remark(signal: SignalSpec, path: Path, findings: Findings) -> None:
    """What is allowed, and may not be meant."""
    if signal.window is not None and signal.window < _SHORTEST:
        findings.note(
            (*path, "window"),
            "a window this short holds two scrapes only where they come every few seconds",
            "30s holds two of Istio's usual 15s",
        )
    if signal.query and signal.unit is None:
        findings.note(
            path, "has no unit, so it is read as a plain number", "unit: ratio, %, s, ms, 1/s, bool"
        )
