"""The sandbox's mesh: follows the API and keeps Envoy in step with it.

Level-triggered: each pass reads everything that is declared, translates it and publishes what
differs. A pass costs milliseconds, so a burst of changes is waited for no longer than that.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import RetryLater
from autopilot.base.logs import fields
from autopilot.kube.cache import Cache
from autopilot.kube.client import AlreadyExists, ApiError, NotFound
from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.sandbox.mesh import files
from autopilot.sandbox.mesh.admin import Admin
from autopilot.sandbox.mesh.check import UNSERVED
from autopilot.sandbox.mesh.envoy import LOG, inotify_free
from autopilot.sandbox.mesh.lastgood import LastGood
from autopilot.sandbox.mesh.listeners import listener_name
from autopilot.sandbox.mesh.model import INGRESS, Source, Workload, World, build
from autopilot.sandbox.mesh.notices import Reporter
from autopilot.sandbox.mesh.translate import Notice, Translator
from autopilot.sandbox.mesh.xds import Acked, Publisher, Rejected

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.base.clock import Clock
    from autopilot.kube.client import KubeClient

_log = logging.getLogger(__name__)

Body = dict[str, Any]

NAMESPACE = "istio-system"
PORTS = "mesh"
"""The ConfigMap in `istio-system` with each caller's port."""
PORTS_KEY = "ports.json"
"""Its one key; the value is `{"<ns>/<workload>": "<port>"}`. A slash in a key would be refused."""

_BURST = 0.002
_LOOK = 2.0
_RETRY = 0.2
_SPARE_WATCHES = 4


