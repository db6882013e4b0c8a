"""The node: runs the pods that the API knows, and tells the API how they are."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from autopilot.base.logs import fields
from autopilot.sandbox.workloads.container import Life
from autopilot.sandbox.workloads.objects import (
    Body,
    Key,
    deleting,
    finished,
    meta,
    notes,
    spec,
    uid,
)
from autopilot.sandbox.workloads.pod_status import status_of
from autopilot.sandbox.workloads.ports import PORTS, encoded, with_aliases
from autopilot.sandbox.workloads.world import PODS, SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.sandbox.workloads.app import Upstreams
    from autopilot.sandbox.workloads.world import World

log = logging.getLogger(__name__)

SERVE_AFTER_DELETION = 2.0
"""Seconds that a pod serves on after its deletion, so that the mesh drops it first."""

DEFAULT_GRACE = 30.0
SHORTEST_PATIENCE = 1.0
LONGEST_PATIENCE = 10.0


class Agent:
    """Runs pods.

    Args:
        world: The API.
        wake: Asks for a pod to be looked at.
        node: The node's name.
        upstreams: How applications ask other services.
    """

    def __init__(
        self,
        world: World,
        wake: Callable[[Key], None],
        *,
        node: str,
        upstreams: Upstreams | None = None,
    ) -> None:
        self.node = node
        self._world = world
        self._wake = wake
        self._upstreams = upstreams
        self._lives: dict[str, Life] = {}
        self._at: dict[Key, set[str]] = {}

    @property
    def lives(self) -> list[Life]:
        """Every pod that holds ports, ending ones included."""
        return list(self._lives.values())

    async def sync(self, namespace: str, name: str) -> float | None:
        """Bring one pod's life and its object together."""
        where = (namespace, name)
        pod = self._world[PODS].get(namespace, name)
        present = uid(pod) if pod is not None else ""
        for known in list(self._at.get(where, ())):
            if known != present:
                self._finish(where, known)
        if pod is None or (spec(pod).get("nodeName") or self.node) != self.node:
            return None
        if deleting(pod):
            await self._end(where, pod)
        elif present in self._lives or not finished(pod):
            await self._tell(pod, self._life(where, pod))
        return None

    async def stop(self) -> None:
        """End all pods at once."""
        await asyncio.gather(*(life.stop() for life in self._lives.values()))
        self._lives.clear()
        self._at.clear()

    def _life(self, where: Key, pod: Body) -> Life:
        known = self._lives.get(uid(pod))
        if known is None:
            known = Life(
                pod,
                self._world.clock,
                lambda: self._wake(where),
                lambda kind, reason, text: self._world.events.record(pod, kind, reason, text),
                self._upstreams,
            )
            self._lives[uid(pod)] = known
            self._at.setdefault(where, set()).add(uid(pod))
            log.debug("pod started", extra=fields(pod="/".join(where), ports=known.ports))
        return known

    async def _end(self, where: Key, pod: Body) -> None:
        life = self._lives.get(uid(pod))
        if life is not None and not life.ended:
            grace = _grace(pod)
            serve = min(grace, SERVE_AFTER_DELETION)
            patience = min(LONGEST_PATIENCE, max(SHORTEST_PATIENCE, grace - serve))
            life.end(serve=serve, patience=patience)
            return
        await self._world.remove_pod(pod)
        self._forget(where, uid(pod))

    def _finish(self, where: Key, known: str) -> None:
        """The object went before its pod did (a forced deletion): end it as gently all the same."""
        life = self._lives[known]
        life.end(serve=SERVE_AFTER_DELETION, patience=SHORTEST_PATIENCE)
        if life.ended:
            self._forget(where, known)

    def _forget(self, where: Key, known: str) -> None:
        self._lives.pop(known, None)
        names = self._at.get(where)
        if names is not None:
            names.discard(known)
            if not names:
                del self._at[where]

    async def _tell(self, pod: Body, life: Life) -> None:
        services = self._world[SERVICES].all(meta(pod)["namespace"])
        ports = encoded(with_aliases(pod, life.ports, services))
        if notes(pod).get(PORTS) != ports or not spec(pod).get("nodeName"):
            change = {
                "metadata": {"uid": uid(pod), "annotations": {PORTS: ports}},
                "spec": {"nodeName": self.node},
            }
            after = await self._world.patch(PODS, pod, change)
            if after is None or uid(after) != uid(pod):
                return
            pod = after
        told = status_of(pod, life.container, self._world.now())
        await self._world.set_status(PODS, pod, told)


def _grace(pod: Body) -> float:
    asked = meta(pod).get("deletionGracePeriodSeconds")
    if asked is None:
        asked = spec(pod).get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE if asked is None else float(asked)
