"""Plans that needn't be made again: nothing has changed that they were made from.

A thousand resources that stand still would else look through all routes of a mesh at every tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from autopilot.base.clock import Clock
    from autopilot.kube.cache import Cache
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.actions import Action
    from autopilot.mesh.steps import Plan
    from autopilot.runtime.definition import Concerns

    Body = Mapping[str, Any]

LONGEST = 60.0
"""Seconds after which a plan is made anew whatever is known: time itself bears on some."""

_MOST = 50_000


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan that changes nothing.

    Attributes:
        generation: Of the resource.
        subjects: What the resource is about.
        seen: What had changed of them by then, and which caches could tell.
        actions: What was wanted.
        ending: See `Ending`.
        at: Monotonic time.
        plan: The plan.
    """

    generation: object
    subjects: tuple[Hashable, ...]
    seen: tuple[object, ...]
    actions: Sequence[Action]
    ending: str
    at: float
    plan: Plan


class Unchanged:
    """Remembers plans that change nothing, by resource.

    Args:
        concerns: What resources and observed objects are about.
        caches: What is observed, by kind.
        clock: Its monotonic side.
    """

    def __init__(
        self, concerns: Concerns, caches: Mapping[ResourceType, Cache], clock: Clock
    ) -> None:
        self._concerns = concerns
        self._caches = tuple(caches.values())
        self._clock = clock
        self._changes: dict[Hashable, int] = {}
        self._made: dict[str, _Made] = {}
        for kind, cache in caches.items():
            cache.on_change(self._changed(kind))

    def plan(
        self, body: Body, actions: Sequence[Action], ending: str, make: Callable[[], Plan]
    ) -> Plan:
        """The plan of a resource, made only where it may be another one.

        Args:
            body: The resource.
            actions: What it wants.
            ending: See `Ending`.
            make: Makes the plan.
        """
        uid, generation = str(body["metadata"]["uid"]), body["metadata"].get("generation")
        now, known = self._clock.monotonic(), self._made.get(uid)
        if known is not None and known.generation == generation and now - known.at < LONGEST:
            asked = (known.ending, known.actions)
            if asked == (ending, actions) and known.seen == self._seen(known.subjects):
                return known.plan
        subjects = tuple(self._concerns.of(body))
        seen = self._seen(subjects)
        plan = make()
        if plan.changes or plan.refused:
            self._made.pop(uid, None)
            return plan
        if len(self._made) >= _MOST:
            self._made.pop(next(iter(self._made)))
        self._made[uid] = _Made(generation, subjects, seen, actions, ending, now, plan)
        return plan

    def _seen(self, subjects: tuple[Hashable, ...]) -> tuple[object, ...]:
        changes = self._changes
        return (
            *(changes.get(subject, 0) for subject in subjects),
            *(cache.available for cache in self._caches),
        )

    def _changed(self, kind: ResourceType) -> Callable[[Body | None, Body | None], None]:
        def changed(old: Body | None, new: Body | None) -> None:
            touched = {
                subject
                for body in (old, new)
                if body is not None
                for subject in self._concerns.touched(kind, body)
            }
            for subject in touched:
                self._changes[subject] = self._changes.get(subject, 0) + 1

        return changed
