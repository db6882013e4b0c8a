"""A past that a Prometheus remembers, written by a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCRAPE = 5
BOUNDS = ("1", "50", "100", "500", "1000", "+Inf")


@dataclass
class Past:
    """What a caller's proxy showed, scraped every five seconds."""

    totals: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    seconds: int = 0

    def go_on(
        self, seconds: int, rate: float = 10, *, failing: float = 0, ms: float = 40, up: bool = True
    ) -> None:
        """For some seconds checkout gets so many requests a second, a share of which fails."""
        for _ in range(0, seconds, SCRAPE):
            self.seconds += SCRAPE
            self._count("200", rate * SCRAPE * (1 - failing), ms)
            self._count("500", rate * SCRAPE * failing, ms)
            if up:
                at = int(START.timestamp()) + self.seconds
                for name, total in self.totals.items():
                    self.samples.setdefault(name, []).append((at, total))

    def gauge(self, name: str, values: dict[int, float]) -> None:
        """A series of one's own, by seconds from the beginning."""
        start = int(START.timestamp())
        self.samples[name] = [(start + at, value) for at, value in values.items()]

    def _count(self, code: str, count: float, ms: float) -> None:
        labels = (
            'reporter="source",destination_workload="checkout",'
            'destination_workload_namespace="shop",destination_service_name="checkout",'
            'destination_service_namespace="shop",source_app="web",'
            f'response_code="{code}",grpc_response_status="-",response_flags="-"'
        )
        self._add(f"istio_requests_total{{{labels}}}", count)
        for bound in BOUNDS:
            reached = count if ms <= float(bound) else 0
            name = "istio_request_duration_milliseconds_bucket"
            self._add(f'{name}{{{labels},le="{bound}"}}', reached)

    def _add(self, name: str, count: float) -> None:
        self.totals[name] = self.totals.get(name, 0) + count

    def text(self) -> str:
        """As OpenMetrics."""
        lines = []
        for family in dict.fromkeys(name.partition("{")[0] for name in self.samples):
            lines.append(f"# TYPE {family} unknown")
            for name, points in self.samples.items():
                if name.partition("{")[0] == family:
                    lines += [f"{name} {value} {at}" for at, value in points]
        return "\n".join([*lines, "# EOF", ""])
