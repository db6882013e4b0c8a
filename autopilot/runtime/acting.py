"""An operator's way to the mesh: what is observed of it, and steps carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from autopilot.kube.marks import OVERLAID
from autopilot.mesh.execute import execute
from autopilot.mesh.provider import Owner
from autopilot.mesh.scaling import lowers
from autopilot.mesh.steps import DeleteOwned, Plan
from autopilot.overlay.record import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from autopilot.base.clock import Clock
    from autopilot.base.errors import AutopilotError
    from autopilot.kube.cache import Cache
    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.actions import Action
    from autopilot.mesh.execute import Executor
    from autopilot.mesh.provider import Provider, T
    from autopilot.mesh.steps import Change, Step
    from autopilot.overlay.record import Overlay
    from autopilot.runtime.result import Ending
    from autopilot.runtime.unchanged import Unchanged


class CachedWorld:
    """What is observed, from caches.

    Args:
        caches: By kind.
    """

    def __init__(self, caches: Mapping[ResourceType, Cache]) -> None:
        self._caches = caches
        self._derived: dict[tuple[ResourceType, object], tuple[int, object]] = {}

    def objects(self, kind: ResourceType, namespace: str | None = None) -> Iterable[Body] | None:
        """All of a kind; None when it isn't observed.

        Raises:
            CacheUnavailable: It can't be told what is there.
        """
        cache = self._caches.get(kind)
        if cache is None:
            return None
        # A kind that the API doesn't serve has no objects; any other trouble is not knowing.
        return () if cache.absent else cache.list(namespace)

    def derived(
        self, kind: ResourceType, make: Callable[[Iterable[Body], T | None], T]
    ) -> T | None:
        """What is made of all of a kind; made anew once one of them has changed.

        Raises:
            CacheUnavailable: It can't be told what is there.
        """
        cache = self._caches.get(kind)
        if cache is None or cache.absent or not cache.available:
            found = self.objects(kind)
            return None if found is None else make(found, None)
        known = self._derived.get((kind, make))
        if known is not None and known[0] == cache.changes:
            return cast("T", known[1])
        made = make(cache.list(), None if known is None else cast("T", known[1]))
        self._derived[kind, make] = cache.changes, made
        return made


@dataclass(frozen=True, slots=True)
class Acting:
    """Plans and carries out the actions of one operator's resources.

    Attributes:
        provider: The mesh.
        executor: What steps are carried out with.
        world: What is observed.
        clock: For marks.
        kind: The primary kind.
        operator: The operator's name.
        overlaid: The observed kinds, which may carry overlays.
        unchanged: Remembers plans that change nothing; None where nobody says what a resource is
            about.
    """

    provider: Provider
    executor: Executor
    world: CachedWorld
    clock: Clock
    kind: ResourceType
    operator: str
    overlaid: tuple[ResourceType, ...] = ()
    unchanged: Unchanged | None = None

    def plan(self, body: Body, actions: Sequence[Action], ending: Ending = "") -> Plan:
        """The steps to the wanted set.

        Args:
            body: The resource.
            actions: All that it wants.
            ending: What becomes of what it holds and no longer wants.
        """
        metadata = body["metadata"]
        owner = Owner(
            self.kind,
            str(metadata.get("namespace") or ""),
            str(metadata["name"]),
            str(metadata["uid"]),
            self.operator,
        )

        def make() -> Plan:
            return self.provider.plan(owner, actions, self.world, self.clock.now(), ending=ending)

        return (
            make() if self.unchanged is None else self.unchanged.plan(body, actions, ending, make)
        )

    def kept(self, body: Body) -> list[tuple[Body, Overlay]]:
        """The protections that the resource holds on objects of others, by their marks.

        Raises:
            CacheUnavailable: It can't be told what is there.
        """
        uid, found = str(body["metadata"]["uid"]), []
        for kind in self.overlaid:
            for live in self.world.objects(kind) or ():
                if OVERLAID not in (live["metadata"].get("labels") or {}):
                    continue
                found += [
                    ({"apiVersion": kind.api_version, "kind": kind.kind, **live}, overlay)
                    for overlay in read(live).overlays
                    if overlay.holder.uid == uid and overlay.effect == "protection"
                ]
        return found

    async def execute(self, plan: Plan) -> tuple[list[Change], list[AutopilotError]]:
        """Carry a plan out; see `mesh.execute`."""
        return await execute(plan, self.executor)


def split_plan(plan: Plan) -> tuple[Plan, Plan]:
    """What moves traffic or capacity back, and the rest with the plan's refusals.

    Deletions and what takes capacity away aren't in the first part: they rely on all that comes
    before them.
    """
    back = tuple(step for step in plan.steps if _at_once(step))
    rest = tuple(step for step in plan.steps if not _at_once(step))
    return Plan(back), Plan(rest, plan.refused, plan.settled)


def _at_once(step: Step) -> bool:
    return step.moves == "back" and not isinstance(step, DeleteOwned) and not lowers(step)
