"""`autopilot demo failover`: a Rule, applied as YAML, takes a service through an outage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.sandbox.demo import curves, manifests, measured, outage, shop
from autopilot.sandbox.demo.failover_flight import OutageFlight
from autopilot.sandbox.demo.operator import Verb, command, follow
from autopilot.sandbox.demo.stage import Demo
from autopilot.sandbox.load.generator import LoadGenerator, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.outage import OutageRecord
    from autopilot.sandbox.demo.show import Show
    from autopilot.sandbox.demo.stage import Stage

RATE = 120.0
"""Requests a second to each of the two services."""

_PRIMARIES = [pair.primary for pair in (shop.AIDED, shop.ALONE)]


class FailoverDemo(Demo[list["Body"], "OutageRecord"]):
    """Everything that one run of the demo needs, in the order in which it comes up.

    Args:
        show: Prints.
    """

    host = shop.AIDED.host

    def __init__(self, show: Show) -> None:
        super().__init__(show)
        self._flight: OutageFlight | None = None

    async def prepare(self, home: Path) -> list[Body]:
        """The CRDs, as anybody gets them."""
        return list(yaml.safe_load_all(await command("crds")))

    async def fly(self, stage: Stage, prepared: list[Body]) -> list[OutageRecord]:
        """Install two shops and a rule for one of them, and fly both through the outage."""
        state, stack = stage.box.state, stage.stack
        await self._install(stage.client, prepared)
        loads = {pair: self._load(state.ingress_url, pair) for pair in (shop.AIDED, shop.ALONE)}
        for load in loads.values():
            stack.push_async_callback(load.stop)
        controller = Verb(
            *("controller", "--only", "rules"),
            kubeconfig=Path(state.kubeconfig),
            metrics=state.prometheus_url,
            log=stage.home / "controller.log",
        )
        stack.push_async_callback(controller.stop)
        await self._take_off(stage.client, controller, loads, state.prometheus_url)
        flight = OutageFlight(stage.client, self.observer, loads, self.show, self.clock)
        self._flight = flight
        self.show.headline("An outage of checkout, and the same one of cart")
        await flight.fly(controller.check)
        self._flight = None
        return [flight.aided, flight.alone]

    async def _install(self, client: KubeClient, definitions: list[Body]) -> None:
        for definition in definitions:
            if definition:
                await client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, manager="kubectl")
        self.show.fact("crds", f"autopilot crds: {len(definitions)} applied")
        await client.apply(NAMESPACES, manifests.namespace(), manager="kubectl")
        for pair in (shop.AIDED, shop.ALONE):
            for body in (*pair.bodies(), pair.virtual_service()):
                kind = next(kind for kind in KNOWN.values() if kind.matches(body))
                await client.apply(kind, body, manager="kubectl")

    def _load(self, ingress: str, pair: shop.Pair) -> LoadGenerator:
        return LoadGenerator(Target(f"{ingress}/", pair.host, RATE), clock=self.clock)

    async def _take_off(
        self,
        client: KubeClient,
        controller: Verb,
        loads: Mapping[shop.Pair, LoadGenerator],
        prometheus: str,
    ) -> None:
        """Pods, load, controller, rule; wait until the rule is at work and there is telemetry."""
        self.watch(client, KNOWN["virtualservices"], KNOWN["deployments"], shop.RULES)
        await self.observer.until(self._pods_ready, what="the shop's pods")
        for load in loads.values():
            await load.start()
        self.show.fact("load", f"{RATE:.0f} requests/s to checkout and to cart, through Envoy")
        controller.start()
        self.tasks.append(asyncio.create_task(follow(controller.log, self._heard)))
        self.show.fact("run", f"autopilot controller --only rules, pid {controller.pid}")
        await self.apply_new(client, shop.RULES, yaml.safe_load(shop.RULE_YAML))
        self.show.fact("rule", f"kubectl apply: {shop.RULE}")
        self.show.quote(shop.RULE_YAML)

        def at_work() -> bool:
            controller.check()
            status = self.observer.get("Rule", shop.RULE).get("status", {})
            return bool(status.get("phase") == shop.PHASES[0])

        await self.observer.until(at_work, what="the rule to be at work")
        async with asyncio.timeout(30):
            while not await measured.rates(prometheus, _PRIMARIES):
                await self.clock.sleep(0.1)

    def _pods_ready(self) -> bool:
        names = [name for pair in (shop.AIDED, shop.ALONE) for name in (pair.primary, pair.standby)]
        found = [self.observer.get("Deployment", name).get("status", {}) for name in names]
        return all(int(status.get("availableReplicas") or 0) == shop.REPLICAS for status in found)

    def _heard(self, line: Line) -> None:
        if self._flight is not None and line.get("msg") == "decision":
            self._flight.decided(line)

    def conclude(self, flights: list[OutageRecord], seconds: float) -> None:
        """Phases, plots and what held."""
        show, (aided, _) = self.show, flights
        show.phases([aided])
        for record in flights:
            show.headline(record.name)
            lines = curves.answers(record.requests, record.began, record.seconds)
            if record.weights:
                lines.insert(0, curves.share("standby %", record.weights, record.seconds))
            show.plot(lines, record.seconds)
            if record is aided:
                show.verdict(record.as_expected, f"{record.outcome}: {outage.summary(record)}")
                show.checks(record.checks)
            else:
                show.plain(f"    {record.outcome}: {outage.summary(record)}")
        went = "as it should be" if aided.as_expected else "not as it should be"
        show.plain(f"\nfailover, trial and return: {went} ({seconds:.0f} s in all)")
