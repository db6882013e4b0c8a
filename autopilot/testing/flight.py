"""A whole operator on the sandbox's API, with virtual time and scripted metrics."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from autopilot.base import durations
from autopilot.base.clock import VirtualClock
from autopilot.kube.http import HttpKubeClient, connect
from autopilot.mesh.providers import provider
from autopilot.project.definition import definitions
from autopilot.project.load import load
from autopilot.runtime.definition import OperatorDefinition
from autopilot.runtime.operator import Runtime
from autopilot.runtime.settings import RuntimeOptions, any_url
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.spec.guardrails import Guardrails
from autopilot.telemetry.scripted import ScriptedSamples
from autopilot.testing import pacing, readiness
from autopilot.testing.objects import Objects
from autopilot.testing.served_kinds import install

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from types import TracebackType

    from autopilot.base.clock import Clock
    from autopilot.project.load import Project
    from autopilot.runtime.record import SyncRecord

    Made = OperatorDefinition | Sequence[OperatorDefinition] | Callable[[Clock], OperatorDefinition]

_SETTLE = 20.0
_numbers = itertools.count(1)


class Flight(Objects):
    """One operator in flight; an async context manager.

    Time stands still but in `advance`. Whatever follows from a change at once has happened when
    `advance` or `settle` returns.

    Attributes:
        clock: The virtual clock.
        samples: The scripted metrics: `f.samples.set("error_rate", 0.05)`.
        workloads: Whether every Deployment becomes ready at once.
        server: The API, with faults to inject and a journal of requests.

    Args:
        what: A project's folder, definitions made by hand, or what makes one: at each start anew,
            so that nothing outlives a restart in memory.
        folder: A place for the kubeconfig.
        interval: How often metrics are scraped; default 1 s.
        work_interval: The operator's own; None for the project's, or 5 s.
        workloads: See the attribute.
        config: The `config:` map; None for the project's.
        start: Where the clock starts.
        crds: The kinds' own CRDs; without one a kind takes any body.
        guardrails: The installation's.
        allow_url: What the installation allows to be posted to; anything unless told.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only: a test names only what matters to it
        self,
        what: Path | str | Made,
        *,
        folder: Path,
        interval: timedelta | float | str = 1.0,
        work_interval: timedelta | float | str | None = None,
        workloads: bool = False,
        config: Mapping[str, Any] | None = None,
        start: datetime | None = None,
        crds: Sequence[Mapping[str, Any]] = (),
        guardrails: Guardrails | None = None,
        allow_url: Callable[[str], bool] = any_url,
    ) -> None:
        self.project: Project | None = None
        if isinstance(what, str | Path):
            self.project = load(Path(what))
            self.definitions = definitions(self.project)
        self.clock = VirtualClock(start)
        self._make: Callable[[Clock], OperatorDefinition] | None = None
        if self.project is None and callable(what):
            self._make = what
            self.definitions = (what(self.clock),)
        elif self.project is None:
            assert not isinstance(what, str | Path) and not callable(what)
            given = (what,) if isinstance(what, OperatorDefinition) else what
            self.definitions = tuple(given)
        self.samples = ScriptedSamples(self.clock, interval=seconds(interval))
        self.workloads = workloads
        self.server = ApiServer(clock=self.clock)
        super().__init__(self.server.store, self.definitions[0].kind.qualified)
        self._folder = folder
        self._crds = tuple(crds)
        options = self._made_options(work_interval, config)
        self._options = replace(options, guardrails=guardrails or Guardrails(), allow_url=allow_url)
        self._client: HttpKubeClient | None = None
        self._runtime: Runtime | None = None
        self._stop = asyncio.Event()
        self._rested = -1
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the API and the operator."""
        await self.server.start()
        for body in self._crds:
            self.server.store.create(dict(body))
        install(self.server.store, self.definitions, self.project)
        path = self._folder / f"flight-{next(_numbers)}.kubeconfig"
        path.write_text(json.dumps(self.server.kubeconfig()))
        try:
            self._client = await connect(str(path), timeout=10.0)
            await self._start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop both; leave nothing behind."""
        await self._close()

    @property
    def runtime(self) -> Runtime:
        """The running operator."""
        if self._runtime is None:
            raise RuntimeError("the flight hasn't begun; use `async with flight(...) as f:`")
        return self._runtime

    @property
    def records(self) -> tuple[SyncRecord, ...]:
        """What each sync read, decided and changed, the newest last."""
        return tuple(self.runtime.records)

    async def settle(self) -> None:
        """Let everything happen that follows at once; time stands still.

        Raises:
            TimeoutError: It never comes to rest.
        """
        for _ in range(100):
            await self._settled()
            if not (self.workloads and readiness.simulate(self.server.store)):
                return
        raise TimeoutError("workloads and operator don't come to rest")

    async def advance(self, by: timedelta | float | str) -> None:
        """Let time go by, timer for timer, with everything that follows.

        Args:
            by: A timedelta, seconds, or text like `30s`.
        """
        await pacing.advance(self.clock, seconds(by), self.settle)

    async def until(
        self, condition: Callable[[], object], *, within: timedelta | float | str = "10m"
    ) -> None:
        """Let time go by until a condition holds.

        Raises:
            TimeoutError: It doesn't within this much virtual time.
        """
        end = self.clock.monotonic() + seconds(within)
        await self.settle()
        while not condition():
            wait = self.clock.next_wake()
            if wait is None or self.clock.monotonic() + wait > end:
                raise TimeoutError(
                    f"it didn't come true within {durations.render(seconds(within))}"
                )
            await pacing.move(self.clock, wait)
            await self.settle()

    async def restart(self) -> None:
        """Kill the operator as SIGKILL would, and start it again: only what is stored is kept."""
        await self._kill()
        await self._start()

    async def _start(self) -> None:
        if self._client is None:
            raise RuntimeError("the flight hasn't begun; use `async with flight(...) as f:`")
        if self._make is not None:
            self.definitions = (self._make(self.clock),)
        name = self.project.config.mesh_provider if self.project else "Istio"
        self._runtime = Runtime(
            self.definitions,
            client=self._client,
            samples=self.samples,
            provider=provider(name),
            clock=self.clock,
            options=self._options,
        )
        self._stop = asyncio.Event()
        self._rested = -1
        self._task = asyncio.create_task(self._runtime.run(self._stop))
        await self.settle()

    async def _kill(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self.runtime.queue.abandon()

    async def _close(self) -> None:
        try:
            if self._task is not None and not self._task.done():
                self._stop.set()
                await asyncio.wait_for(self._task, 15)
        finally:
            if self._client is not None:
                await self._client.close()
            await self.server.stop()

    async def _settled(self) -> None:
        runtime = self.runtime
        assert self._task is not None
        await pacing.unless_ended(self._rest(runtime), self._task)

    async def _rest(self, runtime: Runtime) -> None:
        await runtime.queue.settled()
        if self._rested != self.server.store.version:
            await runtime.settled(_SETTLE)
            # What nobody has written to since needn't be compared again.
            self._rested = self.server.store.version

    def _made_options(
        self, work_interval: timedelta | float | str | None, config: Mapping[str, Any] | None
    ) -> RuntimeOptions:
        from datetime import timedelta

        stored = self.project.config if self.project else None
        interval = timedelta(seconds=5 if work_interval is None else seconds(work_interval))
        if work_interval is None and stored is not None:
            interval = stored.work_interval
        typed = config if config is not None else stored.config if stored else {}
        return RuntimeOptions(
            work_interval=interval,
            config=typed,
            watch_namespace=stored.watch_namespace if stored else "",
            shell=False,
            stop_timeout=5.0,
        )


def seconds(duration: timedelta | float | str) -> float:
    """A duration in seconds."""
    if isinstance(duration, str):
        return durations.parse(duration).total_seconds()
    return float(duration) if isinstance(duration, int | float) else duration.total_seconds()


def flight_in(folder: Path) -> Callable[..., Flight]:
    """The fixture `flight`: makes flights whose files lie in a folder."""

    def make(what: Path | str | Made, **more: Any) -> Flight:
        return Flight(what, folder=folder, **more)

    return make
