"""`autopilot demo canary`: three flights of an operator that `autopilot init` has just made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from autopilot.base.clock import SystemClock
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.sandbox.box import Box
from autopilot.sandbox.demo import manifests
from autopilot.sandbox.demo.flights import CANARIES, PLANS, Flight
from autopilot.sandbox.demo.observer import Observer, canary_weight
from autopilot.sandbox.demo.operator import Operator, configure, follow, scaffold
from autopilot.sandbox.demo.show import Show, introduce, verdict
from autopilot.sandbox.demo.weather import Weather
from autopilot.sandbox.load.generator import LoadGenerator, Target

if TYPE_CHECKING:
    from autopilot.kube.client import KubeClient
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.record import FlightRecord

RATE = 240.0
"""Requests a second."""

SCRAPE = 0.5
"""Seconds between scrapes, and between the operator's queries."""

_BEFORE = 2.0
"""Seconds between the take-off and the first flight."""

STEPS = [10, 25, 50, 75, 100]


class CanaryDemo:
    """Everything that one run of the demo needs, in the order in which it comes up.

    Args:
        show: Prints.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self._clock = SystemClock()
        self._observer = Observer(self._clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._flight: Flight | None = None

    async def run(self, out: Path | None = None) -> bool:
        """Fly all flights; True when every one ended as it should.

        Args:
            out: Where to write the record as JSON.
        """
        began = self._clock.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autopilot-demo-")))
            box = Box(home / "sandbox", scrape_interval=SCRAPE)
            scaffolding = asyncio.create_task(self._scaffold(home / "canary"))
            stack.push_async_callback(cancel_and_wait, scaffolding)
            await stack.enter_async_context(box)
            stack.push_async_callback(self._cancel)
            host = f"{manifests.APP}.{manifests.NAMESPACE}"
            introduce(self._show, box, host, self._clock.monotonic() - began)
            client = await connect(str(box.state.kubeconfig))
            stack.push_async_callback(client.close)
            await scaffolding
            await self._install(client, home / "canary")
            load = LoadGenerator(
                Target(
                    f"{box.state.ingress_url}/", manifests.APP + "." + manifests.NAMESPACE, RATE
                ),
                clock=self._clock,
            )
            operator = self._operator(box, home)
            stack.push_async_callback(operator.stop)
            await self._take_off(client, operator, load)
            stack.push_async_callback(load.stop)
            flights = await self._fly(box, client, operator, load)
            self._conclude(flights, self._clock.monotonic() - began)
            if out is not None:
                write(out, flights)
            return all(flight.as_expected for flight in flights)

    async def _scaffold(self, project: Path) -> None:
        names = {"kind": manifests.KIND, "group": manifests.GROUP, "version": manifests.VERSION}
        files = await scaffold(project, **names)
        config = {
            "workInterval": "500ms",
            "metricsAddr": "127.0.0.1:0",
            "enableLeaderElection": False,
            "watchNamespace": manifests.NAMESPACE,
        }
        configure(project, config)
        self._show.fact("operator", f"autopilot init --template canary: {len(files)} files")

    async def _install(self, client: KubeClient, project: Path) -> None:
        crd = yaml.safe_load(await asyncio.to_thread((project / "deploy/crd.yaml").read_text))
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd, manager="kubectl")
        await client.apply(NAMESPACES, manifests.namespace(), manager="kubectl")
        await client.apply(
            KNOWN["deployments"], manifests.deployment(manifests.V1), manager="kubectl"
        )
        await client.apply(KNOWN["services"], manifests.service(), manager="kubectl")
        resource = manifests.canary(steps=STEPS, interval="3s", window="5s", max_latency="200ms")
        async with asyncio.timeout(10):
            while True:
                # A new kind may take a moment until it is served.
                with contextlib.suppress(NotFound):
                    await client.apply(CANARIES, resource, manager="kubectl")
                    return
                await self._clock.sleep(0.05)

    def _operator(self, box: Box, home: Path) -> Operator:
        return Operator(
            home / "canary",
            kubeconfig=Path(box.state.kubeconfig),
            metrics=box.state.prometheus_url,
            log=home / "operator.log",
        )

    async def _take_off(self, client: KubeClient, operator: Operator, load: LoadGenerator) -> None:
        """Start the operator and the load; wait until the primary serves and telemetry is there."""
        for kind in (CANARIES, KNOWN["virtualservices"], KNOWN["deployments"]):
            self._tasks.append(asyncio.create_task(self._observer.watch(client, kind)))
        await self._observer.until(self._target_ready, what=f"{manifests.APP}'s pods")
        await load.start()
        operator.start()
        self._tasks.append(asyncio.create_task(follow(operator.log, self._heard)))
        self._show.fact("load", f"{load.target.rate:.0f} requests/s through Envoy")
        self._show.fact("run", f"autopilot run, pid {operator.pid}: makes the primary first")

        def ready() -> bool:
            operator.check()
            return self._waiting()

        await self._observer.until(ready, what="the canary to be initialised")
        # Its last pods still drain, and its last log lines belong to no flight.
        await self._clock.sleep(_BEFORE)

    def _target_ready(self) -> bool:
        status = self._observer.get("Deployment", manifests.APP).get("status", {})
        return int(status.get("availableReplicas") or 0) > 0

    def _waiting(self) -> bool:
        status = self._observer.get(manifests.KIND, manifests.APP).get("status", {})
        weight = canary_weight(self._observer.get("VirtualService", manifests.APP))
        target = self._observer.get("Deployment", manifests.APP)
        idle = target.get("spec", {}).get("replicas") == 0
        return status.get("phase") == "Waiting" and idle and weight == 0

    async def _fly(
        self, box: Box, client: KubeClient, operator: Operator, load: LoadGenerator
    ) -> list[FlightRecord]:
        flights = []
        for number, plan in enumerate(PLANS, start=1):
            self._show.flight(number, plan.name)
            flight = Flight(plan, client, self._observer, load, self._show, self._clock)
            self._flight = flight
            weather = None
            if number == 1:
                tell = partial(self._tell, flight)
                rough = Weather(box, operator, client, self._observer, tell)
                weather = rough.fly_through
                flight.record.checks = rough.checks
            flights.append(await flight.fly(weather))
        return flights

    def _tell(self, flight: Flight, text: str) -> None:
        self._show.event(flight.at, text, style="yellow")

    def _heard(self, line: Line) -> None:
        if self._flight is not None and line.get("msg") == "decision":
            self._flight.decided(line)

    def _conclude(self, flights: list[FlightRecord], seconds: float) -> None:
        self._show.phases(flights)
        for number, flight in enumerate(flights, start=1):
            self._show.result(number, flight)
        self._show.console.print(f"\n{verdict(flights)} ({seconds:.0f} s in all)")

    async def _cancel(self) -> None:
        await cancel_and_wait(*self._tasks)


def write(out: Path, flights: list[FlightRecord]) -> None:
    """Write the record of all flights."""
    record = {"flights": [flight.encode() for flight in flights]}
    out.write_text(json.dumps(record, indent=2) + "\n")
