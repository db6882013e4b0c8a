"""What a person writes about actions: what a phase does to the mesh."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from autopilot.rules.model_types import Backend, Ladder, Service, Texts
from autopilot.spec.model import Model
from autopilot.spec.types import Duration, GrpcStatus

Percent = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
HttpStatus = Annotated[int, Field(ge=200, le=599)]


class Climbing(Model):
    """An action whose share may be a ladder."""

    ladders: ClassVar[tuple[str, ...]] = ("share",)

    dwell: Duration | None = None
    """How long each rung is stood on at least."""


class SplitSpec(Climbing):
    """Share requests between the target and another service, or by weights."""

    to: Backend | None = None
    """The other `service` or `service/subset`."""
    share: Ladder | None = None
    """What goes there."""
    weights: dict[str, Percent] | None = None
    """Instead of `to` and `share`: percent by `service` or `service/subset`, 100 in all."""
    stable: Backend | None = None
    """Of the weights: what an undo sends everything back to; the target unless told."""
    take_over: bool = False
    """Displace somebody else's split rather than being refused."""


class OutlierFields(Model):
    """When the callers' proxies pass over an endpoint that fails, and how much they send."""

    consecutive_5xx: Annotated[
        Annotated[int, Field(ge=0, le=1_000_000)] | None, Field(alias="consecutive5xx")
    ] = None
    """Answers in a row that eject an endpoint; 5 unless told, 0 for no ejection."""
    interval: Duration | None = None
    """Between looks; 10s unless told."""
    base_ejection_time: Duration | None = None
    """How long an ejection lasts, times how often it happened; 30s unless told."""
    max_ejection_percent: Percent | None = None
    """Of the endpoints; 100 unless told."""
    max_connections: Count | None = None
    """TCP connections at once."""
    max_pending_requests: Count | None = None
    """Requests that may wait for a connection."""
    max_requests: Count | None = None
    """HTTP/2 requests at once."""


class FailoverSpec(Climbing, OutlierFields):
    """Send requests to a standby: a service or subset, or another locality of the same host."""

    to: Backend | None = None
    """The standby, `service` or `service/subset`."""
    share: Ladder | None = None
    """What goes there; 100% unless told."""
    take_over: bool = False
    """Displace somebody else's split rather than being refused."""
    localities: (
        dict[str, Annotated[str, Field(pattern=r"^[^/\s]+(/[^/\s]+)?$", max_length=127)]] | None
    ) = None
    """Instead of `to`: by locality (`region`, `region/zone`) where its requests go when its
    endpoints are ejected. Envoy decides by itself."""


class MirrorSpec(Climbing):
    """Send a copy of requests to another service; its answers are dropped."""

    ladders = ("percentage",)

    to: Backend
    """`service` or `service/subset`."""
    percentage: Ladder | None = None
    """Of the requests; 100% unless told."""
    take_over: bool = False
    """Displace somebody else's mirror rather than being refused."""


class AbortSpec(Model):
    """Requests that are answered with an error instead of being passed on."""

    status: HttpStatus | None = None
    """An HTTP status."""
    grpc_status: GrpcStatus | None = None
    """Or a gRPC status name, like UNAVAILABLE."""
    percentage: Ladder
    """Of the requests."""


class DelaySpec(Model):
    """Requests that wait before they are passed on."""

    duration: Duration
    """How long."""
    percentage: Ladder
    """Of the requests."""


class FaultSpec(Climbing):
    """Abort or delay requests in the callers' proxies."""

    ladders = ("abort.percentage", "delay.percentage")

    abort: AbortSpec | None = None
    """Answer some with an error."""
    delay: DelaySpec | None = None
    """Let some wait."""
    take_over: bool = False
    """Displace somebody else's fault rather than being refused."""


class TimeoutSpec(Model):
    """How long callers wait for an answer."""

    duration: Duration
    """Until the proxy answers 504 by itself."""


class RetrySpec(Model):
    """How often the callers' proxies try again."""

    attempts: Annotated[int, Field(ge=0, le=100)]
    """Retries after the first try; 0 for none."""
    per_try_timeout: Duration | None = None
    """For each try."""
    retry_on: Texts = ()
    """Istio's and Envoy's conditions, like 5xx; the mesh's default unless told."""


class OutlierDetectionSpec(OutlierFields):
    """Pass over endpoints that fail, and bound what is sent at once."""


class ShedSpec(Climbing):
    """Answer some requests at the callers' proxies instead of passing them on."""

    headers: Annotated[dict[str, Texts], Field(default_factory=dict, max_length=20)]
    """Only requests whose header has one of these values; all unless told."""
    share: Ladder | None = None
    """Of those; 100% unless told."""
    status: HttpStatus = 503
    """What they are answered."""
    retry_after: Duration | None = None
    """For the retry-after header."""


class NotifySpec(Model):
    """Tell a webhook that the phase has been entered. Retried; never holds anything up."""

    url: Annotated[str, Field(max_length=2000)] | None = None
    """Where to; the host must be allowed by the installation."""
    secret: Service | None = None
    """Or a Secret of the rule's own namespace whose key `url` holds it."""
    slack: bool = False
    """Whether the body is Slack's."""
    text: Annotated[str, Field(max_length=4000)] = ""
    """What to say; may name signals as `[[ errors ]]`."""


def _list(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"{value[:40]!r} is no action; write it as a map: `- {value[:40]}: {{…}}`")
    return value


class ActionSpec(Model):
    """One action; exactly one key."""

    split: SplitSpec | None = None
    """Share requests between destinations."""
    failover: FailoverSpec | None = None
    """Send requests to a standby."""
    mirror: MirrorSpec | None = None
    """Send a copy of requests elsewhere (a hazard: undone when the phase is left)."""
    fault: FaultSpec | None = None
    """Abort or delay requests (a hazard: undone when the phase is left)."""
    timeout: TimeoutSpec | None = None
    """How long callers wait."""
    retry: RetrySpec | None = None
    """How often callers try again."""
    outlier_detection: OutlierDetectionSpec | None = None
    """Pass over endpoints that fail; connection limits."""
    shed: ShedSpec | None = None
    """Answer some requests at the callers."""
    notify: NotifySpec | None = None
    """Tell a webhook."""

    @property
    def one(self) -> tuple[str, Any] | None:
        """The action's name, as on the wire, and its fields; None unless there is exactly one."""
        found = [
            (info.alias or name, getattr(self, name))
            for name, info in type(self).model_fields.items()
            if getattr(self, name) is not None
        ]
        return found[0] if len(found) == 1 else None


ACTION_NAMES = tuple(info.alias or name for name, info in ActionSpec.model_fields.items())

Actions = Annotated[tuple[Annotated[ActionSpec, BeforeValidator(_list)], ...], Field(max_length=16)]
