"""Queries that rules ask: built-ins on services, alerts, and PromQL of a rule's own."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from autopilot.base import durations
from autopilot.telemetry import promql
from autopilot.telemetry.alerts import AlertFamily
from autopilot.telemetry.queries import QueryTemplate, TemplateFamily
from autopilot.telemetry.query import BoundQuery, Target
from autopilot.telemetry.service_family import ServiceFamily

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autopilot.telemetry.source import SourceRef

Measure = Literal["errors", "success", "latency", "rate", "timeouts", "aborted", "delayed"]

NAMES: Mapping[Measure, str] = {
    "errors": "error-rate",
    "success": "success-rate",
    "latency": "latency",
    "rate": "request-rate",
    "timeouts": "timeout-rate",
    "aborted": "aborted-rate",
    "delayed": "delayed-rate",
}
"""A measure's query name, in samples and in tests' scripts."""

UNITS: Mapping[Measure, str] = {
    "errors": "ratio",
    "success": "ratio",
    "latency": "ms",
    "rate": "1/s",
    "timeouts": "ratio",
    "aborted": "ratio",
    "delayed": "ratio",
}
"""What a measure's value is in."""

DEFAULT_WINDOW = "30s"
MAX_SERVICES = 16
MAX_CALLERS = 50
MAX_LABELS = 16
MAX_NAME = 253
LONGEST_WINDOW = timedelta(days=30)
LONGEST_AGO = timedelta(days=366)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}")
_VERSION = "destination_version"
_CALLER = "source_app"


class Asking(TypedDict, total=False):
    """How a query is asked.

    Attributes:
        interval: Time between polls (or seconds); None for the operator's own.
        source: Whom to ask; None for the installation's source.
    """

    interval: timedelta | float | None
    source: SourceRef | None


class Narrowed(Asking, total=False):
    """Which requests a built-in is about, and when.

    Attributes:
        window: The range, `30s` unless told; at most 30 days.
        quantile: For latency, between 0 and 1; 0.99 unless told.
        version: Only what this version (`version` label of the pods) answered.
        callers: Only requests of callers with one of these `app` labels.
        reporter: Whose proxies report: the callers' (`source`) unless told.
        ago: The value of then; at most a year. Empty or zero for now.
        answered: Only what the services themselves answered, or failed to; see `service_family`.
    """

    window: str | timedelta
    quantile: float
    version: str
    callers: Sequence[str]
    reporter: Literal["source", "destination"]
    ago: str | timedelta
    answered: bool


def service_query(
    measure: Measure, services: Sequence[tuple[str, str]], **how: Unpack[Narrowed]
) -> BoundQuery:
    """A built-in, summed over services.

    Args:
        measure: `errors`, `success` and `timeouts` are ratios (0 to 1) of requests, as are those
            that a fault `aborted` or `delayed`; `latency` is in milliseconds, `rate` per second.
        services: (namespace, name) of each; up to 16.
        **how: See `Narrowed`.

    Raises:
        ValueError: Something can't be asked; the message says what.
    """
    if measure not in NAMES:
        raise ValueError(f"no measure {measure!r}; there are {', '.join(NAMES)}")
    route = tuple(sorted(set(services)))
    if not 1 <= len(route) <= MAX_SERVICES:
        raise ValueError(f"a built-in is about 1 to {MAX_SERVICES} services, not {len(route)}")
    for namespace, name in route:
        _name("a service's namespace", namespace)
        _name("a service's name", name)
    target = Target(route=route, narrow=_narrow(how))
    family = _family(measure, how, tuple(label for label, _ in target.narrow))
    family.promql([target])
    return BoundQuery(
        family,
        target,
        _arguments(family, target),
        _seconds(how.get("interval")),
        how.get("source"),
    )


def alert_query(
    alertname: str, labels: Mapping[str, str] | None = None, **how: Unpack[Asking]
) -> BoundQuery:
    """Whether an alert fires: 1 or 0; unknown while the source is down.

    Args:
        alertname: As in the alerting rule.
        labels: What the firing alert must be labelled with; several that fit count as one.
        **how: See `Asking`.

    Raises:
        ValueError: Something can't be asked; the message says what.
    """
    _name("an alert's name", alertname)
    labels = dict(sorted((labels or {}).items()))
    if len(labels) > MAX_LABELS:
        raise ValueError(f"at most {MAX_LABELS} labels, not {len(labels)}")
    for label, value in labels.items():
        if not _LABEL.fullmatch(label) or label in {"alertname", "alertstate", "__name__"}:
            raise ValueError(f"{label[:60]!r} is no label that an alert can be chosen by")
        if len(value) > 1000:
            raise ValueError(f"label {label} is longer than 1000 characters")
    narrow = tuple((label, (value,)) for label, value in labels.items())
    target = Target(name=alertname, narrow=narrow)
    family = AlertFamily("alert", tuple(labels))
    family.promql([target])
    arguments = tuple(sorted({**labels, "alertname": alertname}.items()))
    return BoundQuery(family, target, arguments, _seconds(how.get("interval")), how.get("source"))


