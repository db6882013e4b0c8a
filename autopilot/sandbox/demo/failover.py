"""`autopilot demo failover`: a Rule, applied as YAML, takes a service through an outage."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import yaml

from autopilot.base.clock import SystemClock
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.sandbox.box import Box
from autopilot.sandbox.demo import curves, manifests, outage, shop
from autopilot.sandbox.demo.failover_flight import OutageFlight
from autopilot.sandbox.demo.observer import Observer
from autopilot.sandbox.demo.operator import Verb, command, follow
from autopilot.sandbox.demo.show import introduce
from autopilot.sandbox.load.generator import LoadGenerator, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.outage import OutageRecord
    from autopilot.sandbox.demo.show import Show

RATE = 120.0
"""Requests a second to each of the two services."""

SCRAPE = 0.5
"""Seconds between scrapes."""

_KINDS = ("virtualservices", "deployments")


class FailoverDemo:
    """Everything that one run of the demo needs, in the order in which it comes up.

    Args:
        show: Prints.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self._clock = SystemClock()
        self._observer = Observer(self._clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._flight: OutageFlight | None = None

    async def run(self, out: Path | None = None) -> bool:
        """Fly; True when all went as it should.

        Args:
            out: Where to write the record as JSON.
        """
        began = self._clock.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autopilot-demo-")))
            box = Box(home / "sandbox", scrape_interval=SCRAPE)
            definitions = asyncio.create_task(command("crds"))
            stack.push_async_callback(cancel_and_wait, definitions)
            await stack.enter_async_context(box)
            stack.push_async_callback(self._cancel)
            introduce(self._show, box, shop.AIDED.host, self._clock.monotonic() - began)
            client = await connect(str(box.state.kubeconfig))
            stack.push_async_callback(client.close)
            await self._install(client, list(yaml.safe_load_all(await definitions)))
            loads = {pair: self._load(box, pair) for pair in (shop.AIDED, shop.ALONE)}
            for load in loads.values():
                stack.push_async_callback(load.stop)
            controller = Verb(
                *("controller", "--only", "rules"),
                kubeconfig=Path(box.state.kubeconfig),
                metrics=box.state.prometheus_url,
                log=home / "controller.log",
            )
            stack.push_async_callback(controller.stop)
            await self._take_off(client, controller, loads, box.state.prometheus_url)
            flight = OutageFlight(client, self._observer, loads, self._show, self._clock)
            self._flight = flight
            self._show.headline("An outage of checkout, and the same one of cart")
            await flight.fly()
            self._flight = None
            self._conclude(flight, self._clock.monotonic() - began)
            if out is not None:
                write(out, [flight.aided, flight.alone])
            return flight.aided.as_expected

    async def _install(self, client: KubeClient, definitions: list[Body]) -> None:
        for definition in definitions:
            if definition:
                await client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, manager="kubectl")
        self._show.fact("crds", f"autopilot crds: {len(definitions)} applied")
        await client.apply(NAMESPACES, manifests.namespace(), manager="kubectl")
        for pair in (shop.AIDED, shop.ALONE):
            for body in (*pair.bodies(), pair.virtual_service()):
                kind = next(kind for kind in KNOWN.values() if kind.matches(body))
                await client.apply(kind, body, manager="kubectl")

    def _load(self, box: Box, pair: shop.Pair) -> LoadGenerator:
        target = Target(f"{box.state.ingress_url}/", pair.host, RATE)
        return LoadGenerator(target, clock=self._clock)

    async def _take_off(
        self,
        client: KubeClient,
        controller: Verb,
        loads: Mapping[shop.Pair, LoadGenerator],
        prometheus: str,
    ) -> None:
        """Pods, load, controller, rule; wait until the rule is at work and there is telemetry."""
        for kind in (*(KNOWN[name] for name in _KINDS), shop.RULES):
            self._tasks.append(asyncio.create_task(self._observer.watch(client, kind)))
        await self._observer.until(self._pods_ready, what="the shop's pods")
        for load in loads.values():
            await load.start()
        self._show.fact("load", f"{RATE:.0f} requests/s to checkout and to cart, through Envoy")
        controller.start()
        self._tasks.append(asyncio.create_task(follow(controller.log, self._heard)))
        self._show.fact("run", f"autopilot controller --only rules, pid {controller.pid}")
        await self._apply_rule(client)
        self._show.fact("rule", f"kubectl apply: {shop.RULE}")
        self._show.quote(shop.RULE_YAML)

        def at_work() -> bool:
            controller.check()
            status = self._observer.get("Rule", shop.RULE).get("status", {})
            return bool(status.get("phase") == shop.PHASES[0])

        await self._observer.until(at_work, what="the rule to be at work")
        async with asyncio.timeout(30):
            while not await _measured(prometheus):
                await self._clock.sleep(0.1)

    async def _apply_rule(self, client: KubeClient) -> None:
        async with asyncio.timeout(10):
            while True:
                # A new kind may take a moment until it is served.
                with contextlib.suppress(NotFound):
                    rule = yaml.safe_load(shop.RULE_YAML)
                    await client.apply(shop.RULES, rule, manager="kubectl")
                    return
                await self._clock.sleep(0.05)

    def _pods_ready(self) -> bool:
        names = [name for pair in (shop.AIDED, shop.ALONE) for name in (pair.primary, pair.standby)]
        found = [self._observer.get("Deployment", name).get("status", {}) for name in names]
        return all(int(status.get("availableReplicas") or 0) == shop.REPLICAS for status in found)

    def _heard(self, line: Line) -> None:
        if self._flight is not None and line.get("msg") == "decision":
            self._flight.decided(line)

    def _conclude(self, flight: OutageFlight, seconds: float) -> None:
        show, aided = self._show, flight.aided
        show.phases([aided])
        for record in (aided, flight.alone):
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

    async def _cancel(self) -> None:
        await cancel_and_wait(*self._tasks)


async def _measured(prometheus: str) -> bool:
    """Whether Prometheus has a rate of both services: two scrapes of each."""
    names = "|".join(pair.primary for pair in (shop.AIDED, shop.ALONE))
    labels = f'reporter="source",destination_service_name=~"{names}"'
    query = f"count(sum by(destination_service_name)(rate(istio_requests_total{{{labels}}}[4s])))"
    url, timeout = f"{prometheus}/api/v1/query", aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, params={"query": query}) as answer,
        ):
            found: list[Body] = (await answer.json())["data"]["result"]
    except (aiohttp.ClientError, TimeoutError, KeyError):
        return False
    return bool(found) and float(found[0]["value"][1]) == 2


def write(out: Path, flights: list[OutageRecord]) -> None:
    """Write the record of both flights."""
    record = {"flights": [flight.encode() for flight in flights]}
    out.write_text(json.dumps(record, indent=2) + "\n")
