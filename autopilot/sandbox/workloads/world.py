"""Everything the controllers see and do: a cache per kind, and writes that are seen at once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from autopilot.kube.cache import Cache
from autopilot.kube.client import NotFound
from autopilot.kube.events import EventRecorder
from autopilot.kube.kinds import ENDPOINTS, KNOWN
from autopilot.sandbox.workloads.objects import Body, deleting, key, meta, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from autopilot.base.clock import Clock
    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType

    Changed = Callable[[ResourceType, Body], None]

DEPLOYMENTS = KNOWN["deployments"]
REPLICA_SETS = KNOWN["replicasets"]
PODS = KNOWN["pods"]
SERVICES = KNOWN["services"]
ENDPOINT_SLICES = KNOWN["endpointslices"]
WATCHED = (DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, ENDPOINTS, ENDPOINT_SLICES)

MANAGER = "sandbox"
"""The field manager of everything that the sandbox's controllers write."""


class View:
    """A cache in which an object counts as deleting from when the API has accepted its deletion.

    The answer to a deletion doesn't carry the object, so until the watch shows it a sync would
    take a pod that it has just ended for one that stands, and end another.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._ending: set[str] = set()

    def get(self, namespace: str, name: str) -> Body | None:
        """One object; raises `CacheUnavailable` when that can't be told."""
        found = self.cache.get(namespace, name)
        return None if found is None else self._seen(found)

    def all(self, namespace: str | None = None) -> list[Body]:
        """All objects, or a namespace's; raises `CacheUnavailable` when that can't be told."""
        return [self._seen(body) for body in self.cache.list(namespace)]

    def asked_to_end(self, body: Body) -> None:
        """The API has accepted the deletion of an object."""
        known = self.cache.get(*key(body))
        if known is not None and uid(known) == uid(body):
            self._ending.add(uid(body))

    def gone(self, body: Body) -> None:
        """An object is no more."""
        self._ending.discard(uid(body))

    def _seen(self, body: Body) -> Body:
        if uid(body) not in self._ending or deleting(body):
            return body
        ending = {**meta(body), "deletionTimestamp": "1970-01-01T00:00:00Z"}
        return {**body, "metadata": ending}


class World:
    """A view of the API, and the door to it.

    Args:
        client: The API.
        clock: Where times come from.
        changed: Called with the kind and the body, before and after each change.
    """

    def __init__(self, client: KubeClient, clock: Clock, changed: Changed) -> None:
        self.client = client
        self.clock = clock
        self.events = EventRecorder(client, "sandbox", clock=clock)
        self._views = {kind: View(Cache(client, kind, clock=clock)) for kind in WATCHED}
        for kind, view in self._views.items():
            view.cache.on_change(_told(changed, kind, view))

    def __getitem__(self, kind: ResourceType) -> View:
        return self._views[kind]

    def now(self) -> datetime:
        """The wall clock."""
        return self.clock.now()

    async def follow(self) -> None:
        """Keep up with the API until cancelled."""
        never = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for view in self._views.values():
                group.create_task(view.cache.run(never))
            group.create_task(self.events.run(never))

    async def synced(self) -> None:
        """Wait until every kind was listed once."""
        for view in self._views.values():
            await view.cache.wait_synced()

    async def create(self, kind: ResourceType, body: Body, namespace: str) -> Body:
        """Make an object."""
        made = await self.client.create(kind, body, namespace)
        self[kind].cache.observe(made)
        return made

    async def patch(
        self,
        kind: ResourceType,
        body: Body,
        patch: Body | Sequence[Body],
        *,
        subresource: str = "",
    ) -> Body | None:
        """Patch an object; None when it is gone."""
        namespace, name = key(body)
        try:
            after = await self.client.patch(
                kind, name, namespace, patch, subresource=subresource, manager=MANAGER
            )
        except NotFound:
            return None
        self[kind].cache.observe(after)
        return after

    async def replace(self, kind: ResourceType, body: Body) -> Body:
        """Put a body under its own resourceVersion."""
        after = await self.client.replace(kind, body, manager=MANAGER)
        self[kind].cache.observe(after)
        return after

    async def set_status(self, kind: ResourceType, body: Body, status: Body) -> None:
        """Write a status where it differs; fields not given stay."""
        present = body.get("status") or {}
        if any(present.get(name) != value for name, value in status.items()):
            await self.patch(kind, body, {"status": status}, subresource="status")

    async def delete(self, kind: ResourceType, body: Body) -> None:
        """Ask for an object's end; raises `Conflict` when another has its name by now."""
        namespace, name = key(body)
        try:
            await self.client.delete(kind, name, namespace, uid=uid(body))
        except NotFound:
            return
        self[kind].asked_to_end(body)

    async def remove_pod(self, pod: Body) -> None:
        """Say that a pod has ended, as a node does: the object goes at once."""
        namespace, name = key(pod)
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": uid(pod)},
        }
        with contextlib.suppress(NotFound):
            await self.client.request("DELETE", f"{PODS.collection(namespace)}/{name}", options)


def _told(
    changed: Changed, kind: ResourceType, view: View
) -> Callable[[Body | None, Body | None], None]:
    def tell(before: Body | None, after: Body | None) -> None:
        if before is not None:
            changed(kind, before)
        if after is not None:
            changed(kind, after)
        elif before is not None:
            view.gone(before)

    return tell
