"""The runtime's own metrics, in a registry of their own, under Prometheus's naming rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autopilot.runtime.definition import OperatorDefinition

RESULTS = ("success", "requeue", "refused", "error")
"""How a sync can end: well; to be tried again; with an answer that isn't allowed; failed."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What a process tells of itself.

    Args:
        definitions: Whose series start at zero, so that a rate over the first event is right.
    """

    def __init__(self, definitions: Iterable[OperatorDefinition] = ()) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter(
            "autopilot_reconcile",
            "Syncs by how they ended.",
            ["kind", "result"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "autopilot_reconcile_duration_seconds",
            "How long syncs took.",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.transitions = Counter(
            "autopilot_phase_transitions",
            "Phases entered.",
            ["kind", "phase"],
            registry=self.registry,
        )
        self.writes = Counter(
            "autopilot_writes",
            "Writes to the API by what they changed.",
            ["kind", "what"],
            registry=self.registry,
        )
        self.depth = Gauge(
            "autopilot_queue_depth", "Resources that wait for a sync.", registry=self.registry
        )
        self.lost = Gauge(
            "autopilot_lost_workers",
            "Workers that were given up and still run.",
            registry=self.registry,
        )
        self.available = Gauge(
            "autopilot_cache_available",
            "Whether a cache can tell what is there.",
            ["kind", "namespace", "selector"],
            registry=self.registry,
        )
        self.orphaned = Gauge(
            "autopilot_orphaned_protections",
            "Protections in force whose holder is gone; `autopilot halt status` lists them.",
            registry=self.registry,
        )
        self.swept = Counter(
            "autopilot_swept_hazards",
            "Hazards that the sweep undid, by why.",
            ["reason"],
            registry=self.registry,
        )
        for definition in definitions:
            self._start_at_zero(definition)

    def _start_at_zero(self, definition: OperatorDefinition) -> None:
        for result in RESULTS:
            self.reconciles.labels(definition.kind.qualified, result)
        for phase in definition.phases if definition.machine_of is None else ():
            self.transitions.labels(definition.kind.qualified, phase.name)
        for what in ("status", "outputs", "mesh"):
            self.writes.labels(definition.kind.qualified, what)
        self.seconds.labels(definition.kind.qualified)

    def render(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)
