"""Failure conditions: from what a person wrote to queries and thresholds."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.base.errors import AutopilotError, Problem
from autopilot.operators.chaos.conditions import Condition
from autopilot.spec.hosts import place_of
from autopilot.telemetry.service_builtins import rule_query, service_query
from autopilot.verdict.units import Unit

if TYPE_CHECKING:
    from autopilot.mesh.actions import Measure, Where
    from autopilot.operators.chaos.model_conditions import (
        BuiltinTrigger,
        FailureCondition,
        Operator,
    )
    from autopilot.telemetry.query import BoundQuery

_KINDS = ("promql", "success_rate", "error_rate", "latency", "webhook")
_DEFAULT: dict[str, Operator] = {
    "promql": "<",
    "success_rate": "<",
    "error_rate": ">",
    "latency": ">",
}
_MEASURES: dict[str, Measure] = {
    "success_rate": "success",
    "error_rate": "errors",
    "latency": "latency",
}
_WORDS = {"success_rate": "success rate", "error_rate": "error rate", "latency": "latency"}
_SPELLED = {"success_rate": "successRate", "error_rate": "errorRate"}


def condition_of(
    one: FailureCondition, index: int, where: Where, problems: list[Problem]
) -> Condition | None:
    """A condition, compiled; None where it makes no sense, and why is among the problems."""
    path = f"spec.failureConditions[{index}]"
    given = [kind for kind in _KINDS if getattr(one.trigger, kind) is not None]
    if len(given) != 1:
        names = ", ".join(_SPELLED.get(kind, kind) for kind in _KINDS)
        problems.append(Problem("", 0, f"{path}.trigger", f"has one of {names}"))
        return None
    kind = given[0]
    name = one.name or f"{_SPELLED.get(kind, kind)}-{index}"
    try:
        if kind == "webhook":
            return _webhook(one, name)
        return _measured(one, kind, name, where)
    except (ValueError, OverflowError, AutopilotError) as error:
        problems.append(Problem("", 0, path, str(error)))
        return None


def _webhook(one: FailureCondition, name: str) -> Condition:
    if one.operator is not None or one.threshold is not None:
        raise ValueError("a webhook has neither operator nor threshold: 2xx or not")
    webhook = one.trigger.webhook
    if webhook is None:
        raise ValueError("there is no webhook")
    host, _ = place_of(webhook.url)
    return Condition(
        name,
        f"webhook {host}",
        url=webhook.url,
        operator="!=",
        threshold=200.0,
        for_polls=one.for_polls,
        on_no_data=one.on_no_data,
    )


def _measured(one: FailureCondition, kind: str, name: str, where: Where) -> Condition:
    trigger = one.trigger
    unit: Unit | None = None
    if kind == "promql":
        text = trigger.promql or ""
        values = {"service": where.host, "namespace": where.namespace}
        query, reads = rule_query(name, text, values), text
    else:
        builtin: BuiltinTrigger = getattr(trigger, kind)
        query, reads = _builtin(kind, builtin, where)
        unit = Unit.MILLISECONDS if kind == "latency" else Unit.RATIO
    return Condition(
        name,
        reads,
        query,
        operator=one.operator or _DEFAULT[kind],
        threshold=threshold_of(one.threshold, unit),
        unit=unit,
        for_polls=one.for_polls,
        on_no_data=one.on_no_data,
        counted=kind != "promql",
    )


def _builtin(kind: str, trigger: BuiltinTrigger, where: Where) -> tuple[BoundQuery, str]:
    service = trigger.service or where.host
    namespace = trigger.namespace or where.namespace
    how: dict[str, Any] = {"window": trigger.window, "callers": trigger.from_}
    words = _WORDS[kind]
    if kind == "latency":
        how["quantile"] = quantile = getattr(trigger, "quantile", 0.99)
        words = f"p{quantile * 100:g}"
    query = service_query(_MEASURES[kind], [(namespace, service)], **how)
    callers = f" from {', '.join(trigger.from_)}" if trigger.from_ else ""
    return query, f"{words} of {service}{callers} over {durations.render(trigger.window)}"


def threshold_of(given: Any, unit: Unit | None) -> float:
    """A threshold in its unit.

    Raises:
        ValueError: It is none of this unit; the message says what would be right.
    """
    if given is None:
        raise ValueError("threshold is missing")
    if unit is Unit.MILLISECONDS:
        if not isinstance(given, str):
            raise ValueError(f"threshold {given!r} has no unit; write it like 800ms")
        return durations.parse(given).total_seconds() * 1000
    if unit is Unit.RATIO:
        return _share(given)
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"threshold {given!r} is no number")
    return float(given)


def _share(given: Any) -> float:
    """`95%` or 95, as 0.95."""
    if isinstance(given, str) and re.fullmatch(r"\s*\d{1,3}(\.\d+)?\s*%\s*", given):
        number = float(given.strip().rstrip("% "))
    elif isinstance(given, int | float) and not isinstance(given, bool):
        number = float(given) if abs(given) < 1e6 else math.inf
        if 0 < number < 1:
            raise ValueError(f"{given} is less than one percent; write {number:.0%} or {given}%")
    else:
        raise ValueError(f"threshold {str(given)[:40]!r} is no share; write it like 95%")
    if not 0 <= number <= 100:
        raise ValueError(f"threshold {str(given)[:40]} is outside 0% to 100%")
    return number / 100
