"""What an experiment watches, as a person writes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from autopilot.spec.model import Model
from autopilot.spec.types import Duration

_ANY = {"x-kubernetes-preserve-unknown-fields": True}

Service = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""The bare name of a Service."""

Caller = Annotated[str, Field(min_length=1, max_length=253)]


def _texts(value: Any) -> Any:
    """One text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


Callers = Annotated[
    tuple[Caller, ...],
    BeforeValidator(_texts),
    Field(max_length=50),
    WithJsonSchema(
        {**_ANY, "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    ),
]
"""Values of the callers' `app` label; one may stand without its list."""


def percent(value: Any) -> Any:
    """`12.5%`, or 12.5."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1])
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{str(value)[:40]!r} is no percentage; write 12.5, or 12.5%")
    return float(value) if abs(value) < 1e6 else 1e6


Percentage = Annotated[
    float,
    BeforeValidator(percent),
    Field(ge=0, le=100, allow_inf_nan=False),
    WithJsonSchema({**_ANY, "anyOf": [{"type": "number"}, {"type": "string"}]}),
]
"""Of the requests, 0 to 100, as a number or with a sign."""

Operator = Literal["<", "<=", ">", ">=", "==", "!="]


class BuiltinTrigger(Model):
    """A measure of Istio's standard metrics."""

    service: Service | None = None
    """Whose answers; the experiment's target unless told. Requests to the target itself carry the
    fault: what should cope with it is what calls it."""
    namespace: Service | None = None
    """Its namespace; the target's unless told."""
    from_: Annotated[Callers, Field(alias="from")] = ()
    """Only requests of callers with one of these `app` labels."""
    window: Duration = timedelta(seconds=30)
    """Over which time."""


class LatencyTrigger(BuiltinTrigger):
    """How long answers take."""

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """Which quantile."""


class WebhookTrigger(Model):
    """An answer other than 2xx is one that fails."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    """Where to; the installation's `allowedHosts` must allow it."""


class Trigger(Model):
    """What is read; exactly one."""

    promql: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    """A query with one number as its answer; `[[ service | label ]]` and `[[ namespace | label ]]`
    stand for the target's."""
    success_rate: BuiltinTrigger | None = None
    """The share of requests that are answered well."""
    error_rate: BuiltinTrigger | None = None
    """The share of requests that are answered with 5xx, or a gRPC status other than OK."""
    latency: LatencyTrigger | None = None
    """How long answers take."""
    webhook: WebhookTrigger | None = None
    """An HTTP service that decides."""


class FailureCondition(Model):
    """The experiment fails where this comes true."""

    name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Made up from the index where it is absent."""
    trigger: Trigger
    """What is read."""
    operator: Operator | None = None
    """How the value is compared with the threshold: `<` for a success rate and PromQL, `>` for an
    error rate and a latency, unless told."""
    threshold: Annotated[
        Any, WithJsonSchema({**_ANY, "anyOf": [{"type": "number"}, {"type": "string"}]})
    ] = None
    """`95%` for a rate, `800ms` for a latency, a number for PromQL; none for a webhook."""
    for_polls: Annotated[int, Field(ge=1, le=1000)] = 1
    """It must come true in so many polls one after another."""
    on_no_data: Literal["inconclusive", "fail", "ignore"] = "inconclusive"
    """What no data means: nobody can say; as good as true; nothing. It never means success."""


class Expectation(Model):
    """Another autopilot is expected to react; exactly one of rule, canary and kind names it."""

    rule: Service | None = None
    """A Rule, by its name."""
    canary: Service | None = None
    """A Canary, by its name; of `example.io/v1alpha1` unless `apiVersion` says another."""
    kind: Annotated[str, Field(max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")] | None = None
    """Any other kind with a `status.phase`; with `apiVersion` and `name`."""
    api_version: Annotated[str, Field(max_length=253)] | None = None
    """Group and version of the kind."""
    name: Service | None = None
    """Its name, for `kind`."""
    namespace: Service | None = None
    """Its namespace; the target's unless told."""
    phase: Annotated[str, Field(min_length=1, max_length=63)]
    """The phase that it must be seen in."""
    within: Duration | None = None
    """How long after the injection; at any time of the run unless told."""
