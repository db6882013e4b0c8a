"""Puts the sweep of a process together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.mesh.actions import OVERLAID
from autopilot.mesh.providers import OVERLAID_KINDS
from autopilot.mesh.steps import DEPLOYMENTS
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands
from autopilot.runtime.sweep import Lives, Sweeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.kinds import ResourceType
    from autopilot.runtime.assemble import Parts
    from autopilot.runtime.halt import Halt
    from autopilot.runtime.metrics import Metrics
    from autopilot.runtime.served import Served


def make_sweeper(
    served: Mapping[str, Served], parts: Parts, halt: Halt, metrics: Metrics
) -> Sweeper:
    """The sweep of a process; idle where nothing that it serves leaves marks."""
    caches = parts.caches
    holders = {one.definition.kind.kind: one.primary for one in served.values()}
    hands = Hands(
        parts.client,
        parts.clock,
        Drift(parts.clock),
        caches.observe,
        observe_deleted=caches.observe_deleted,
    )
    dry = parts.dry_run
    return Sweeper(
        hands,
        () if dry else _overlaid(served, parts),
        Lives(parts.client, holders, parts.scope.namespace),
        () if dry else [cache for cache in caches if cache.kind == DEPLOYMENTS],
        halt,
        metrics,
    )


def _overlaid(served: Mapping[str, Served], parts: Parts) -> list[ResourceType]:
    """The kinds that the operators' actions put overlays on, which they may list, too."""
    overlays = {action.name for action in OVERLAID}
    declared = {
        name
        for one in served.values()
        for phase in one.definition.phases
        for name in phase.actions
        if name in overlays
    }
    if not declared or parts.provider is None:
        return []
    needed = {need.kind for need in parts.provider.needs(declared)}
    return [kind for kind in OVERLAID_KINDS if kind in needed]
