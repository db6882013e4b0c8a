"""A scaffolded canary operator in a sandbox, and one release after another that turns bad."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import yaml

from autopilot.base.clock import SystemClock
from autopilot.base.errors import TerminalError
from autopilot.kube.client import NotFound
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.sandbox.demo import manifests
from autopilot.sandbox.demo.flights import CANARIES
from autopilot.sandbox.demo.observer import Observer, canary_weight
from autopilot.sandbox.demo.operator import Operator, configure, follow, scaffold
from autopilot.sandbox.load.generator import LoadGenerator, Target
from autopilot.sandbox.load.stats import reaction
from benchmarks.figures import first_bad_of_version, last_of_version
from benchmarks.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from autopilot.kube.client import KubeClient
    from autopilot.sandbox.box import Box
    from autopilot.sandbox.load.stats import Record

RATE = 240.0
SHARE = 20
"""Percent of the requests that the canary gets while it is measured."""

LIMIT = 0.01
"""The share of errors that the operator puts up with."""

_CANARY = f"{manifests.APP}-canary"
_PATIENCE = 90.0
_SEEN = 20.0
"""Seconds after the first scrape in which the query is asked again."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How telemetry is taken. Times are in seconds.

    Attributes:
        scrape: Between scrapes, and between the operator's queries.
        window: Of the queries.
    """

    scrape: float
    window: int


@dataclass(frozen=True, slots=True)
class Reaction:
    """One release that turned bad, in seconds of the load generator's clock.

    Attributes:
        total: From the first bad answer to the last request that the canary answered.
        scraped: From the first bad answer to the first scrape that has one.
        visible: To the moment since which the operator's own query shows the breach.
        decided: To the operator's decision.
        written: To the VirtualService's change, as a watch hears of it.
        failed: How many requests failed.
    """

    total: float
    scraped: float
    visible: float
    decided: float
    written: float
    failed: int


class Unusable(Exception):
    """A trial that doesn't measure what it should."""


