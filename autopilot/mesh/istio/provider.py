"""Istio as a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.kinds import NAMESPACES
from autopilot.mesh.actions import ACTIONS, OVERLAID, Overlaid, Scale, Split
from autopilot.mesh.errors import WouldStarve
from autopilot.mesh.istio.base import DESTINATION_RULES
from autopilot.mesh.istio.overlays import plan_overlays, preview_overlays
from autopilot.mesh.istio.readiness import ENDPOINT_SLICES, SERVICES
from autopilot.mesh.istio.split import VIRTUAL_SERVICES, plan_splits, unserved
from autopilot.mesh.provider import Need, Owner, World
from autopilot.mesh.scaling import lowers, plan_scales
from autopilot.mesh.steps import DEPLOYMENTS, DeleteOwned, Plan, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from autopilot.mesh.actions import Action
    from autopilot.mesh.provider import Ending, Preview

_READ = ("get", "list", "watch")


class Istio:
    """VirtualServices and DestinationRules, and the scale subresource for replicas."""

    name = "Istio"

    def prometheus_address(self, namespace: str) -> str:
        """Where Istio's own samples install Prometheus."""
        return f"http://prometheus.{namespace}:9090"

    def needs(self, actions: Collection[str]) -> tuple[Need, ...]:
        """What these actions need.

        Raises:
            ValueError: One isn't supported.
        """
        if unknown := sorted(set(actions) - {*ACTIONS}):
            raise ValueError(f"Istio can't {', '.join(unknown)} yet")
        needs: list[Need] = []
        overlaid = {action.name for action in OVERLAID} & set(actions)
        # An action may hold what it no longer wants on either kind: so both, whatever it is.
        rules = bool(overlaid)
        if overlaid or Split.name in actions:
            write = (*_READ, "create", "patch", "delete")
            needs += [
                Need(VIRTUAL_SERVICES, write, everywhere=True),
                *([Need(DESTINATION_RULES, write, everywhere=True)] if rules else []),
                Need(ENDPOINT_SLICES, _READ, everywhere=rules),
                Need(SERVICES, _READ, everywhere=rules),
                *([Need(NAMESPACES, _READ)] if rules else []),
            ]
        if Scale.name in actions:
            needs.append(
                Need(DEPLOYMENTS, (*_READ, "patch"), {"scale": ("get", "update", "patch")})
            )
        return tuple(needs)

    def plan(
        self,
        owner: Owner,
        actions: Sequence[Action],
        world: World,
        now: datetime,
        *,
        ending: Ending = "",
    ) -> Plan:
        """Capacity up, routes, capacity down, deletions: no order leaves callers without pods.

        Capacity is not taken away while a route that may depend on it is held up, nor while what
        the routes lead to has no ready endpoint.
        """
        wanted = [one for one in actions if isinstance(one, Split)]
        splits = plan_splits(owner, wanted, world)
        overlaid = [one for one in actions if isinstance(one, Overlaid)]
        overlays = plan_overlays(owner, overlaid, world, now, ending)
        held = [one for one in actions if isinstance(one, Scale)]
        try:
            scales = plan_scales(owner, held, world, now)
        except CacheUnavailable as error:
            # Routes that go back need nothing of Deployments; all else does.
            both = (*splits.steps, *overlays.steps)
            back = [s for s in both if s.moves == "back" and not isinstance(s, DeleteOwned)]
            return Plan(
                tuple(back), (*splits.refused, *overlays.refused, error), kept=overlays.kept
            )
        raised = [step for step in scales.steps if not lowers(step)]
        lowered = [step for step in scales.steps if lowers(step)]
        refused = [*splits.refused, *overlays.refused, *scales.refused]
        why = _too_early(owner, wanted, splits, world) if lowered else ""
        if why:
            held_up = ", ".join(step.summary for step in lowered)
            refused.append(WouldStarve(f"{why}, so it must wait: {held_up}", after=1.0))
            lowered = []
        routes: list[Step] = [s for s in splits.steps if not isinstance(s, DeleteOwned)]
        gone: list[Step] = [s for s in splits.steps if isinstance(s, DeleteOwned)]
        steps = (*raised, *routes, *overlays.steps, *lowered, *gone)
        return Plan(steps, tuple(refused), scales.settled, overlays.kept)

    def preview(
        self, owner: Owner, actions: Sequence[Action], world: World, now: datetime
    ) -> list[Preview]:
        """What overlays would make of each object, for people; nothing is written.

        Args:
            owner: Who would hold them.
            actions: All that it would want; what it has of others would be undone.
            world: What is observed.
            now: For marks.
        """
        overlaid = [one for one in actions if isinstance(one, Overlaid)]
        return preview_overlays(owner, overlaid, world, now)


def _too_early(owner: Owner, wanted: Sequence[Split], splits: Plan, world: World) -> str:
    """Why no capacity may be taken away yet; empty when it may."""
    try:
        empty = unserved(owner, wanted, world)
    except CacheUnavailable as error:
        return str(error)
    if empty:
        return f"{empty} has no ready endpoint"
    return "the routes aren't in place" if splits.refused else ""
