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