class Mesh:
    """Keeps one Envoy in step with the API.

    Args:
        client: The API.
        directory: The Envoy's, with its subscriptions and log.
        admin_url: The Envoy's admin interface.
        clock: For time-outs and Events.
    """

    def __init__(
        self, client: KubeClient, *, directory: Path, admin_url: str, clock: Clock
    ) -> None:
        self.ready = asyncio.Event()
        """Set once Envoy runs what is declared and every caller's port is known."""
        self.ports: dict[str, int] = {}
        """Each caller's port on 127.0.0.1, by `namespace/workload`."""
        self._client = client
        self._directory = directory
        self._clock = clock
        self._admin = Admin(admin_url)
        self._publisher = Publisher(directory, self._admin, directory / LOG, clock)
        self._memory = LastGood(directory / "last-good.json")
        self._reporter = Reporter(client, clock)
        self._caches = {
            plural: Cache(client, KNOWN[plural], clock=clock)
            for plural in ("services", "pods", "virtualservices", "destinationrules", *UNSERVED)
        }
        self._callers: dict[str, Source] = {}
        self._published_ports: dict[str, int] | None = None
        self._wake = asyncio.Event()

    @property
    def ingress_port(self) -> int:
        """The load client's port; 0 before `ready`."""
        return self.ports.get(INGRESS.key, 0)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the API until `stop` is set; Envoy keeps what it has."""
        for cache in self._caches.values():
            cache.on_change(lambda _old, _new: self._wake.set())
        tasks = [asyncio.create_task(cache.run(stop)) for cache in self._caches.values()]
        tasks.append(asyncio.create_task(self._follow()))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            results = await asyncio.gather(*tasks, stopped, return_exceptions=True)
            await self._admin.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _follow(self) -> None:
        for cache in self._caches.values():
            while not cache.synced.is_set() and not cache.absent:
                await self._clock.sleep(0.005)
        while not await self._recall_callers():
            await self._clock.sleep(_RETRY)
        failures = 0
        while True:
            self._wake.clear()
            try:
                await self._pass()
            except (RetryLater, ApiError) as error:
                _log.warning("the mesh is behind, trying again", extra=fields(error=str(error)))
                await self._clock.sleep(min(_LOOK, _RETRY * 2**failures))
                failures = min(failures + 1, 10)
                continue
            failures = 0
            await self._next_pass()

    async def _next_pass(self) -> None:
        """Wait for a change, or for the next look at whether Envoy was restarted."""
        look = asyncio.create_task(self._clock.sleep(_LOOK))
        woken = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({look, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            look.cancel()
            woken.cancel()
        await self._clock.sleep(_BURST)

    async def _pass(self) -> None:
        world = build(self._bodies("services"), self._bodies("pods"))
        world = self._with_known_callers(world)
        rules = self._bodies("virtualservices") + self._bodies("destinationrules")
        standing, notices = self._memory.standing(rules)
        result, found = await self._publish(world, standing)
        if isinstance(result, Rejected):
            standing = await self._sift(world, standing, result)
            _, notices = self._memory.standing(rules)
            found = self._translate(world, standing)[1]
        self._memory.accept(standing, rules)
        await self._tell_ports(world)
        self.ready.set()
        await self._reporter.tell([*notices, *found, *self._unserved()])

    def _unserved(self) -> list[Notice]:
        return [
            Notice(body, "NotImplementedBySandbox", f"ignored: {meaning}")
            for plural, meaning in UNSERVED.items()
            for body in self._bodies(plural)
        ]

    def _bodies(self, plural: str) -> list[Body]:
        cache = self._caches[plural]
        return [] if cache.absent else cache.list()

    def _translate(self, world: World, rules: list[Body]) -> tuple[Any, list[Notice]]:
        return Translator(
            world,
            [body for body in rules if body["kind"] == "VirtualService"],
            [body for body in rules if body["kind"] == "DestinationRule"],
            lambda name: str(files.path(self._directory, name)),
        ).run()

    async def _publish(
        self, world: World, rules: list[Body]
    ) -> tuple[Acked | Rejected, list[Notice]]:
        snapshot, notices = self._translate(world, rules)
        result = await self._publisher.publish(snapshot)
        if isinstance(result, Acked) and result.written:
            _log.debug("published", extra=fields(written=result.written))
        return result, notices

    async def _sift(self, world: World, rules: list[Body], first: Rejected) -> list[Body]:
        """Find which of the changed objects Envoy refuses, and publish all the others."""
        _log.warning(
            "Envoy refused", extra=fields(subscription=first.subscription, reason=first.reason)
        )
        changed = self._memory.changed(rules)
        accepted = self._memory.before(rules, changed)
        await self._publish(world, accepted)
        for body in changed:
            others = [
                b
                for b in accepted
                if b["metadata"] != body["metadata"] or b["kind"] != body["kind"]
            ]
            result, _ = await self._publish(world, [*others, body])
            if isinstance(result, Rejected):
                self._memory.refuse(body, result.reason)
            else:
                accepted = [*others, body]
        return accepted

    # -- callers ------------------------------------------------------------------------------

    def _with_known_callers(self, world: World) -> World:
        """Add the callers whose pods are gone for now, for they come back to the same port."""
        present = {source.key: source for source in world.sources}
        self._callers |= present
        new = [
            key
            for key, source in self._callers.items()
            if listener_name(source) not in self._publisher.listeners
        ]
        free = inotify_free() if new else None
        if free is not None and free < len(new) + _SPARE_WATCHES:
            # Envoy aborts when it can't make one.
            _log.error("no inotify instances left for new callers", extra=fields(callers=new))
            for key in new:
                if key != INGRESS.key:
                    del self._callers[key]
        return World(world.services, tuple(s for _, s in sorted(self._callers.items())))

    async def _recall_callers(self) -> bool:
        """Take over the callers that a predecessor served; False when the API doesn't answer."""
        try:
            told = await self._client.get(KNOWN["configmaps"], PORTS, NAMESPACE)
        except NotFound:
            return True
        except ApiError as error:
            _log.warning("the callers' ports can't be read", extra=fields(error=str(error)))
            return False
        for key in json.loads((told.get("data") or {}).get(PORTS_KEY) or "{}"):
            namespace, _, name = key.partition("/")
            self._callers.setdefault(key, Source(Workload(namespace, name)))
        return True

    async def _tell_ports(self, world: World) -> None:
        by_listener = await self._admin.ports()
        self.ports = {
            source.key: by_listener[name]
            for source in world.sources
            if (name := listener_name(source)) in by_listener
        }
        if self.ports == self._published_ports:
            return
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": PORTS, "namespace": NAMESPACE},
            "data": {PORTS_KEY: json.dumps({key: str(port) for key, port in self.ports.items()})},
        }
        try:
            await self._client.apply(KNOWN["configmaps"], body, manager="sandbox-mesh")
        except NotFound:
            await self._make_namespace()
            await self._client.apply(KNOWN["configmaps"], body, manager="sandbox-mesh")
        self._published_ports = dict(self.ports)

    async def _make_namespace(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        try:
            await self._client.create(NAMESPACES, body)
        except AlreadyExists:
            # Somebody else made it meanwhile.
            return
