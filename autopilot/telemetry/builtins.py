"""The queries that need no declaration: success, errors, latency and rate from mesh telemetry.

All read what the *callers'* proxies report (`reporter="source"`): a destination without pods has
no reporter of its own, and faults injected at the client are seen only there. An error is a 5xx
or a gRPC status other than OK. A ratio exists wherever its denominator does, so no errors is 0
and no traffic is no data.

One request fetches a query's parts (see `query.PART`) for up to 100 targets. `requests` and `of`
are `increase` over the window, which Prometheus extrapolates, so they needn't be whole.

A series' first sample is invisible to `rate`: the first errors ever of a workload count from the
second scrape on, one scrape interval late. Counting the raw value of series that are new since
the window began would show them at once, but is left out: after Prometheus was down for a while
every series looks new, and its whole past would be read as the present. Scrape often instead.
For the same reason `requests` lags one scrape on a workload that is called for the first time,
while `of` counts the whole window: judge silence only when the weight has stood for a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.telemetry.promql import one_of, quote, regex
from autopilot.telemetry.query import PART, Parts, Target, plain_parts, seconds_of, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from autopilot.telemetry.source import Series

BATCH = 100
WORKLOAD = ("destination_workload_namespace", "destination_workload")
SERVICE = ("destination_service_namespace", "destination_service_name")
REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"


@dataclass(frozen=True, slots=True)
class IstioFamily:
    """A built-in on Istio's standard metrics.

    Attributes:
        query: The query's name.
        measure: What `value` is: `success`, `errors`, `latency` or `rate`.
        window: The range, in PromQL's spelling.
        quantile: For latency, 0 to 1.
        reporter: Whose telemetry: `source` or `destination`.
    """

    query: str
    measure: str
    window: str
    quantile: float = 0.99
    reporter: str = "source"

    @property
    def batch(self) -> int:
        """Up to 100 targets in one request."""
        return BATCH

    @property
    def span(self) -> float:
        """The window in seconds."""
        return seconds_of(self.window)

    @property
    def timed(self) -> bool:
        """Built-ins ask for the time of their scrape."""
        return True

    def promql(self, targets: Sequence[Target]) -> str:
        """The parts for all targets, and for all services of their routes."""
        mine = self._select(WORKLOAD, [(target.namespace, target.name) for target in targets])
        route = [service for target in targets for service in target.route]
        parts = [
            part("value", _MEASURES[self.measure](self, mine)),
            part("requests", f"{sum_by(WORKLOAD)}(increase({REQUESTS}{{{mine}}}[{self.window}]))"),
            part("at", f"{max_by(WORKLOAD)}(timestamp({REQUESTS}{{{mine}}}))"),
        ]
        if route:
            all_of = self._select(SERVICE, route)
            of = f"{sum_by(SERVICE)}(increase({REQUESTS}{{{all_of}}}[{self.window}]))"
            parts.append(part("of", of))
            parts.append(part("of_at", f"{max_by(SERVICE)}(timestamp({REQUESTS}{{{all_of}}}))"))
        return " or ".join(parts)

    def parts(self, series: Sequence[Series], target: Target) -> Parts:
        """What the answer says about a target and its route."""
        mine = [one for one in series if _key(one, WORKLOAD) == (target.namespace, target.name)]
        route = [one for one in series if _key(one, SERVICE) in target.route]
        of_at = max(values_of(route, "of_at"), default=None)
        of = values_of(route, "of") if of_at is not None else ()
        return Parts(
            values=values_of(mine, "value"),
            requests=next(iter(values_of(mine, "requests")), None),
            of=sum(of) if of else None,
            at=next(iter(values_of(mine, "at")), None if values_of(mine, "value") else of_at),
            evaluated=series[0].at if series else None,
        )

    def parts_of(self, series: Sequence[Series], targets: Sequence[Target]) -> list[Parts]:
        """Each target's."""
        return [self.parts(series, target) for target in targets]

    def _select(self, labels: tuple[str, str], pairs: Iterable[tuple[str, str]]) -> str:
        namespaces = sorted({namespace for namespace, _ in pairs})
        names = sorted({name for _, name in pairs})
        return ",".join(
            (
                f"reporter={quote(self.reporter)}",
                one_of(labels[0], namespaces),
                one_of(labels[1], names),
            )
        )

    def _errors(self, mine: str) -> str:
        bad = f'{REQUESTS}{{{mine},response_code=~"5.."}}[{self.window}]'
        # A status that isn't a number stands for "no gRPC": empty in Istio, "-" in plain Envoy.
        grpc = f'{REQUESTS}{{{mine},grpc_response_status=~"[1-9][0-9]*"}}[{self.window}]'
        every = self._rate(mine)
        return f"({sum_by(WORKLOAD)}(rate({bad}) or rate({grpc})) or {every} * 0) / {every}"

    def _success(self, mine: str) -> str:
        return f"(1 - ({self._errors(mine)})) * 100"

    def _rate(self, mine: str) -> str:
        return f"{sum_by(WORKLOAD)}(rate({REQUESTS}{{{mine}}}[{self.window}]))"

    def _latency(self, mine: str) -> str:
        buckets = f"{sum_by((*WORKLOAD, 'le'))}(rate({BUCKETS}{{{mine}}}[{self.window}]))"
        return f"histogram_quantile({self.quantile:g}, {buckets})"


