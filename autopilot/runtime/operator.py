"""The runtime: serves operators against one API until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

from autopilot.base.clock import Clock, SystemClock
from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.store import newer, version_of
from autopilot.runtime.assemble import Parts, assemble
from autopilot.runtime.caches import Caches, Scope
from autopilot.runtime.caught_up import caught_up
from autopilot.runtime.guardrails.making import make_guard
from autopilot.runtime.halt import Halt
from autopilot.runtime.http import MetricsServer, Probes
from autopilot.runtime.metrics import Metrics
from autopilot.runtime.notify import Notifier
from autopilot.runtime.queue import WorkQueue
from autopilot.runtime.record import Key
from autopilot.runtime.served import Commons, Memory
from autopilot.runtime.settings import LiveSettings, RuntimeOptions
from autopilot.runtime.sweeping import make_sweeper
from autopilot.runtime.sync import Syncer
from autopilot.runtime.wakes import CURRENT, Wakes
from autopilot.runtime.workers import LOST_LIMIT, Workers
from autopilot.telemetry.poller import Poller

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
    from datetime import timedelta

    from autopilot.kube.cache import Cache
    from autopilot.kube.client import KubeClient
    from autopilot.mesh.provider import Provider
    from autopilot.runtime.definition import OperatorDefinition
    from autopilot.runtime.queue import Ran
    from autopilot.runtime.record import SyncRecord
    from autopilot.runtime.schedule import Turn
    from autopilot.spec.guardrails import Guardrails
    from autopilot.telemetry.provider import SampleProvider

_log = logging.getLogger("autopilot.runtime")


class Runtime:
    """Serves operators.

    Args:
        definitions: What to serve, one for each kind.
        client: The API; stays the caller's to close.
        samples: Who answers queries; None where no address is known: every sample is unknown.
        provider: The mesh; None where no operator acts on one.
        clock: For everything; None for the machine's own.
        options: See `RuntimeOptions`.

    Raises:
        InvalidInput: A definition makes no state machine, or the `config:` map doesn't fit.
    """

    def __init__(
        self,
        definitions: Sequence[OperatorDefinition],
        *,
        client: KubeClient,
        samples: SampleProvider | None = None,
        provider: Provider | None = None,
        clock: Clock | None = None,
        options: RuntimeOptions | None = None,
    ) -> None:
        self.options = options or RuntimeOptions()
        self.definitions = tuple(definitions)
        self._clock: Clock = clock or SystemClock()
        self.metrics = Metrics(self.definitions)
        self.settings = LiveSettings(
            self.definitions,
            self.options.work_interval,
            self.options.config,
            self.options.guardrails,
        )
        interval = self.options.work_interval.total_seconds()
        self._samples: SampleProvider = samples or Poller(
            None, self._clock, default_interval=interval, timeout=1.0
        )
        self._samples.on_sample = self._on_sample
        self._memories: dict[Key, Memory] = {}
        # Silence and back-off of a connection are real, whatever time decisions run on.
        self._caches = Caches(client, SystemClock(), self.options.caches)
        self.queue: WorkQueue[Key] = WorkQueue(
            self._run, clock=self._clock, workers=self.options.workers
        )
        self._halt = Halt(self._caches, self._order_changed)
        scope = Scope(self.options.watch_namespace)
        parts = Parts(
            client=client,
            clock=self._clock,
            caches=self._caches,
            wakes=Wakes(self._wake, self._memories),
            scope=scope,
            provider=provider,
            dry_run=self.options.dry_run,
            instance=f"{socket.gethostname()}-{os.getpid()}",
            before_write=self._before_write,
        )
        self._served = {d.kind.qualified: assemble(d, parts) for d in self.definitions}
        self.notifier = Notifier(client, self._clock, self.options.allow_url)
        self._commons = Commons(
            client=client,
            clock=self._clock,
            options=self.options,
            settings=self.settings,
            samples=self._samples,
            workers=Workers(self._clock),
            metrics=self.metrics,
            queue=self.queue,
            memories=self._memories,
            notifier=self.notifier,
            halt=self._halt,
            guard=make_guard(self._served, self._caches, scope),
        )
        self._syncer = Syncer(self._served, self._commons)
        self._sweeper = make_sweeper(self._served, parts, self._halt, self.metrics)
        self._server = MetricsServer(
            self.options.metrics_addr,
            self.metrics,
            Probes(
                live=lambda: "" if self.live else "not running",
                ready=self._not_ready,
                refresh=self._refresh,
            ),
        )
        self._running = self._serving = False
        self._syncs = 0

    @property
    def metrics_url(self) -> str:
        """Where metrics and probes are served; empty while they aren't."""
        return self._server.url

    @property
    def ready(self) -> bool:
        """Whether it serves: caches filled, not too many workers lost."""
        return not self._not_ready()

    @property
    def live(self) -> bool:
        """Whether it runs; False before it does, and once it has left or failed."""
        return self._running

    @property
    def records(self) -> Sequence[SyncRecord]:
        """The last syncs, the newest last."""
        return tuple(self._commons.records)

    def on_record(self, tell: Callable[[SyncRecord], None]) -> None:
        """Have `tell` called with the record of each sync that asked a worker, once it is over."""
        self._commons.on_record = tell

    def wake(self, kind: str, namespace: str, name: str, version: str = "") -> None:
        """Look at a resource again. From the runtime's own loop only.

        Args:
            kind: Like `canaries.example.io`.
            namespace: Empty for a cluster-scoped kind.
            name: Its name.
            version: The resourceVersion that somebody saw; nothing happens if it is known already.
        """
        served = self._served.get(kind)
        if served is None or (version and _known(served.primary, namespace, name, version)):
            return
        self.queue.wake(Key(kind, namespace, name))

    def reload(
        self,
        *,
        config: Mapping[str, Any],
        work_interval: timedelta,
        log_level: int | None = None,
        guardrails: Guardrails | None = None,
    ) -> None:
        """Go on under new settings; guardrails stay as they are where None are given.

        Raises:
            InvalidInput: They are wrong; those before go on.
        """
        self.settings.reload(
            config=config,
            work_interval=work_interval,
            log_level=log_level,
            guardrails=guardrails,
        )
        _log.info("configuration reloaded", extra=fields(work_interval=str(work_interval)))

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; running syncs finish, then it leaves.

        Raises:
            InvalidInput: The metrics' address can't be used.
        """
        await self._server.start()
        self._running = True
        ending = asyncio.Event()
        background = [
            self._task(self._caches.run(ending), "caches"),
            self._task(self._samples.run(ending), "samples"),
            self._task(self.notifier.run(ending), "notifications"),
            *(self._task(s.events.run(ending), f"events {n}") for n, s in self._served.items()),
        ]
        if self.options.shell:
            background.append(self._task(self._shell(ending), "shell"))
        halt = asyncio.Event()
        relay = self._task(_relay(stop, halt), "stop")
        work = self._task(self._work(halt), "work")
        patience = self.options.stop_timeout
        try:
            # The relay too: how long the work may go on is bounded from when it is told to stop.
            await asyncio.wait([work, relay, *background], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Whoever cancels instead of setting `stop` doesn't want to wait.
            patience = 0.0
            raise
        finally:
            self._serving = False
            halt.set()
            relay.cancel()
            await self._leave(work, background, ending, patience)
            self._running = False
        for task in (work, *background):
            if task.done() and not task.cancelled():
                task.result()

    async def settled(self, timeout: float = 10.0) -> None:
        """For tests: wait until all is done that follows at once.

        Nobody waits for a sync, all Events are sent, and the caches hold what the API holds.

        Args:
            timeout: Real seconds.

        Raises:
            TimeoutError: It took longer.
        """
        async with asyncio.timeout(timeout):
            while True:
                await self.queue.settled()
                if not self._sweeper.resting:
                    await asyncio.sleep(0.002)
                    continue
                for served in self._served.values():
                    await served.events.flush()
                syncs = self._syncs
                if self._serving and await caught_up(self._commons.client, self._caches):
                    await asyncio.sleep(0)
                    if self.queue.idle and syncs == self._syncs:
                        return
                await asyncio.sleep(0.002)

    async def _work(self, stop: asyncio.Event) -> None:
        await self._caches.fill(stop, self.options.start_timeout)
        if not stop.is_set():
            self._serving = True
            _log.info("serving", extra=fields(kinds=sorted(self._served), metrics=self.metrics_url))
            sweeping = self._task(self._sweeper.run(stop), "sweep")
            try:
                await self.queue.serve(stop)
            finally:
                await cancel_and_wait(sweeping)

    async def _leave(
        self,
        work: asyncio.Task[Any],
        background: Sequence[asyncio.Task[Any]],
        ending: asyncio.Event,
        patience: float,
    ) -> None:
        await asyncio.wait({work}, timeout=patience)
        if not work.done():
            _log.warning("syncs were cut short", extra=fields(running=self.queue.schedule.running))
            work.cancel()
            await self.queue.abandon()
        for served in self._served.values():
            try:
                async with asyncio.timeout(min(patience, 2.0)):
                    await served.events.flush()
            except TimeoutError:
                _log.warning("Events were left unsent")
        ending.set()
        await asyncio.wait(background, timeout=5.0)
        await cancel_and_wait(work, *background)
        await self._server.close()

    async def _shell(self, ending: asyncio.Event) -> None:
        from autopilot.runtime.kopf_shell import KopfShell

        kinds = [d.kind for d in self.definitions]
        await KopfShell(kinds, self._commons.client, self.wake, self.options.watch_namespace).run(
            ending
        )

    async def _run(self, turn: Turn[Key]) -> Ran:
        self._syncs += 1
        return await self._syncer.run(turn)

    def _wake(self, key: Key, fresh: bool) -> None:
        self.queue.wake(key, fresh=fresh)

    def _before_write(self, namespace: str = "") -> None:
        """Asked before each write to the mesh, and of each output."""
        key = CURRENT.get()
        self._halt.check(key.namespace if key is not None else "")
        if namespace:
            self._halt.check(namespace)

    def _order_changed(self) -> None:
        """An order to halt came or went: it concerns every resource."""
        order = self._halt.order
        self._sweeper.soon()
        _log.warning("halted" if order else "no order to halt", extra=fields(order=str(order)))
        for kind, served in self._served.items():
            for body in served.primary.list() if served.primary.available else ():
                meta = body["metadata"]
                self.queue.wake(Key(kind, str(meta.get("namespace") or ""), meta["name"]))

    def _on_sample(self, reader: Hashable) -> None:
        if isinstance(reader, Key):
            memory = self._memories.get(reader)
            self.queue.wake(reader, fresh=memory is not None and memory.input_missing)

    def _not_ready(self) -> str:
        if not self._serving:
            return "caches are being filled, or it is stopping"
        if self._commons.workers.lost >= LOST_LIMIT:
            return f"{self._commons.workers.lost} workers were given up and still run"
        missing = [s.primary.why for s in self._served.values() if not s.primary.available]
        return "; ".join(missing)

    def _refresh(self) -> None:
        self.metrics.depth.set(self.queue.schedule.depth)
        self.metrics.lost.set(self._commons.workers.lost)
        for cache in self._caches:
            where = cache.selection
            self.metrics.available.labels(
                cache.kind.qualified, where.namespace or "", where.labels or where.fields
            ).set(int(cache.available))

    @staticmethod
    def _task(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        return asyncio.create_task(work, name=name)


def _known(cache: Cache, namespace: str, name: str, version: str) -> bool:
    """Whether the cache, which wakes by itself, has seen this version."""
    body = cache.get(namespace or None, name) if cache.available else None
    return body is not None and not newer(version, version_of(body))


async def _relay(stop: asyncio.Event, halt: asyncio.Event) -> None:
    await stop.wait()
    halt.set()