def rule_query(
    name: str,
    text: str,
    values: Mapping[str, str] | None = None,
    *,
    ago: str | timedelta = "",
    **how: Unpack[Asking],
) -> BoundQuery:
    """PromQL of a rule's own.

    Args:
        name: The signal's, for samples and scripts.
        text: A template, see `templates`; `[[ service | label ]]` becomes a string literal.
        values: What the template may name, like `service` and `namespace`.
        ago: The value of then.
        **how: See `Asking`.

    Raises:
        ArgumentError: The template is wrong, names something else, or doesn't render.
        ValueError: `ago` is no time that can be asked.
    """
    values = dict(values or {})
    bound = QueryTemplate(name, tuple(values), text).bind(values)
    family = bound.family
    past = _duration("ago", ago, LONGEST_AGO)
    if past and isinstance(family, TemplateFamily):
        family = TemplateFamily(name, family.text, past.total_seconds())
    return BoundQuery(
        family, bound.target, bound.arguments, _seconds(how.get("interval")), how.get("source")
    )


def _family(measure: Measure, how: Narrowed, narrowed: tuple[str, ...]) -> ServiceFamily:
    window = _duration("window", how.get("window", DEFAULT_WINDOW), LONGEST_WINDOW)
    if not window:
        raise ValueError("a window of no length holds no samples; write one like 30s")
    ago = _duration("ago", how.get("ago", ""), LONGEST_AGO)
    reporter = how.get("reporter", "source")
    if reporter not in {"source", "destination"}:
        raise ValueError(f"reporter is source or destination, not {reporter!r}")
    quantile = how.get("quantile", 0.99) if measure == "latency" else 0.0
    if measure == "latency" and not (math.isfinite(quantile) and 0 < quantile < 1):
        raise ValueError(f"quantile is between 0 and 1, not {quantile:g}")
    return ServiceFamily(
        query=NAMES[measure],
        measure=measure,
        window=durations.render(window),
        span=window.total_seconds(),
        quantile=quantile,
        reporter=reporter,
        offset=durations.render(ago) if ago else "",
        ago=ago.total_seconds(),
        narrowed=narrowed,
        answered=how.get("answered", False),
    )


def _narrow(how: Narrowed) -> tuple[tuple[str, tuple[str, ...]], ...]:
    narrow: list[tuple[str, tuple[str, ...]]] = []
    if version := how.get("version", ""):
        _name("a version", version)
        narrow.append((_VERSION, (version,)))
    if callers := tuple(sorted(set(how.get("callers", ())))):
        if len(callers) > MAX_CALLERS:
            raise ValueError(f"at most {MAX_CALLERS} callers, not {len(callers)}")
        for caller in callers:
            _name("a caller's app", caller)
        narrow.append((_CALLER, callers))
    return tuple(narrow)


def _arguments(family: ServiceFamily, target: Target) -> tuple[tuple[str, str], ...]:
    """What was asked, for logs, records and scripts; what wasn't narrowed is left out."""
    narrow = dict(target.narrow)
    given = {
        "namespace": ",".join(sorted({namespace for namespace, _ in target.route})),
        "service": ",".join(sorted(name for _, name in target.route)),
        "window": family.window,
        "reporter": family.reporter,
        "quantile": f"{family.quantile:g}" if family.measure == "latency" else "",
        "version": ",".join(narrow.get(_VERSION, ())),
        "callers": ",".join(narrow.get(_CALLER, ())),
        "ago": family.offset,
    }
    return tuple(sorted((name, text) for name, text in given.items() if text))


def _name(what: str, text: str) -> None:
    if not text:
        raise ValueError(f"{what} is empty")
    if len(text) > MAX_NAME:
        raise ValueError(f"{what} is longer than {MAX_NAME} characters")
    promql.escape(text)


def _duration(what: str, given: str | timedelta, longest: timedelta) -> timedelta:
    try:
        length = given if isinstance(given, timedelta) else durations.parse(given or "0s")
    except OverflowError:
        length = timedelta.max
    if length < timedelta(0) or length > longest:
        raise ValueError(f"{what} is a time of up to {durations.render(longest)}")
    if length and length < timedelta(milliseconds=1):
        raise ValueError(f"{what} is shorter than a millisecond")
    return length


def _seconds(interval: timedelta | float | None) -> float | None:
    return interval.total_seconds() if isinstance(interval, timedelta) else interval
