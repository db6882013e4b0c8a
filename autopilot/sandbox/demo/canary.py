"""`autopilot demo canary`: three flights of an operator that `autopilot init` has just made."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.sandbox.demo import manifests
from autopilot.sandbox.demo.flights import CANARIES, PLANS, Flight
from autopilot.sandbox.demo.observer import canary_weight
from autopilot.sandbox.demo.operator import Operator, configure, follow, scaffold
from autopilot.sandbox.demo.show import verdict
from autopilot.sandbox.demo.stage import Demo
from autopilot.sandbox.demo.weather import Weather
from autopilot.sandbox.load.generator import LoadGenerator, Target

if TYPE_CHECKING:
    from autopilot.kube.client import KubeClient
    from autopilot.sandbox.box import Box
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.record import FlightRecord
    from autopilot.sandbox.demo.show import Show
    from autopilot.sandbox.demo.stage import Stage

RATE = 240.0
"""Requests a second."""

_BEFORE = 2.0
"""Seconds between the take-off and the first flight."""

STEPS = [10, 25, 50, 75, 100]


class CanaryDemo(Demo[Path, "FlightRecord"]):
    """Everything that one run of the demo needs, in the order in which it comes up.

    Args:
        show: Prints.
    """

    host = f"{manifests.APP}.{manifests.NAMESPACE}"

    def __init__(self, show: Show) -> None:
        super().__init__(show)
        self._flight: Flight | None = None

    async def prepare(self, home: Path) -> Path:
        """Make the operator; returns its project."""
        await self._scaffold(home / "canary")
        return home / "canary"

    async def fly(self, stage: Stage, prepared: Path) -> list[FlightRecord]:
        """Install the app, run the operator, and fly all flights."""
        box, client = stage.box, stage.client
        await self._install(client, prepared)
        load = LoadGenerator(Target(f"{box.state.ingress_url}/", self.host, RATE), clock=self.clock)
        operator = Operator(
            prepared,
            kubeconfig=Path(box.state.kubeconfig),
            metrics=box.state.prometheus_url,
            log=stage.home / "operator.log",
        )
        stage.stack.push_async_callback(operator.stop)
        await self._take_off(client, operator, load)
        stage.stack.push_async_callback(load.stop)
        return await self._flights(box, client, operator, load)

    def conclude(self, flights: list[FlightRecord], seconds: float) -> None:
        """Phases, and each flight's plot and figures."""
        self.show.phases(flights)
        for number, flight in enumerate(flights, start=1):
            self.show.result(number, flight)
        self.show.console.print(f"\n{verdict(flights)} ({seconds:.0f} s in all)")

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
        self.show.fact("operator", f"autopilot init --template canary: {len(files)} files")

    async def _install(self, client: KubeClient, project: Path) -> None:
        crd = yaml.safe_load(await asyncio.to_thread((project / "deploy/crd.yaml").read_text))
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd, manager="kubectl")
        await client.apply(NAMESPACES, manifests.namespace(), manager="kubectl")
        await client.apply(
            KNOWN["deployments"], manifests.deployment(manifests.V1), manager="kubectl"
        )
        await client.apply(KNOWN["services"], manifests.service(), manager="kubectl")
        resource = manifests.canary(steps=STEPS, interval="3s", window="5s", max_latency="200ms")
        await self.apply_new(client, CANARIES, resource)

    async def _take_off(self, client: KubeClient, operator: Operator, load: LoadGenerator) -> None:
        """Start the operator and the load; wait until the primary serves and telemetry is there."""
        self.watch(client, CANARIES, KNOWN["virtualservices"], KNOWN["deployments"])
        await self.observer.until(self._target_ready, what=f"{manifests.APP}'s pods")
        await load.start()
        operator.start()
        self.tasks.append(asyncio.create_task(follow(operator.log, self._heard)))
        self.show.fact("load", f"{load.target.rate:.0f} requests/s through Envoy")
        self.show.fact("run", f"autopilot run, pid {operator.pid}: makes the primary first")

        def ready() -> bool:
            operator.check()
            return self._waiting()

        await self.observer.until(ready, what="the canary to be initialised")
        # Its last pods still drain, and its last log lines belong to no flight.
        await self.clock.sleep(_BEFORE)

    def _target_ready(self) -> bool:
        status = self.observer.get("Deployment", manifests.APP).get("status", {})
        return int(status.get("availableReplicas") or 0) > 0

    def _waiting(self) -> bool:
        status = self.observer.get(manifests.KIND, manifests.APP).get("status", {})
        weight = canary_weight(self.observer.get("VirtualService", manifests.APP))
        target = self.observer.get("Deployment", manifests.APP)
        idle = target.get("spec", {}).get("replicas") == 0
        return status.get("phase") == "Waiting" and idle and weight == 0

    async def _flights(
        self, box: Box, client: KubeClient, operator: Operator, load: LoadGenerator
    ) -> list[FlightRecord]:
        flights = []
        for number, plan in enumerate(PLANS, start=1):
            self.show.flight(number, plan.name)
            flight = Flight(plan, client, self.observer, load, self.show, self.clock)
            self._flight = flight
            weather = None
            if number == 1:
                tell = partial(self._tell, flight)
                rough = Weather(box, operator, client, self.observer, tell)
                weather = rough.fly_through
                flight.record.checks = rough.checks
            flights.append(await flight.fly(weather))
        return flights

    def _tell(self, flight: Flight, text: str) -> None:
        self.show.event(flight.at, text, style="yellow")

    def _heard(self, line: Line) -> None:
        if self._flight is not None and line.get("msg") == "decision":
            self._flight.decided(line)
