"""All controllers together: who is woken by which change."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from autopilot.base.clock import Clock, SystemClock
from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.base.timestamps import stamp
from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.client import AlreadyExists, ApiError
from autopilot.kube.kinds import NODES
from autopilot.sandbox.workloads import deployments, endpoints, replicasets
from autopilot.sandbox.workloads.agent import Agent
from autopilot.sandbox.workloads.objects import (
    Body,
    controller_of,
    key,
    labels,
    meta,
    selects,
    spec,
)
from autopilot.sandbox.workloads.queue import Key, WorkQueue
from autopilot.sandbox.workloads.world import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    WATCHED,
    World,
)

if TYPE_CHECKING:
    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.sandbox.workloads.app import Upstreams

log = logging.getLogger(__name__)

NODE = "sandbox"

_DEPLOYMENT, _REPLICA_SET, _POD, _SERVICE = "deployment", "replicaset", "pod", "service"
_EVERYTHING = ("everything", "", "")
_LOOK_AGAIN = 1.0


class Workloads:
    """Runs the workloads of one API server.

    Args:
        client: The API; closed by its owner.
        clock: Where times and delays come from.
        node: The name of the one node.
        upstreams: How pods ask other services, if they do.
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        clock: Clock | None = None,
        node: str = NODE,
        upstreams: Upstreams | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._client = client
        self._clock = clock
        self._queue = WorkQueue(self._sync, clock)
        self._ready = False
        self._world = World(client, clock, self._changed)
        self.agent = Agent(
            self._world,
            lambda where: self._queue.add((_POD, *where)),
            node=node,
            upstreams=upstreams,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then all pods end at once."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(stop.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel_and_wait(*tasks)
            await self.agent.stop()

    async def _follow(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._world.follow())
            group.create_task(self._register())
            await self._world.synced()
            self._ready = True
            self._queue.add(_EVERYTHING)
            group.create_task(self._queue.run())

    async def _register(self) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        ready["lastTransitionTime"] = stamp(self._clock.now())
        addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.agent.node}}
        told = {"status": {"conditions": [ready], "addresses": addresses}}
        try:
            try:
                await self._client.create(NODES, body)
            except AlreadyExists:
                return
            await self._client.patch(NODES, self.agent.node, None, told, subresource="status")
        except ApiError as error:
            # Nothing but people read the Node.
            log.warning("the node could not be registered", extra=fields(error=str(error)))

    async def _sync(self, where: Key) -> float | None:
        kind, namespace, name = where
        if where == _EVERYTHING:
            self._wake_all()
            return None
        if kind == _POD:
            return await self.agent.sync(namespace, name)
        sync = {
            _DEPLOYMENT: deployments.sync,
            _REPLICA_SET: replicasets.sync,
            _SERVICE: endpoints.sync,
        }[kind]
        return await sync(self._world, namespace, name)

    def _wake_all(self) -> None:
        for kind in WATCHED:
            for body in self._world[kind].all():
                self._wake(kind, body)

    def _changed(self, kind: ResourceType, body: Body) -> None:
        if not self._ready:
            return
        try:
            self._wake(kind, body)
        except CacheUnavailable:
            # Who has to be woken by this can't be told now, so later all are.
            self._queue.add_after(_EVERYTHING, _LOOK_AGAIN)

    def _wake(self, kind: ResourceType, body: Body) -> None:
        namespace, name = key(body)
        if kind is DEPLOYMENTS:
            self._queue.add((_DEPLOYMENT, namespace, name))
        elif kind is REPLICA_SETS:
            self._queue.add((_REPLICA_SET, namespace, name))
            self._owner(body, DEPLOYMENTS, _DEPLOYMENT)
        elif kind is PODS:
            self._queue.add((_POD, namespace, name))
            self._owner(body, REPLICA_SETS, _REPLICA_SET)
            self._grandparent(body)
            self._behind(body)
        elif kind is SERVICES:
            self._queue.add((_SERVICE, namespace, name))
            self._members(body)
        elif service := endpoints.service_of(body):
            self._queue.add((_SERVICE, namespace, service))

    def _owner(self, body: Body, kind: ResourceType, queue: str) -> None:
        """Wake an object's controller or, for an orphan, whoever may want to adopt it."""
        namespace = meta(body)["namespace"]
        owner = controller_of(body)
        if owner is not None:
            if owner.get("kind") == kind.kind:
                self._queue.add((queue, namespace, str(owner["name"])))
            return
        for one in self._world[kind].all(namespace):
            if selects(spec(one).get("selector"), labels(body)):
                self._queue.add((queue, *key(one)))

    def _grandparent(self, pod: Body) -> None:
        """Wake the Deployment of a pod: it counts pods itself, ending ones too (Recreate waits)."""
        owner = controller_of(pod)
        if owner is None or owner.get("kind") != REPLICA_SETS.kind:
            return
        replica_set = self._world[REPLICA_SETS].get(meta(pod)["namespace"], str(owner["name"]))
        if replica_set is not None and controller_of(replica_set) is not None:
            self._owner(replica_set, DEPLOYMENTS, _DEPLOYMENT)

    def _members(self, service: Body) -> None:
        """Wake the pods that a Service selects: they publish the ports that it asks for."""
        selector = {"matchLabels": spec(service).get("selector") or {}}
        for pod in self._world[PODS].all(meta(service)["namespace"]):
            if selects(selector, labels(pod)):
                self._queue.add((_POD, *key(pod)))

    def _behind(self, pod: Body) -> None:
        """Wake the Services that select a pod."""
        found = labels(pod)
        for service in self._world[SERVICES].all(meta(pod)["namespace"]):
            if selects({"matchLabels": spec(service).get("selector") or {}}, found):
                self._queue.add((_SERVICE, *key(service)))
