"""The life of one pod's container: started, probed, crashed, started again, drained."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from autopilot.base.timestamps import stamp
from autopilot.sandbox.workloads.app import Identity, PodApp, Ports, Upstreams
from autopilot.sandbox.workloads.behaviour import (
    Behaviour,
    Invalid,
    behaviour_of,
    container_ports,
    workload_of,
)
from autopilot.sandbox.workloads.objects import Body, is_ready, meta, spec, status
from autopilot.sandbox.workloads.pod_status import Container
from autopilot.sandbox.workloads.ports import published
from autopilot.sandbox.workloads.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.base.clock import Clock
    from autopilot.kube.events import EventType

FIRST_BACK_OFF = 1.0
"""Seconds; a tenth of a kubelet's, because a sandbox's day is shorter."""

LONGEST_BACK_OFF = 30.0
GOOD_RUN = 60.0
"""A container that ran this many seconds starts again with the first back-off."""

PROBE_FAILURES = 3


class Life:
    """One pod, from the reservation of its ports to their release.

    Args:
        pod: The pod as it was when its node saw it first.
        clock: Where delays come from.
        changed: Called when `container` has changed.
        report: Called with what people should know: an Event's type, reason and message.
        upstreams: How its application asks other services.
    """

    def __init__(
        self,
        pod: Body,
        clock: Clock,
        changed: Callable[[], None],
        report: Callable[[EventType, str, str], None],
        upstreams: Upstreams | None = None,
    ) -> None:
        namespace, name = str(meta(pod)["namespace"]), str(meta(pod)["name"])
        self.identity = Identity(namespace, name, workload_of(pod))
        self.ended = False
        self._pod = pod
        self._clock = clock
        self._changed = changed
        self._report = report
        self._upstreams = upstreams
        self._ports = Ports()
        self._app: PodApp | None = None
        self._restarts = _restarts(pod)
        # A node that comes back finds its pods as they were; they need no second warm-up.
        self._warm = is_ready(pod)
        self.container = Container({"waiting": {"reason": "ContainerCreating"}}, {}, False, 0)
        self._ports.reserve(container_ports(pod).values(), published(pod))
        self._task: asyncio.Task[None] | None = asyncio.create_task(
            self._live(), name=f"pod {name}"
        )
        self._ending: asyncio.Task[None] | None = None

    @property
    def ports(self) -> dict[int, int]:
        """Real port by container port."""
        return self._ports.numbers

    @property
    def application(self) -> PodApp | None:
        """What is serving; None while the container is down."""
        return self._app

    def end(self, *, serve: float, patience: float) -> None:
        """Begin the end, once: serve on, then drain; `ended` tells when it is over.

        Args:
            serve: Seconds to serve as before, for whoever routes to it to notice.
            patience: Seconds for what is running then.
        """
        if self._ending is None:
            self._report("Normal", "Killing", "Stopping container")
            self._ending = asyncio.create_task(self._end(serve, patience))

    async def stop(self) -> None:
        """End at once."""
        for task in (self._task, self._ending):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._app is not None:
            self._app.abort()
        self._ports.release()

    async def _end(self, serve: float, patience: float) -> None:
        if self._app is not None:
            await self._clock.sleep(serve)
        if self._task is not None:
            self._task.cancel()
        if self._app is not None:
            await self._app.drain(patience)
        self._ports.release()
        self.ended = True
        self._changed()

    async def _live(self) -> None:
        try:
            behaviour = behaviour_of(self._pod)
        except Invalid as error:
            reason = {"reason": "CreateContainerConfigError", "message": str(error)}
            self._tell({"waiting": reason}, ready=False)
            self._report("Warning", "Failed", f"Error: {error}")
            return
        back_off = FIRST_BACK_OFF
        while True:
            begun = self._clock.monotonic()
            last = await self._run(behaviour)
            policy = spec(self._pod).get("restartPolicy") or "Always"
            if policy == "Never":
                self._tell(last, ready=False)
                return
            if self._clock.monotonic() - begun >= GOOD_RUN:
                back_off = FIRST_BACK_OFF
            told = f"back-off {back_off:g}s restarting failed container"
            self._report("Warning", "BackOff", told)
            waiting = {"reason": "CrashLoopBackOff", "message": told}
            self._tell({"waiting": waiting}, ready=False, last=last)
            await self._clock.sleep(back_off)
            back_off = min(LONGEST_BACK_OFF, back_off * 2)
            self._restarts += 1

    async def _run(self, behaviour: Behaviour) -> Body:
        """Run the container until it crashes; returns its terminated state."""
        started = stamp(self._clock.now())
        running = {"running": {"startedAt": started}}
        if not behaviour.crash:
            self._app = PodApp(self.identity, behaviour, self._upstreams)
            await self._app.listen(self._ports)
            self._tell(running, ready=self._warm)
            if not self._warm:
                self._report("Normal", "Started", "Started container")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(behaviour.crash_after):
                    await self._probe(behaviour, running)
                    await asyncio.Event().wait()
            self._crash()
        self._warm = False
        return {
            "terminated": {
                "exitCode": 1,
                "reason": "Error",
                "startedAt": started,
                "finishedAt": stamp(self._clock.now()),
            }
        }

    def _crash(self) -> None:
        if self._app is not None:
            self._app.abort()
            self._app = None
        self._ports.reserve(self.ports, dict(self.ports))

    async def _probe(self, behaviour: Behaviour, running: Body) -> None:
        """Say when the container becomes ready, and with a probe whether it still is."""
        if not behaviour.ready:
            return
        probe = behaviour.probe
        if not self._warm:
            await self._clock.sleep(max(behaviour.start_delay, probe.delay if probe else 0.0))
        if probe is None:
            self._tell(running, ready=True)
            return
        failures = 0
        while self._app is not None:
            answer = await self._app.answer(Request("GET", probe.path, {}, True))
            well = 200 <= answer.status < 400
            failures = 0 if well else failures + 1
            if not well:
                told = f"Readiness probe failed: HTTP probe failed with statuscode: {answer.status}"
                self._report("Warning", "Unhealthy", told)
            if well or failures >= PROBE_FAILURES:
                self._tell(running, ready=well)
            await self._clock.sleep(probe.period)

    def _tell(self, state: Body, *, ready: bool, last: Body | None = None) -> None:
        before = self.container.last if last is None else last
        told = Container(state, before, ready, self._restarts)
        if told != self.container:
            self.container = told
            self._changed()


def _restarts(pod: Body) -> int:
    for one in status(pod).get("containerStatuses") or ():
        return int(one.get("restartCount") or 0)
    return 0
