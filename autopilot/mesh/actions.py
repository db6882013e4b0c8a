"""What a phase can do to the mesh, in words that no mesh owns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Measure = Literal["errors", "success", "latency", "rate", "timeouts"]
"""What a built-in signal measures; see `telemetry`."""

MEASURES: frozenset[Measure] = frozenset(["errors", "success", "latency", "rate", "timeouts"])


@dataclass(frozen=True, slots=True)
class Split:
    """Share a host's requests between destinations.

    Attributes:
        host: The service that callers address, in the resource's own namespace or qualified.
        weights: Percent by destination service; add up to 100.
        stable: The destination that an undo sends everything back to; must be in `weights`.
        port: The destinations' port; None where a service has a single one.
    """

    name: ClassVar[str] = "split"
    hazard: ClassVar[bool] = False

    host: str
    weights: Mapping[str, int]
    stable: str
    port: int | None = None

    def __post_init__(self) -> None:
        """Check the weights.

        Raises:
            ValueError: They don't add up to 100, one is outside 0 to 100, or stable isn't there.
        """
        _check_weights(self.weights, self.stable)


@dataclass(frozen=True, slots=True)
class Scale:
    """Hold the replicas of a workload that somebody else owns.

    While it is wanted the count is held; what stood before is kept on the workload itself. When
    a result with actions no longer names the workload, or the resource goes, it is put back.

    Attributes:
        deployment: Its name, in the resource's own namespace.
        replicas: How many it shall have.
    """

    name: ClassVar[str] = "scale"
    hazard: ClassVar[bool] = False

    deployment: str
    replicas: int

    def __post_init__(self) -> None:
        """Check the count.

        Raises:
            ValueError: The count is negative.
        """
        if self.replicas < 0:
            raise ValueError(f"replicas can't be negative: {self.replicas}")


@dataclass(frozen=True, slots=True)
class Where:
    """Which requests an overlaid action is about.

    Attributes:
        host: The service that callers address, by its bare name.
        namespace: Its namespace; empty for the holder's own.
        port: The port that callers address; None for all.
        route: Only the route of that name; empty for every route of the host that leads to it.
        callers: Values of the callers' `app` label; empty for all callers.
    """

    host: str
    namespace: str = ""
    port: int | None = None
    route: str = ""
    callers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bends:
    """Which built-in signals an action makes untrue while it is in force.

    Attributes:
        callers: Measures of the target as its callers see it.
        backend: Measures narrowed to the backend that the action is about (`backend:`).
        instead: What a way back should read, for messages.
    """

    callers: frozenset[Measure] = frozenset()
    backend: frozenset[Measure] = frozenset()
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Shift:
    """Share the requests of a host that others may own between destinations, as an overlay.

    Attributes:
        where: Which requests.
        weights: Percent by destination, `service` or `service/subset`; add up to 100.
        stable: The destination that an undo sends everything back to; must be in `weights`.
        called: What the rule calls it.
        take_over: Whether somebody else's split is displaced rather than refused.
    """

    name: ClassVar[str] = "shift"
    hazard: ClassVar[bool] = False
    bends: ClassVar[Bends] = Bends(
        MEASURES, MEASURES, "ready endpoints, then a trial judged by `backend:`"
    )

    where: Where
    weights: Mapping[str, int]
    stable: str
    called: Literal["split", "failover"] = "split"
    take_over: bool = False

    def __post_init__(self) -> None:
        """Check the weights.

        Raises:
            ValueError: They don't add up to 100, one is outside 0 to 100, or stable isn't there.
        """
        _check_weights(self.weights, self.stable)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Send a copy of requests to another service; its answers are dropped.

    Attributes:
        where: Which requests.
        to: `service` or `service/subset`.
        percentage: Of the requests, 0 to 100.
        deadline: When the sweep may undo it, whatever its holder says.
        take_over: Whether somebody else's mirror is displaced rather than refused.
    """

    name: ClassVar[str] = "mirror"
    hazard: ClassVar[bool] = True
    bends: ClassVar[Bends] = Bends()

    where: Where
    to: str
    percentage: float = 100.0
    deadline: datetime | None = None
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Abort or delay requests in the callers' proxies.

    Attributes:
        where: Which requests.
        abort_status: HTTP status of aborted requests; None for no HTTP abort.
        abort_grpc: gRPC status name, like `UNAVAILABLE`; None for none. Callers by plain HTTP are
            answered 200 then.
        abort_percentage: Of the requests, 0 to 100.
        delay: How long delayed requests wait; None for no delay.
        delay_percentage: Of the requests, 0 to 100.
        deadline: When the sweep may undo it, whatever its holder says.
        take_over: Whether somebody else's fault is displaced rather than refused.
    """

    name: ClassVar[str] = "fault"
    hazard: ClassVar[bool] = True
    bends: ClassVar[Bends] = Bends(
        frozenset(["errors", "success", "latency", "timeouts"]),
        frozenset(),
        "the target's own answers, by `backend:`",
    )

    where: Where
    abort_status: int | None = None
    abort_grpc: str | None = None
    abort_percentage: float = 100.0
    delay: timedelta | None = None
    delay_percentage: float = 100.0
    deadline: datetime | None = None
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long callers wait for an answer.

    Attributes:
        where: Which requests.
        timeout: Until the proxy answers 504 by itself.
    """

    name: ClassVar[str] = "timeout"
    hazard: ClassVar[bool] = False
    bends: ClassVar[Bends] = Bends(
        frozenset(["latency", "errors", "success"]),
        frozenset(["latency", "errors", "success"]),
        "the time-out rate (`builtin: timeoutRate`)",
    )

    where: Where
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Retry:
    """How often the callers' proxies try again.

    Attributes:
        where: Which requests.
        attempts: Retries after the first try; 0 for none.
        per_try_timeout: For each try; None for none.
        retry_on: Istio's and Envoy's conditions, comma-separated; empty for the mesh's default.
    """

    name: ClassVar[str] = "retry"
    hazard: ClassVar[bool] = False
    bends: ClassVar[Bends] = Bends(
        frozenset(["errors", "success", "latency"]),
        frozenset(["errors", "success", "latency"]),
        "a query of the server's own counts (`reporter: destination`)",
    )

    where: Where
    attempts: int
    per_try_timeout: timedelta | None = None
    retry_on: str = ""


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """Let the callers' proxies pass over endpoints that fail, and bound what they send at once.

    Attributes:
        where: Which host; route and callers can't be told apart here.
        consecutive_5xx: Answers in a row that eject an endpoint; None for no ejection.
        interval: Between looks.
        base_ejection_time: How long an ejection lasts, times how often it happened.
        max_ejection_percent: Of the endpoints, 0 to 100.
        max_connections: TCP connections at once; None to leave it.
        max_pending_requests: Requests that may wait for a connection; None to leave it.
        max_requests: HTTP/2 requests at once; None to leave it.
        localities: Where requests go when a locality is ejected, by locality (`region` or
            `region/zone`); empty for no locality priority.
    """

    name: ClassVar[str] = "outlierDetection"
    hazard: ClassVar[bool] = False
    bends: ClassVar[Bends] = Bends(
        frozenset(["errors", "success", "latency", "rate"]),
        frozenset(),
        "the target's own answers, by `backend:`",
    )

    where: Where
    consecutive_5xx: int | None = 5
    interval: timedelta = timedelta(seconds=10)
    base_ejection_time: timedelta = timedelta(seconds=30)
    max_ejection_percent: int = 100
    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    localities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shed:
    """Answer some requests at the callers' proxies instead of passing them on.

    Attributes:
        where: Which requests.
        headers: Only requests whose header has one of these values; empty for all.
        share: Percent of those, 0 to 100.
        status: What they are answered.
        retry_after: For the `retry-after` header; None for none. Where only a share is shed, the
            answers that pass carry it too.
    """

    name: ClassVar[str] = "shed"
    hazard: ClassVar[bool] = False
    bends: ClassVar[Bends] = Bends(
        frozenset(["errors", "success", "latency", "rate"]),
        frozenset(),
        "what the target itself answered, by `backend:`",
    )

    where: Where
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    share: float = 100.0
    status: int = 503
    retry_after: timedelta | None = None


