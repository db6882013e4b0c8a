"""Where telemetry comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from autopilot.base.errors import AutopilotError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SourceDown(AutopilotError):
    """The source can't be reached, timed out or failed; nothing is known until it is back."""


class QueryRefused(AutopilotError):
    """The source understood and refused the query (bad PromQL); retrying won't help."""


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A source that a resource names for itself, instead of the installation's. One of `url` and
    `secret` is given: a credential goes only to the URL that stands in the same Secret.

    Attributes:
        namespace: The resource's own; the Secret is read there and nowhere else.
        url: Like `http://prometheus.monitoring:9090`, with a path where the API has a prefix.
        secret: Name of a Secret; see `access.access_of` for its keys.
        tenant: `X-Scope-OrgID`, for a URL; a Secret has its own.
    """

    namespace: str = ""
    url: str = ""
    secret: str = ""
    tenant: str = ""

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.secret}" if self.secret else self.url


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an instant vector.

    Attributes:
        labels: Without `__name__`.
        value: May be NaN or infinite: it is the source's word, not yet judged.
        at: Unix seconds that the source stamped (an instant query stamps the query's own time).
    """

    labels: Mapping[str, str]
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series over time.

    Attributes:
        labels: Without `__name__`.
        points: (unix seconds, value), in the order of time; moments without a value are left out.
    """

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class MetricsSource(Protocol):
    """Answers instant queries in PromQL."""

    @property
    def address(self) -> str:
        """Where it is, for people."""
        ...

    async def query(self, promql: str, *, timeout: float) -> Sequence[Series]:
        """Evaluate now.

        Args:
            promql: The query.
            timeout: Seconds, for the whole call.

        Raises:
            SourceDown: No answer; unknown.
            QueryRefused: The query itself is wrong; terminal.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...
