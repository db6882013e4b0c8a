"""The sweep: every half minute, what nobody answers for is undone, or told of.

A hazard whose holder is gone or whose deadline has passed is undone, and while everything is halted
every hazard. A protection is told of only: to undo a failover blindly would send traffic back to
what is dead.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from autopilot.base.errors import AutopilotError
from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.client import NotFound
from autopilot.kube.ownership import describe
from autopilot.mesh.scaling import read_mark
from autopilot.mesh.steps import DEPLOYMENTS
from autopilot.overlay.sweep import holders, sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autopilot.kube.cache import Cache
    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.overlay.execute import Hands
    from autopilot.overlay.record import Holder
    from autopilot.overlay.sweep import Swept
    from autopilot.runtime.halt import Halt
    from autopilot.runtime.metrics import Metrics

PERIOD = 30.0
"""Seconds between two sweeps."""

_log = logging.getLogger("autopilot.sweep")


class Lives:
    """Whether holders exist: by the caches, which cost no call; who isn't there is asked for.

    A cache that is behind mustn't be what undoes something, so the API has the last word.

    Args:
        client: The API.
        caches: Of the kinds served, by kind (`Rule`).
        namespace: The only one served; empty for all. Of others nothing can be told.
    """

    def __init__(self, client: KubeClient, caches: Mapping[str, Cache], namespace: str) -> None:
        self._client = client
        self._caches = caches
        self.namespace = namespace
        self._ask = holders(client, {kind: cache.kind for kind, cache in caches.items()})
        self._absent: set[str] = set()

    def begin(self) -> None:
        """A new sweep: what was found out is forgotten."""
        self._absent.clear()

    async def __call__(self, holder: Holder) -> bool | None:
        """Whether it exists; None where that can't be told."""
        cache = self._caches.get(holder.kind)
        if cache is None or (self.namespace and holder.namespace != self.namespace):
            return None
        if holder.kind in self._absent:
            return False
        if cache.available:
            found = cache.get(holder.namespace or None, holder.name)
            if found is not None and found["metadata"].get("uid") == holder.uid:
                return True
        elif cache.absent and await self._is_absent(cache.kind):
            self._absent.add(holder.kind)
            return False
        return await self._ask(holder)

    async def _is_absent(self, kind: ResourceType) -> bool:
        """Whether the kind as a whole is gone: one call instead of one for each holder."""
        try:
            await self._client.list(kind, self.namespace or None)
        except NotFound:
            return True
        except AutopilotError:
            return False
        return False


class Sweeper:
    """Sweeps.

    Args:
        hands: What overlays are undone with; no lease or order stops it.
        kinds: The kinds that may carry overlays of operators served; none: nothing is listed.
        lives: Whether holders exist.
        deployments: The caches that may hold scaled Deployments.
        halt: Whether everything is halted.
        metrics: Where orphans are counted.
    """

    def __init__(
        self,
        hands: Hands,
        kinds: Iterable[ResourceType],
        lives: Lives,
        deployments: Iterable[Cache],
        halt: Halt,
        metrics: Metrics,
    ) -> None:
        self._hands = hands
        self._kinds = tuple(kinds)
        self._lives = lives
        self._deployments = tuple(deployments)
        self._halt = halt
        self._metrics = metrics
        self._told: set[str] = set()
        self._wanted = asyncio.Event()
        self._resting = True

    @property
    def resting(self) -> bool:
        """Whether no sweep is running or asked for."""
        return self._resting and (self.idle or not self._wanted.is_set())

    @property
    def idle(self) -> bool:
        """Whether there is nothing to look after."""
        return not self._kinds and not self._deployments

    def soon(self) -> None:
        """Sweep now rather than when it is time."""
        self._wanted.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep now and then until told to stop; caches are filled already."""
        if self.idle:
            return
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._resting = False
                self._wanted.clear()
                await self._safely()
                self._resting = True
                pause = asyncio.create_task(self._hands.clock.sleep(PERIOD))
                asked = asyncio.create_task(self._wanted.wait())
                try:
                    await asyncio.wait({pause, asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await cancel_and_wait(pause, asked)
        finally:
            await cancel_and_wait(stopped)

    async def _safely(self) -> None:
        try:
            await self.once()
        except Exception:
            # Whatever it is, the next sweep has to come.
            _log.exception("the sweep failed")

    async def once(self) -> Swept | None:
        """One sweep; None where no kind carries overlays."""
        self._lives.begin()
        orphans = await self._scaled()
        swept = None
        if self._kinds:
            where = self._lives.namespace or None
            swept = await sweep(self._hands, self._kinds, self._lives, where, self._halted)
            orphans += self._tell(swept)
        self._metrics.orphaned.set(len(orphans))
        self._report(orphans)
        return swept

    def _halted(self, namespace: str) -> bool:
        order = self._halt.order
        return order is not None and order.covers(namespace)

    def _tell(self, swept: Swept) -> list[tuple[str, str]]:
        """Log what was done; the protections that nobody answers for."""
        undone = {outcome.overlay.id for outcome in swept.outcomes if outcome.how != "unclear"}
        for each in swept.decision.undo:
            if each.overlay.id in undone:
                self._metrics.swept.labels(each.reason).inc()
            _log.warning(
                "hazard undone" if each.overlay.id in undone else "hazard could not be undone",
                extra=fields(
                    object=str(each.target),
                    action=each.overlay.action,
                    holder=str(each.overlay.holder),
                    why=each.reason,
                ),
            )
        for what, error in swept.failed:
            _log.warning("not swept", extra=fields(object=what, why=str(error)))
        for target, broken in swept.decision.broken:
            if self._is_news(f"{target} {broken.key}"):
                about = fields(object=str(target), mark=broken.key, why=broken.why)
                _log.warning("a mark makes no sense", extra=about)
        return [
            (f"{each.target}: {each.overlay.action}", str(each.overlay.holder))
            for each in swept.decision.stay
            if each.reason == "holder gone" and each.overlay.effect == "protection"
        ]

    async def _scaled(self) -> list[tuple[str, str]]:
        """Deployments whose replicas are held for somebody who is gone."""
        found: dict[str, str] = {}
        for cache in self._deployments:
            for body in cache.list() if cache.available else ():
                mark = read_mark(body)
                if mark is None or await self._lives(mark.holder) is not False:
                    continue
                what = describe({"kind": DEPLOYMENTS.kind, **body})
                found[f"{what}: replicas {mark.before}→{mark.after}"] = str(mark.holder)
        return [*found.items()]

    def _report(self, orphans: list[tuple[str, str]]) -> None:
        for what, holder in orphans:
            if self._is_news(what):
                _log.warning(
                    "a protection outlives its holder; autopilot halt --restore gives it back",
                    extra=fields(protection=what, holder=holder),
                )
        # One that comes again is news again.
        self._told -= {known for known in self._told if ": " in known} - {w for w, _ in orphans}

    def _is_news(self, what: str) -> bool:
        known = what in self._told
        self._told.add(what)
        return not known
