"""What a person writes about signals: where a rule's numbers come from."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from autopilot.rules.model_types import Backend, Service, Texts
from autopilot.spec.model import Model
from autopilot.spec.types import Duration
from autopilot.verdict.units import Unit

BuiltinName = Literal["errorRate", "successRate", "latency", "requestRate", "timeoutRate"]

_UNITS = [unit.value for unit in Unit]


def _unit(value: Any) -> Any:
    if isinstance(value, str) and value in _UNITS:
        return Unit(value)
    if isinstance(value, Unit):
        return value
    raise ValueError(f"{str(value)[:20]!r} is no unit; units are {', '.join(_UNITS)}")


class SourceSpec(Model):
    """Where telemetry is asked: Prometheus, or whatever speaks its API."""

    url: Annotated[str, Field(max_length=2000)] | None = None
    """Like `http://prometheus.monitoring:9090`; the host must be allowed by the installation."""
    secret: Service | None = None
    """A Secret of the rule's own namespace, with `url` and how to log in there."""
    tenant: Annotated[str, Field(max_length=253)] = ""
    """With a url: the X-Scope-OrgID that Mimir and its like ask for; a Secret has its own."""


class SignalSpec(Model):
    """A value that conditions can read. Exactly one of builtin, ready, alert and query."""

    builtin: BuiltinName | None = None
    """Measured by the mesh: what callers of the target get, whoever answers."""
    ready: Service | None = None
    """Counts the ready endpoints of this service."""
    alert: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """True while this Prometheus alert fires."""
    query: Annotated[str, Field(min_length=1, max_length=16_000)] | None = None
    """PromQL; may name `[[ service | label ]]`, `[[ namespace ]]`."""

    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of `latency`; 0.99 unless told."""
    window: Duration | None = None
    """Over which time a built-in is reckoned; 30s unless told."""
    backend: Backend | None = None
    """Only what this `service` or `service/subset` answered."""
    from_: Annotated[Texts, Field(alias="from")] = ()
    """Only requests of callers with one of these `app` labels; else the target's `from`."""
    reporter: Literal["source", "destination"] | None = None
    """Whose proxies report: the callers' (source) unless told."""
    ago: Duration | None = None
    """The value of then: `1h` for an hour ago."""
    min_requests: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """Requests that must stand behind the value, or it is unknown; else the rule's."""
    labels: dict[str, Annotated[str, Field(max_length=1000)]] | None = None
    """Which of an alert's instances."""
    unit: (
        Annotated[Unit, BeforeValidator(_unit), WithJsonSchema({"type": "string", "enum": _UNITS})]
        | None
    ) = None
    """Of a query's number: ratio, %, s, ms, 1/s, count or bool."""
    empty: Literal["unknown", "zero"] | None = None
    """What no data means; unknown unless told."""

    @property
    def sort(self) -> str:
        """Which of the four it is; empty where none or several are given."""
        sorts = [name for name in SORTS if getattr(self, name) is not None]
        return sorts[0] if len(sorts) == 1 else ""


SORTS = ("builtin", "ready", "alert", "query")

FIELDS = {
    "builtin": ("window", "backend", "from", "reporter", "ago", "minRequests", "empty", "quantile"),
    "ready": (),
    "alert": ("labels",),
    "query": ("unit", "empty", "ago"),
}
"""What each sort of signal takes besides itself."""

DEFAULT_WINDOW = timedelta(seconds=30)
