"""Actions: from what a person wrote to what a provider carries out, at each rung."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from autopilot.mesh.actions import (
    Fault,
    Mirror,
    OutlierDetection,
    Overlaid,
    Retry,
    Shed,
    Shift,
    Timeout,
    Where,
)
from autopilot.rules.program import ActionPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model_actions import (
        FailoverSpec,
        FaultSpec,
        MirrorSpec,
        OutlierDetectionSpec,
        OutlierFields,
        RetrySpec,
        ShedSpec,
        SplitSpec,
        TimeoutSpec,
    )
    from autopilot.spec.positions import Path

WHOLE = (100.0,)


@dataclass(frozen=True, slots=True)
class At:
    """Where an action stands, and where what is wrong with it is told.

    Attributes:
        path: Of the action's fields: `spec.phases[1].actions[0].shed`.
        spelled: The same as people write it.
        where: Which requests it is about.
        findings: What is wrong goes there.
    """

    path: Path
    spelled: str
    where: Where
    findings: Findings

    def wrong(self, field: str, message: str, hint: str = "") -> None:
        """Something is wrong with a field; an empty one is the whole action."""
        parts = tuple(field.split(".")) if field else ()
        self.findings.wrong((*self.path, *parts), message, hint)


def compile_action(called: str, fields: Any, at: At) -> ActionPlan | None:
    """One action at all its rungs; None where it makes no sense, which the findings tell."""
    rungs = _MAKERS[called](fields, at)
    return ActionPlan(called, at.spelled, tuple(rungs)) if rungs else None


def destinations(called: str, fields: Any) -> Iterable[str]:
    """The services, or subsets of services, that an action sends requests to to be answered."""
    if called == "split" and fields.weights:
        yield from fields.weights
    if called in {"split", "failover"} and fields.to:
        yield fields.to


def _split(spec: SplitSpec, at: At) -> list[Overlaid]:
    if spec.weights is None:
        if spec.to is None or spec.share is None:
            missing = "to" if spec.to is None else "share"
            at.wrong(missing, "is missing", "a split has to and share, or weights")
            return []
        return _shifts(spec.to, spec.share, at, "split", spec.take_over)
    for field in ("to", "share", "dwell"):
        if getattr(spec, field) is not None:
            at.wrong(field, "stands beside weights", "a split has to and share, or weights")
            return []
    if (total := sum(spec.weights.values())) != 100:
        at.wrong("weights", f"add up to {total}", "100 in all")
        return []
    stable = spec.stable or at.where.host
    if stable not in spec.weights:
        hint = f"stable is one of {', '.join(sorted(spec.weights)[:8])}"
        at.wrong("stable" if spec.stable else "weights", f"{stable} has no weight", hint)
        return []
    return _shift_at(at, [spec.weights], stable, "split", spec.take_over)


def _failover(spec: FailoverSpec, at: At) -> list[Overlaid]:
    if spec.localities is None:
        for field in sorted((_OUTLIER | _LIMITS) & spec.model_fields_set):
            wire = type(spec).model_fields[field].alias or field
            at.wrong(wire, f"a failover to a service has no {wire}", "it belongs to localities")
            return []
        if spec.to is None:
            at.wrong("to", "is missing", "a failover has to, or localities")
            return []
        return _shifts(spec.to, spec.share or WHOLE, at, "failover", spec.take_over)
    for field in ("to", "share", "dwell"):
        if getattr(spec, field) is not None:
            at.wrong(field, "stands beside localities", "a failover has to, or localities")
            return []
    if not spec.localities:
        at.wrong("localities", "is empty", "write it like {eu-west: eu-central}")
        return []
    for here, there in spec.localities.items():
        if here == there:
            at.wrong("localities", f"{here} fails over to itself", "name another locality")
            return []
    if spec.consecutive_5xx == 0:
        hint = "a locality is left only when its endpoints are ejected; leave it out"
        at.wrong("consecutive5xx", "of 0 ejects nothing", hint)
        return []
    made = _outlier(spec, at, localities=spec.localities)
    return [made] if made else []


def _shifts(
    to: str, share: tuple[float, ...], at: At, called: Literal["split", "failover"], take: bool
) -> list[Overlaid]:
    stable = at.where.host
    if to == stable:
        what = "fails over to itself" if called == "failover" else "is split with itself"
        at.wrong("to", f"{stable} {what}", "name another service, or a subset: service/subset")
        return []
    for rung in share:
        if rung != round(rung):
            hint = "weights are whole percents; write 12% or 13%"
            at.wrong("share", f"{rung:g}% can't be a weight", hint)
            return []
    weights = [{stable: 100 - round(rung), to: round(rung)} for rung in share]
    return _shift_at(at, weights, stable, called, take)


def _shift_at(
    at: At,
    weights: list[dict[str, int]],
    stable: str,
    called: Literal["split", "failover"],
    take_over: bool,
) -> list[Overlaid]:
    try:
        return [Shift(at.where, each, stable, called, take_over) for each in weights]
    except ValueError as error:
        at.wrong("weights", str(error))
        return []


def _mirror(spec: MirrorSpec, at: At) -> list[Overlaid]:
    if spec.to == at.where.host:
        at.wrong("to", f"{spec.to} is mirrored to itself", "name another service")
        return []
    return [
        Mirror(at.where, spec.to, share, take_over=spec.take_over)
        for share in spec.percentage or WHOLE
    ]


def _fault(spec: FaultSpec, at: At) -> list[Overlaid]:
    abort, delay = spec.abort, spec.delay
    if abort is None and delay is None:
        at.wrong("", "does nothing", "a fault has abort, delay, or both")
        return []
    if abort is not None and (abort.status is None) == (abort.grpc_status is None):
        at.wrong("abort", "needs a status", "exactly one of status: 503, grpcStatus: UNAVAILABLE")
        return []
    if delay is not None and not delay.duration:
        at.wrong("delay.duration", "is no time", "write it like 500ms")
        return []
    aborts = abort.percentage if abort else WHOLE
    delays = delay.percentage if delay else WHOLE
    base = Fault(
        at.where,
        abort_status=abort.status if abort else None,
        abort_grpc=abort.grpc_status if abort else None,
        delay=delay.duration if delay else None,
        take_over=spec.take_over,
    )
    return [
        replace(
            base,
            abort_percentage=aborts[min(rung, len(aborts) - 1)],
            delay_percentage=delays[min(rung, len(delays) - 1)],
        )
        for rung in range(max(len(aborts), len(delays)))
    ]


def _timeout(spec: TimeoutSpec, at: At) -> list[Overlaid]:
    if not spec.duration:
        at.wrong("duration", "is no time", "write it like 800ms")
        return []
    return [Timeout(at.where, spec.duration)]


def _retry(spec: RetrySpec, at: At) -> list[Overlaid]:
    if spec.per_try_timeout is not None and not spec.per_try_timeout:
        at.wrong("perTryTimeout", "is no time", "write it like 250ms, or leave it out")
        return []
    if not spec.attempts and (spec.per_try_timeout or spec.retry_on):
        at.wrong("attempts", "no retries have no conditions", "attempts: 1, or leave the rest out")
        return []
    return [Retry(at.where, spec.attempts, spec.per_try_timeout, ",".join(spec.retry_on))]


_LIMITS = {"max_connections", "max_pending_requests", "max_requests"}
_OUTLIER = {"consecutive_5xx", "interval", "base_ejection_time", "max_ejection_percent"}


def _outlier(spec: OutlierFields, at: At, **more: Any) -> OutlierDetection | None:
    # Outlier detection belongs to a host: routes and callers can't be told apart.
    where = replace(at.where, route="", callers=())
    if at.where.route or at.where.callers:
        held = " and ".join(
            name for name, one in (("route", at.where.route), ("from", at.where.callers)) if one
        )
        at.findings.note(
            at.path,
            f"holds for all callers and routes of {where.host}, whatever the target's {held}",
            "a DestinationRule is for a whole host",
        )
    for field in ("interval", "base_ejection_time"):
        one = getattr(spec, field)
        if one is not None and not one:
            wire = type(spec).model_fields[field].alias or field
            at.wrong(wire, "is no time", "write it like 10s")
            return None
    made = OutlierDetection(where, **more)
    given = {field: getattr(spec, field) for field in _OUTLIER | _LIMITS}
    made = replace(made, **{field: one for field, one in given.items() if one is not None})
    # Zero is Envoy's "never": said as no ejection, so that nobody reads it as "at once".
    return made if made.consecutive_5xx else replace(made, consecutive_5xx=None)


def _outlier_detection(spec: OutlierDetectionSpec, at: At) -> list[Overlaid]:
    bounded = any(getattr(spec, field) is not None for field in _LIMITS)
    ejects = bool(_OUTLIER & spec.model_fields_set)
    if not bounded and spec.consecutive_5xx == 0:
        at.wrong("", "does nothing", "without ejection it needs a limit, like maxRequests: 100")
        return []
    made = _outlier(spec, at)
    if made is None:
        return []
    # Limits alone: nobody asked for ejections.
    return [replace(made, consecutive_5xx=None) if bounded and not ejects else made]


def _shed(spec: ShedSpec, at: At) -> list[Overlaid]:
    for header, values in spec.headers.items():
        if not _header(header):
            at.wrong("headers", f"{header[:40]!r} is no header's name", "write it like x-priority")
            return []
        if not values:
            at.wrong(f"headers.{header}", "has no values", "write it like [batch, bot]")
            return []
    base = Shed(
        at.where,
        {header.lower(): tuple(values) for header, values in spec.headers.items()},
        status=spec.status,
        retry_after=spec.retry_after,
    )
    return [replace(base, share=share) for share in spec.share or WHOLE]


def _header(name: str) -> bool:
    rest = name.removeprefix(":").replace("-", "").replace("_", "")
    return len(name) <= 100 and rest.isascii() and rest.isalnum()


_MAKERS: dict[str, Callable[[Any, At], list[Overlaid]]] = {
    "split": _split,
    "failover": _failover,
    "mirror": _mirror,
    "fault": _fault,
    "timeout": _timeout,
    "retry": _retry,
    "outlierDetection": _outlier_detection,
    "shed": _shed,
}
