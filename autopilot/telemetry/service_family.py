"""Built-ins on whole services, as rules ask them: one request for many, added up on our side.

Like `builtins`, these read Istio's standard metrics, an error is a 5xx or a gRPC status other than
OK, and a ratio exists wherever its denominator does. But a target is a set of services (all those
that a route leads to), perhaps narrowed to a version or to some callers. The source answers per
service, version and caller; the sums are made here, so that 1,000 rules on overlapping sets need
as many requests as there are services in hundreds. A service that never had a request (a standby)
adds nothing to a sum, and doesn't make it unknown.

Envoy flags what a fault aborted with FI, and what it delayed with DI.

A time-out is a 504, a gRPC DEADLINE_EXCEEDED, or Envoy's own response flag UT, which it sets when
the route's time-out ends a request. At the destination such a request shows as 0 with DC, like any
caller that hangs up, and isn't told apart there.

What a service itself answered is without what the callers' proxies did in its name: aborted (FI,
as shedding a share does), refused beyond a limit on connections (UO); a latency, also without what
they delayed (DI). No ready endpoint (UH) and a refused connection (UF) are the service's own doing.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.telemetry.builtins import BATCH, BUCKETS, REQUESTS, SERVICE, max_by, part, sum_by
from autopilot.telemetry.histogram import quantile_of
from autopilot.telemetry.promql import one_of, quote
from autopilot.telemetry.query import PART, Parts, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autopilot.telemetry.source import Series

_BAD = {
    "errors": ('response_code=~"5.."', 'grpc_response_status=~"[1-9][0-9]*"'),
    "timeouts": (
        'response_code="504"',
        'response_flags=~"(.*,)?UT(,.*)?"',
        'grpc_response_status="4"',
    ),
    "aborted": ('response_flags=~"(.*,)?FI(,.*)?"',),
    "delayed": ('response_flags=~"(.*,)?DI(,.*)?"',),
}
_BAD["success"] = _BAD["errors"]

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceFamily:
    """A built-in on sets of services.

    Attributes:
        query: The query's name.
        measure: What `value` is: `errors`, `success`, `latency`, `rate`, `timeouts`, `aborted` or
            `delayed`.
        window: The range, in PromQL's spelling.
        span: The same in seconds.
        quantile: For latency, 0 to 1; else 0.
        reporter: Whose telemetry: `source` or `destination`.
        offset: How long ago, in PromQL's spelling; empty for now.
        ago: The same in seconds.
        narrowed: The labels that targets are narrowed by.
        answered: Only what the services themselves answered, or failed to: not what the callers'
            proxies aborted or held back on purpose.
    """

    query: str
    measure: str
    window: str
    span: float
    quantile: float = 0.0
    reporter: str = "source"
    offset: str = ""
    ago: float = 0.0
    narrowed: tuple[str, ...] = ()
    answered: bool = False

    @property
    def batch(self) -> int:
        """Up to 100 targets in one request."""
        return BATCH

    @property
    def timed(self) -> bool:
        """Built-ins ask for the time of their scrape."""
        return True

    def promql(self, targets: Sequence[Target]) -> str:
        """The parts for every service of all targets."""
        mine = self._select(targets)
        by = (*SERVICE, *self.narrowed)
        if self.measure == "latency":
            buckets = self._increase(f"{BUCKETS}{{{mine}}}")
            total = f'{BUCKETS}{{{mine},le="+Inf"}}{self._offset}'
            parts = [
                part("bucket", f"{sum_by((*by, 'le'))}({buckets})"),
                part("at", f"{max_by(by)}(timestamp({total}))"),
            ]
            return " or ".join(parts)
        every = f"{REQUESTS}{{{mine}}}"
        parts = [
            part("requests", f"{sum_by(by)}({self._increase(every)})"),
            part("at", f"{max_by(by)}(timestamp({every}{self._offset}))"),
        ]
        if bad := _BAD.get(self.measure):
            # `or` keeps one of each series, so that what is bad in two ways counts once.
            either = (self._increase(f"{REQUESTS}{{{mine},{matcher}}}") for matcher in bad)
            parts.append(part("bad", f"{sum_by(by)}({' or '.join(either)})"))
        return " or ".join(parts)

    def parts(self, series: Sequence[Series], target: Target) -> Parts:
        """What the answer says about one target."""
        (found,) = self.parts_of(series, [target])
        return found

    def parts_of(self, series: Sequence[Series], targets: Sequence[Target]) -> list[Parts]:
        """What the answer says about each target."""
        evaluated = series[0].at - self.ago if series else None
        by_key = self._index(series)
        return [self._parts(by_key, target, evaluated) for target in targets]

    @property
    def _offset(self) -> str:
        return f" offset {self.offset}" if self.offset else ""

    def _increase(self, selector: str) -> str:
        return f"increase({selector}[{self.window}]{self._offset})"

    def _select(self, targets: Sequence[Target]) -> str:
        """Matchers that let through at least all that the targets need."""
        pairs = {service for target in targets for service in target.route}
        matchers = [
            f"reporter={quote(self.reporter)}",
            one_of(SERVICE[0], sorted({namespace for namespace, _ in pairs})),
            one_of(SERVICE[1], sorted({name for _, name in pairs})),
        ]
        wanted = _united(target.narrow for target in targets)
        matchers += [one_of(label, sorted(wanted[label])) for label in self.narrowed]
        if self.answered:
            ours = "FI|UO|DI" if self.measure == "latency" else "FI|UO"
            matchers.append(f'response_flags!~"(.*,)?({ours})(,.*)?"')
        return ",".join(matchers)

    def _index(self, series: Sequence[Series]) -> dict[Key, list[Series]]:
        by = (*SERVICE, *self.narrowed)
        found: dict[Key, list[Series]] = defaultdict(list)
        for one in series:
            found[tuple(one.labels.get(label, "") for label in by)].append(one)
        return found

    def _parts(
        self, by_key: Mapping[Key, list[Series]], target: Target, evaluated: float | None
    ) -> Parts:
        narrow = dict(target.narrow)
        choices = [narrow[label] for label in self.narrowed]
        sums: dict[str, float] = {}
        buckets: dict[float, float] = {}
        for service in target.route:
            for chosen in itertools.product(*choices):
                for one in by_key.get((*service, *chosen), ()):
                    _add(one, sums, buckets)
        requests = buckets.get(math.inf) if self.measure == "latency" else sums.get("requests")
        return Parts(
            values=() if requests is None else (self._value(requests, sums, buckets),),
            requests=requests,
            at=sums.get("at"),
            evaluated=evaluated,
        )

    def _value(
        self, requests: float, sums: Mapping[str, float], buckets: Mapping[float, float]
    ) -> float:
        """NaN where nothing was requested: the sample then says *no data*."""
        if self.measure == "rate":
            return requests / self.span
        if self.measure == "latency":
            return quantile_of(self.quantile, buckets)
        if requests == 0:
            return math.nan
        # Both are extrapolated, each from its own first and last sample: never more than all.
        bad = sums.get("bad", 0.0) / requests
        bad = 1.0 if bad > 1 else bad
        return 1 - bad if self.measure == "success" else bad


def _united(
    narrows: Iterable[tuple[tuple[str, tuple[str, ...]], ...]],
) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for narrow in narrows:
        for label, values in narrow:
            wanted[label].update(values)
    return wanted


def _add(one: Series, sums: dict[str, float], buckets: dict[float, float]) -> None:
    kind = one.labels.get(PART, "")
    if kind == "bucket":
        try:
            bound = float(one.labels.get("le", ""))
        except ValueError:
            return
        buckets[bound] = buckets.get(bound, 0.0) + one.value
    elif kind == "at":
        sums["at"] = max(sums.get("at", 0.0), one.value)
    else:
        sums[kind] = sums.get(kind, 0.0) + one.value
