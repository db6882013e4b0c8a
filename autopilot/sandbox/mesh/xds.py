"""Publishes a snapshot to Envoy, in an order in which no request can fail.

First what is new (clusters, then listeners with a route configuration that Envoy surely accepts),
then the routes, then what nobody routes to any more. Each step is acknowledged before the next:
Envoy shows the version that it runs.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import RetryLater
from autopilot.sandbox.mesh import files

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.base.clock import Clock
    from autopilot.sandbox.mesh.admin import Admin
    from autopilot.sandbox.mesh.translate import Snapshot

Body = dict[str, Any]

_PATIENCE = 5.0
_STATS = (
    r"^(cluster_manager\.cds|listener_manager\.lds|http\..*\.rds\..*)"
    r"\.(version_text|update_(rejected|failure))$"
)
_REASON = re.compile(r"config update (?:rejected|failed)[^:]*: (.*?)(?=\n\[\d{4}-|\Z)", re.DOTALL)
_NOISE = re.compile(r"goo\.gle/\S+")


@dataclass(frozen=True, slots=True)
class Acked:
    """Envoy runs it.

    Attributes:
        written: The subscriptions that had to be written; empty when nothing had changed.
    """

    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """Envoy refused a part of it; the whole configuration before it stands again."""

    subscription: str
    reason: str


class _Refusal(Exception):
    def __init__(self, subscription: str, reason: str) -> None:
        super().__init__(reason)
        self.at = subscription


class Publisher:
    """Writes the files that one Envoy subscribes to.

    What a predecessor wrote is read from the files: after a restart only differences are written.

    Args:
        directory: Where the files are.
        admin: That Envoy's admin interface.
        log: Its log, the only place where it says why it refuses something.
        clock: For time-outs.
    """

    def __init__(self, directory: Path, admin: Admin, log: Path, clock: Clock) -> None:
        self._directory = directory
        self._admin = admin
        self._log = log
        self._clock = clock
        self._run = uuid.uuid4().hex[:8]
        self._count = itertools.count(1)
        self._refused: dict[str, int] | None = None
        self._log_begin = 0
        # Written, and nobody knows whether Envoy took it.
        self._unsure: set[str] = set()
        self._clusters = files.read(directory, files.CLUSTERS)
        self._listeners = files.read(directory, files.LISTENERS)
        self._routes = {
            name: files.read(directory, name).get(name, {})
            for name in files.subscriptions(directory)
        }

    @property
    def listeners(self) -> frozenset[str]:
        """The names of those that Envoy has, or had when it was last asked."""
        return frozenset(self._listeners)

    async def publish(self, wanted: Snapshot) -> Acked | Rejected:
        """Make Envoy run a snapshot; returns when it does, or when it has refused.

        Raises:
            RetryLater: Envoy doesn't answer; what it runs is unknown, publish again.
        """
        before = (dict(self._clusters), dict(self._listeners), dict(self._routes))
        written: list[str] = []
        self._log_begin = self._log.stat().st_size if self._log.exists() else 0
        try:
            await self._steps(wanted, written)
        except _Refusal as refusal:
            try:
                await self._restore(*before, clusters_first=refusal.at == files.CLUSTERS)
            except _Refusal as second:
                raise RetryLater(f"Envoy refuses what it ran before: {second}") from second
            return Rejected(refusal.at, str(refusal))
        return Acked(tuple(written))

    async def _steps(self, wanted: Snapshot, written: list[str]) -> None:
        if self._refused is None:
            self._refused = await self._refusals()
        await self._set_clusters(self._clusters | wanted.clusters, written)
        new = {n: r for n, r in wanted.listeners.items() if n not in self._listeners}
        if new:
            for name in new:
                # Not acknowledged: nobody subscribes before the listener is there.
                self._write(name, [{"name": name}])
                self._routes[name] = {}
            await self._set_listeners(self._listeners | new, written)
        await self._set_routes(wanted.routes, written)
        await self._set_listeners(wanted.listeners, written)
        for name in [name for name in self._routes if name not in wanted.routes]:
            files.remove(self._directory, name)
            del self._routes[name]
        await self._set_clusters(wanted.clusters, written)

    async def _set_clusters(self, wanted: dict[str, Body], written: list[str]) -> None:
        if wanted != self._clusters or files.CLUSTERS in self._unsure:
            version = self._write(files.CLUSTERS, list(wanted.values()))
            self._clusters = dict(wanted)
            await self._acknowledged({files.CLUSTERS: version})
            written.append(files.CLUSTERS)

    async def _set_listeners(self, wanted: dict[str, Body], written: list[str]) -> None:
        if wanted != self._listeners or files.LISTENERS in self._unsure:
            version = self._write(files.LISTENERS, list(wanted.values()))
            self._listeners = dict(wanted)
            await self._acknowledged({files.LISTENERS: version})
            written.append(files.LISTENERS)

    async def _set_routes(self, wanted: dict[str, Body], written: list[str]) -> None:
        versions = {}
        for name, routes in wanted.items():
            if routes != self._routes.get(name) or name in self._unsure:
                versions[name] = self._write(name, [routes])
                self._routes[name] = routes
        await self._acknowledged(versions)
        written.extend(versions)

    async def _restore(
        self,
        clusters: dict[str, Body],
        listeners: dict[str, Body],
        routes: dict[str, Body],
        *,
        clusters_first: bool,
    ) -> None:
        """Put the configuration before back; Envoy has run all of it, so it accepts it.

        The refused part is written anew even though Envoy still runs what was there: a file that
        it refuses must not be what it finds when it restarts. Where clusters were refused, no
        route names the new ones yet; else the routes must let go of them first.
        """
        ignored: list[str] = []
        if clusters_first:
            await self._set_clusters(clusters, ignored)
        await self._set_routes({name: r for name, r in routes.items() if r}, ignored)
        await self._set_listeners(listeners, ignored)
        for name in [name for name in self._routes if name not in routes]:
            files.remove(self._directory, name)
            del self._routes[name]
        await self._set_clusters(clusters, ignored)

    def _write(self, subscription: str, resources: list[Body]) -> str:
        version = f"{self._run}-{next(self._count)}"
        files.write(self._directory, subscription, version, resources)
        return version

    async def _acknowledged(self, versions: dict[str, str]) -> None:
        """Wait until Envoy runs these versions; `_Refusal` when it refuses one."""
        waiting = dict(versions)
        self._unsure |= set(versions)
        deadline = self._clock.monotonic() + _PATIENCE
        while waiting:
            stats = await self._admin.stats(_STATS)
            refused, known = _refusals_in(stats), self._refused or {}
            for subscription in waiting:
                # Strictly before the version: Envoy shows that of clusters which it took in part.
                if refused.get(subscription, 0) > known.get(subscription, 0):
                    self._refused = refused
                    raise _Refusal(subscription, await self._reason())
            running = _by_subscription(stats, "version_text")
            self._unsure -= {s for s, v in waiting.items() if running.get(s) == v}
            waiting = {s: v for s, v in waiting.items() if running.get(s) != v}
            # A count that has fallen is a new Envoy's.
            still = {s: min(n, known.get(s, n)) for s, n in refused.items()}
            self._refused = still if waiting else refused
            if waiting:
                if self._clock.monotonic() > deadline:
                    raise RetryLater(f"Envoy doesn't take up {', '.join(sorted(waiting))}")
                await asyncio.sleep(0.001)

    async def _refusals(self) -> dict[str, int]:
        return _refusals_in(await self._admin.stats(_STATS))

    async def _reason(self) -> str:
        """What Envoy's log has said of a refusal since the publishing began."""
        for _ in range(20):
            with self._log.open("rb") as log:
                log.seek(self._log_begin)
                found = _REASON.findall(log.read().decode(errors="replace"))
            if found:
                return " ".join(_NOISE.sub("", found[-1]).split())
            await asyncio.sleep(0.005)
        return "Envoy gave no reason"


def _by_subscription(stats: dict[str, Any], field: str) -> dict[str, Any]:
    found = {}
    for name, value in stats.items():
        head, _, last = name.rpartition(".")
        if last == field:
            found[head.rpartition(".")[2]] = value
    return found


def _refusals_in(stats: dict[str, Any]) -> dict[str, int]:
    rejected = _by_subscription(stats, "update_rejected")
    failed = _by_subscription(stats, "update_failure")
    return {name: int(rejected[name]) + int(failed.get(name, 0)) for name in rejected}