class Rig:
    """The operator at work.

    Args:
        box: A running sandbox.
        home: For the project and the log.
        setting: See `Setting`.
    """

    def __init__(self, box: Box, home: Path, setting: Setting) -> None:
        self._box, self._home, self._setting = box, home, setting
        self._clock = SystemClock()
        self._observer = Observer(self._clock)
        self._prometheus = Prometheus(box.state.prometheus_url)
        self._decision: dict[str, Any] = {}
        self._moved: list[tuple[float, int]] = []
        host = f"{manifests.APP}.{manifests.NAMESPACE}"
        self._load = LoadGenerator(Target(f"{box.state.ingress_url}/", host, RATE), kept=60_000)
        self._client: KubeClient
        self._releases = 1

    @contextlib.asynccontextmanager
    async def flying(self) -> AsyncIterator[None]:
        """Install everything, run the operator and the load; all is ended afterwards."""
        async with contextlib.AsyncExitStack() as stack:
            project = self._home / "canary"
            await self._scaffold(project)
            client = await connect(str(self._box.kubeconfig), user_agent="benchmarks")
            stack.push_async_callback(client.close)
            self._client = client
            await self._install(project)
            operator = Operator(
                project,
                kubeconfig=self._box.kubeconfig,
                metrics=self._box.state.prometheus_url,
                log=self._home / "operator.log",
            )
            stack.push_async_callback(operator.stop)
            kinds = (CANARIES, KNOWN["virtualservices"], KNOWN["deployments"])
            tasks = [asyncio.create_task(self._observer.watch(client, kind)) for kind in kinds]
            tasks.append(asyncio.create_task(follow(operator.log, self._heard)))
            stack.push_async_callback(_cancel, tasks)
            self._observer.listeners.append(self._note)
            await self._observer.until(self._target_serves, what="the app's pods")
            await self._load.start()
            stack.push_async_callback(self._load.stop)
            operator.start()
            await self._observer.until(self._waiting, what="the operator", timeout=_PATIENCE)
            yield

    async def react(self, errors: float, delay: float) -> Reaction:
        """Release a version that turns bad, and see how long the operator takes.

        Args:
            errors: The share of its answers that fail, once it is bad.
            delay: Seconds for which it behaves well under traffic.

        Raises:
            Unusable: It was rolled back for another reason, or never.
        """
        began = self._clock.monotonic()
        self._decision = {}
        self._moved.clear()
        self._releases += 1
        version = f"v{self._releases}"
        bad = {"ERROR_RATE": f"{errors:g}", "ERROR_AFTER_S": f"{delay:.3f}"}
        release = manifests.Release(version, bad)
        patch = {"spec": {"template": manifests.template(release)}}
        await self._client.patch(
            KNOWN["deployments"], manifests.APP, manifests.NAMESPACE, patch, manager="kubectl"
        )
        tried = self._tried()
        try:
            await self._observer.until(
                lambda: self._tried() > tried and self._waiting(),
                what="the end of a flight",
                timeout=_PATIENCE,
            )
        except TerminalError as error:
            raise TerminalError(f"{error}; status: {self._status()}") from error
        await self._clock.sleep(1)
        return await self._reaction(version, self._load.window(began))

    async def _reaction(self, version: str, records: list[Record]) -> Reaction:
        first, last = (
            first_bad_of_version(records, version),
            last_of_version(records, version, -1),
        )
        total = reaction(records, _CANARY)
        if first is None or last is None or total is None:
            raise Unusable(f"{version} gave no bad answer: {self._decision.get('message')}")
        reads = self._decision.get("reads", [])
        read = next((one for one in reads if one["query"] == "error-rate"), None)
        if read is None or read["verdict"] != "true":
            raise Unusable(f"{version} was rolled back for {self._decision.get('message')}")
        wall = time.time() - self._clock.monotonic()
        selector = f'istio_requests_total{{destination_version="{version}",response_code=~"5.."}}'
        scrapes = await self._prometheus.scrapes(selector, first.done + wall - 0.1, time.time())
        if not scrapes:
            raise Unusable(f"{version}: no scrape has its bad answers")
        visible = await self._prometheus.breach(
            read["promql"], LIMIT, scrapes[0], scrapes[0] + _SEEN
        )
        if visible is None:
            raise Unusable(f"{version}: the query never shows the breach")
        decided = datetime.fromisoformat(self._decision["time"]).timestamp()
        written = next((at for at, weight in self._moved if weight == 0 and at > first.at), None)
        if written is None:
            raise Unusable(f"{version}: no change of the VirtualService was seen")
        return Reaction(
            total=total,
            scraped=scrapes[0] - wall - first.done,
            visible=visible - wall - first.done,
            decided=decided - wall - first.done,
            written=written - first.done,
            failed=sum(record.failed for record in records),
        )

    async def _scaffold(self, project: Path) -> None:
        names = {"kind": manifests.KIND, "group": manifests.GROUP, "version": manifests.VERSION}
        await scaffold(project, **names)
        config = {
            "workInterval": f"{self._setting.scrape * 1000:.0f}ms",
            "metricsAddr": "127.0.0.1:0",
            "enableLeaderElection": False,
            "watchNamespace": manifests.NAMESPACE,
        }
        configure(project, config)

    async def _install(self, project: Path) -> None:
        client, manager = self._client, "kubectl"
        crd = yaml.safe_load(await asyncio.to_thread((project / "deploy/crd.yaml").read_text))
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd, manager=manager)
        await client.apply(NAMESPACES, manifests.namespace(), manager=manager)
        target = manifests.deployment(manifests.V1)
        await client.apply(KNOWN["deployments"], target, manager=manager)
        await client.apply(KNOWN["services"], manifests.service(), manager=manager)
        resource = manifests.canary(
            steps=[SHARE, 100],
            interval="10m",
            window=f"{self._setting.window}s",
            max_latency="5s",
        )
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(NotFound):
                    await client.apply(CANARIES, resource, manager=manager)
                    return
                await self._clock.sleep(0.05)

    def _heard(self, line: dict[str, Any]) -> None:
        if line.get("msg") == "decision" and line.get("phase") == "Evaluating":
            self._decision = line

    def _note(self, body: dict[str, Any]) -> None:
        if body.get("kind") == "VirtualService":
            weight = canary_weight(body)
            if weight is not None and (not self._moved or self._moved[-1][1] != weight):
                self._moved.append((self._clock.monotonic(), weight))

    def _target_serves(self) -> bool:
        status = self._observer.get("Deployment", manifests.APP).get("status", {})
        return int(status.get("availableReplicas") or 0) > 0

    def _status(self) -> dict[str, Any]:
        found: dict[str, Any] = self._observer.get(manifests.KIND, manifests.APP).get("status", {})
        return found

    def _tried(self) -> int:
        # The operator keeps the last ten, so their number says nothing: the generation tried does.
        history = self._status().get("history") or [{}]
        return int(history[-1].get("observedGeneration") or 0)

    def _waiting(self) -> bool:
        weight = canary_weight(self._observer.get("VirtualService", manifests.APP))
        target = self._observer.get("Deployment", manifests.APP)
        idle = target.get("spec", {}).get("replicas") == 0
        return self._status().get("phase") == "Waiting" and idle and weight == 0


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
