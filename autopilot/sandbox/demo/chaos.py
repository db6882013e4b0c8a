"""`autopilot demo chaos`: experiments that find out what fails with what, and always clean up."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.kube.marks import OVERLAID
from autopilot.sandbox.demo import bookshop, curves, evidence, measured, shop, trial
from autopilot.sandbox.demo.chaos_flight import Watch
from autopilot.sandbox.demo.chaos_story import Story
from autopilot.sandbox.demo.manifests import NAMESPACE
from autopilot.sandbox.demo.operator import Verb, command, follow
from autopilot.sandbox.demo.record import Check
from autopilot.sandbox.demo.stage import Demo
from autopilot.sandbox.load.generator import LoadGenerator, Target

if TYPE_CHECKING:
    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.show import Show
    from autopilot.sandbox.demo.stage import Stage
    from autopilot.sandbox.demo.trial import TrialRecord

RATE = 40.0
"""Requests a second to each of the two entrances."""


class ChaosDemo(Demo[list["Body"], "TrialRecord"]):
    """Everything that one run of the demo needs, in the order in which it comes up.

    Args:
        show: Prints.
        reports: Where the HTML reports go; None for a new folder among the temporary ones.
    """

    host = bookshop.PAGE

    def __init__(self, show: Show, reports: Path | None = None) -> None:
        super().__init__(show)
        self._reports = reports
        self._pages: list[Path] = []
        self._story: Story | None = None
        self._checks: list[Check] = []
        self._carried: evidence.Carried = Counter()
        self._left: list[str] = []

    async def prepare(self, home: Path) -> list[Body]:
        """The CRDs, as anybody gets them."""
        return list(yaml.safe_load_all(await command("crds")))

    async def fly(self, stage: Stage, prepared: list[Body]) -> list[TrialRecord]:
        """Install the shop and a rule, and run three experiments on it."""
        state, client = stage.box.state, stage.client
        await self._install(client, prepared)
        page, checkout = (
            LoadGenerator(Target(f"{state.ingress_url}/", host, RATE), clock=self.clock)
            for host in (bookshop.PAGE, bookshop.CHECKOUT)
        )
        for load in (page, checkout):
            stage.stack.push_async_callback(load.stop)
        controller = Verb(
            *("controller", "--only", "rules", "--only", "chaos"),
            kubeconfig=Path(state.kubeconfig),
            metrics=state.prometheus_url,
            log=stage.home / "controller.log",
        )
        stage.stack.push_async_callback(controller.stop)
        story = self._story = Story(
            stage,
            Watch(self.observer, state.envoy_admin_url, self.show, self.clock, controller.check),
            page=page,
            checkout=checkout,
            apply=lambda text: self._apply_experiment(client, text),
        )
        await self._take_off(stage, controller, story, (page, checkout))
        await story.tell()
        await self._gather(stage, story.flights)
        return story.flights

    # -- the set-up ---------------------------------------------------------------------------

    async def _install(self, client: KubeClient, definitions: list[Body]) -> None:
        for definition in definitions:
            if definition:
                await client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, manager="kubectl")
        self.show.fact("crds", f"autopilot crds: {len(definitions)} applied")
        await client.apply(NAMESPACES, bookshop.namespace(), manager="kubectl")
        for body in bookshop.bodies():
            await _apply(client, body)
        self.show.fact("shop", "productpage → reviews v4 → ratings; checkout → payments")

    async def _take_off(
        self, stage: Stage, controller: Verb, story: Story, loads: tuple[LoadGenerator, ...]
    ) -> None:
        """Pods, load, controller, rule; wait until the rule is at work and there is telemetry."""
        client, show = stage.client, self.show
        kinds = (KNOWN["virtualservices"], KNOWN["deployments"], shop.RULES, bookshop.EXPERIMENTS)
        self.watch(client, *kinds)
        await self.observer.until(self._pods_ready, what="the shop's pods")
        for load in loads:
            await load.start()
        show.fact("load", f"{RATE:.0f} requests/s to productpage and to checkout, through Envoy")
        controller.start()
        self.tasks.append(asyncio.create_task(follow(controller.log, self._heard)))
        show.fact("run", f"autopilot controller --only rules --only chaos, pid {controller.pid}")
        await self.apply_new(client, shop.RULES, yaml.safe_load(bookshop.RULE_YAML))
        show.fact("rule", f"kubectl apply: {bookshop.RULE}")

        def at_work() -> bool:
            controller.check()
            return story.normal()

        await self.observer.until(at_work, what="the rule to be at work")
        async with asyncio.timeout(30):
            while not await measured.rates(stage.box.state.prometheus_url, bookshop.MEASURED):
                await self.clock.sleep(0.1)

    def _pods_ready(self) -> bool:
        found = [
            self.observer.get("Deployment", name).get("status", {}) for name in bookshop.WORKLOADS
        ]
        return all(int(status.get("availableReplicas") or 0) == 1 for status in found)

    def _heard(self, line: Line) -> None:
        if self._story is not None:
            self._story.heard(line)

    async def _apply_experiment(self, client: KubeClient, text: str) -> None:
        await self.apply_new(client, bookshop.EXPERIMENTS, yaml.safe_load(text))

    # -- what came of it ----------------------------------------------------------------------

    async def _gather(self, stage: Stage, flights: list[TrialRecord]) -> None:
        """Ask Envoy and the API for what is left, and have the reports made."""
        admin = stage.box.state.envoy_admin_url
        self._carried = await evidence.read_carried(admin)
        self._left = await evidence.read_faulty_routes(admin)
        text = f"faults left: {len(self._left)} (in the configuration that Envoy has in force)"
        self._checks.append(Check(text, held=not self._left))
        routes = await stage.client.list(
            KNOWN["virtualservices"], NAMESPACE, labels=f"{OVERLAID}=true"
        )
        text = f"routes that carry anything of autopilot's: {len(routes.items)}"
        self._checks.append(Check(text, held=not routes.items))
        if any(flight.outcome == trial.UNFINISHED for flight in flights):
            return
        if self._reports is None:
            self._reports = Path(tempfile.mkdtemp(prefix="autopilot-chaos-"))
        self._reports.mkdir(parents=True, exist_ok=True)
        for flight in flights:
            page = self._reports / f"{flight.report}.html"
            run = flight.report.rpartition("-")[2]
            wanted = ("experiment", "report", flight.experiment, "--run", run, "-f", str(page))
            await command(*wanted, "-n", NAMESPACE, "--kubeconfig", str(stage.box.kubeconfig))
            self._pages.append(page)

    def holds(self) -> bool:
        """Whether nothing is left."""
        return all(check.held for check in self._checks)

    def appendix(self) -> dict[str, Any]:
        """What Envoy says at the end, and where the reports are."""
        return {
            "carried": [
                {"service": service, "flag": flag, "requests": count}
                for (service, flag), count in sorted(self._carried.items())
            ],
            "faults_left": len(self._left),
            "checks": [{"what": check.what, "held": check.held} for check in self._checks],
            "reports": [str(page) for page in self._pages],
        }

    def conclude(self, flights: list[TrialRecord], seconds: float) -> None:
        """Phases, plots, what held, and what Envoy says."""
        show = self.show
        show.phases([flight for flight in flights if flight.phases])
        for number, flight in enumerate(flights, start=1):
            show.flight(number, flight.name)
            if not flight.seconds:
                show.verdict(False, "not flown")
                continue
            show.plot(curves.answers(flight.requests, flight.began, flight.seconds), flight.seconds)
            show.verdict(flight.as_expected, f"{flight.outcome}: {trial.summary(flight)}")
            show.checks(flight.checks)
        show.headline("Evidence")
        for (service, flag), count in sorted(self._carried.items()):
            told = f"{count:,} requests to {service} were {evidence.FLAGS[flag]} ({flag})"
            show.plain(f"    {told}, as Envoy counted them")
        show.checks(self._checks)
        for page in self._pages:
            show.plain(f"    report: {page}")
        good = all(flight.as_expected for flight in flights) and self.holds()
        went = "as it should be" if good else "not as it should be"
        show.plain(f"\nfailed, coped, reacted: {went} ({seconds:.0f} s in all)")


async def _apply(client: KubeClient, body: Body) -> None:
    kind = next(kind for kind in KNOWN.values() if kind.matches(body))
    await client.apply(kind, body, manager="kubectl")
