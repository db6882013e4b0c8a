"""Whether a Prometheus alert fires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.telemetry.builtins import BATCH, max_by, part
from autopilot.telemetry.promql import one_of
from autopilot.telemetry.query import PART, Parts, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.telemetry.source import Series

_SPAN = 240.0


@dataclass(frozen=True, slots=True)
class AlertFamily:
    """Alerts by name and, where a target says so, by some of their labels.

    Prometheus keeps a series only for what fires: none is *not firing*, which is known as soon as
    the source answers. Where the source scrapes anything, the latest scrape dates the answer.
    That an alert exists at all can't be seen here; one that was misspelt never fires.

    Attributes:
        query: The query's name.
        labels: The labels that targets are narrowed by.
    """

    query: str
    labels: tuple[str, ...] = ()

    @property
    def batch(self) -> int:
        """Up to 100 alerts in one request."""
        return BATCH

    @property
    def timed(self) -> bool:
        """Only where the source scrapes."""
        return False

    @property
    def span(self) -> float:
        """So long that half of it, after which an answer is stale, holds any usual scrape."""
        return _SPAN

    def promql(self, targets: Sequence[Target]) -> str:
        """All firing alerts of the targets' names and labels."""
        matchers = [
            'alertstate="firing"',
            one_of("alertname", sorted({target.name for target in targets})),
        ]
        for label in self.labels:
            wanted = {value for target in targets for value in dict(target.narrow)[label]}
            matchers.append(one_of(label, sorted(wanted)))
        firing = f"{max_by(('alertname', *self.labels))}(ALERTS{{{','.join(matchers)}}})"
        at = part("at", "max(timestamp(up))")
        return " or ".join((firing, at, part("now", "vector(1)")))

    def parts(self, series: Sequence[Series], target: Target) -> Parts:
        """What the answer says about one alert."""
        narrow = dict(target.narrow)
        fires = any(
            one.labels.get("alertname") == target.name
            and all(one.labels.get(label, "") in narrow[label] for label in self.labels)
            for one in series
        )
        at = [one.value for one in series if one.labels.get(PART) == "at"]
        return Parts(
            values=(float(fires),) if series else (),
            at=at[0] if at else None,
            evaluated=series[0].at if series else None,
        )

    def parts_of(self, series: Sequence[Series], targets: Sequence[Target]) -> list[Parts]:
        """Each alert's."""
        return [self.parts(series, target) for target in targets]