Overlaid = Shift | Mirror | Fault | Timeout | Retry | OutlierDetection | Shed
"""Actions that change single fields of objects that others may own."""

Action = Split | Scale | Overlaid

OVERLAID: tuple[type[Overlaid], ...] = (
    Shift,
    Mirror,
    Fault,
    Timeout,
    Retry,
    OutlierDetection,
    Shed,
)

SHIFTS: frozenset[str] = frozenset(["split", "failover"])
"""What rules call a `Shift`."""


def word_of(action: Overlaid) -> str:
    """What its holder calls an action; marks and messages say that."""
    return action.called if isinstance(action, Shift) else action.name


def name_of(word: str) -> str:
    """The name of the action that a mark's word means."""
    return Shift.name if word in SHIFTS else word


ACTIONS: dict[str, type[Action]] = {action.name: action for action in (Split, Scale, *OVERLAID)}
"""By the name that `actions:` in `autopilot.yaml` uses."""


def _check_weights(weights: Mapping[str, int], stable: str) -> None:
    if any(not 0 <= weight <= 100 for weight in weights.values()):
        raise ValueError(f"a weight is between 0 and 100: {dict(weights)}")
    if sum(weights.values()) != 100:
        raise ValueError(f"weights add up to 100: {dict(weights)}")
    if stable not in weights:
        raise ValueError(f"stable must be one of {sorted(weights)}, not {stable!r}")