_MEASURES: dict[str, Callable[[IstioFamily, str], str]] = {
    "success": IstioFamily._success,
    "errors": IstioFamily._errors,
    "latency": IstioFamily._latency,
    "rate": IstioFamily._rate,
}


@dataclass(frozen=True, slots=True)
class EnvoyFamily:
    """A built-in on plain Envoy's cluster statistics, found by pod name as the original did.

    They need `kubernetes_namespace` and `kubernetes_pod_name` on every series (a relabelling of
    the pod's metadata). They know no gRPC status and no route.

    Attributes:
        query: The query's name.
        measure: `success` or `latency`.
        window: The range, in PromQL's spelling.
        quantile: For latency, 0 to 1.
    """

    query: str
    measure: str
    window: str
    quantile: float = 0.99

    @property
    def batch(self) -> int:
        """One: pods carry no label with their workload's name."""
        return 1

    @property
    def span(self) -> float:
        """The window in seconds."""
        return seconds_of(self.window)

    @property
    def timed(self) -> bool:
        """Built-ins ask for the time of their scrape."""
        return True

    def promql(self, targets: Sequence[Target]) -> str:
        """The parts for one target."""
        (target,) = targets
        pods = quote(f"{regex(target.name)}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)")
        mine = f"kubernetes_namespace={quote(target.namespace)},kubernetes_pod_name=~{pods}"
        every = f"envoy_cluster_upstream_rq{{{mine}}}"
        total = f"sum(rate({every}[{self.window}]))"
        if self.measure == "latency":
            buckets = f"envoy_cluster_upstream_rq_time_bucket{{{mine}}}[{self.window}]"
            value = f"histogram_quantile({self.quantile:g}, sum by (le) (rate({buckets})))"
        else:
            bad = f'envoy_cluster_upstream_rq{{{mine},envoy_response_code=~"5.."}}[{self.window}]'
            value = f"(1 - (sum(rate({bad})) or {total} * 0) / {total}) * 100"
        return " or ".join(
            (
                part("value", value),
                part("requests", f"sum(increase({every}[{self.window}]))"),
                part("at", f"max(timestamp({every}))"),
            )
        )

    def parts(self, series: Sequence[Series], target: Target) -> Parts:
        """The whole answer is about the one target."""
        del target
        return plain_parts(series)

    def parts_of(self, series: Sequence[Series], targets: Sequence[Target]) -> list[Parts]:
        """Each target's."""
        return [self.parts(series, target) for target in targets]


def part(name: str, expression: str) -> str:
    """An expression whose series carry the part label."""
    return f'label_replace({expression}, "{PART}", "{name}", "", "")'


def sum_by(labels: tuple[str, ...]) -> str:
    """The beginning of a sum; an expression in parentheses follows."""
    return f"sum by ({', '.join(labels)}) "


def max_by(labels: tuple[str, ...]) -> str:
    """The beginning of a maximum; an expression in parentheses follows."""
    return f"max by ({', '.join(labels)}) "


def _key(series: Series, labels: tuple[str, str]) -> tuple[str | None, str | None]:
    return series.labels.get(labels[0]), series.labels.get(labels[1])
