"""The soak: kills, deletions and trouble with the API at random; in the end nothing is left.

`AUTOPILOT_SOAK_SEED` repeats a run's choices (the moments are the machine's own).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from chaos_cluster import EXPERIMENTS, VERDICTS, VS, plain, until

from autopilot.sandbox.apiserver.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from chaos_cluster import Cluster, Controller

pytestmark = [pytest.mark.envoy, pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = 50
EVENTS = 200
AT_ONCE = 12
LONGEST = 600.0
"""Seconds for everything."""

_AGENT = "autopilot/controller"
_TROUBLE = (
    {"effect": "status", "status": 409, "verb": "patch"},
    {"effect": "status", "status": 429, "retry_after": 1},
    {"effect": "status", "status": 500},
    {"effect": "status", "status": 503, "verb": "get"},
    {"effect": "cut"},
    {"effect": "cut-after", "verb": "patch"},
    {"effect": "latency", "seconds": 0.5},
    {"effect": "latency-after", "verb": "patch", "seconds": 0.5},
    {"effect": "expire", "verb": "watch"},
)
_RESOURCES = ("*", "*", EXPERIMENTS, VS, "reports.autopilot.mesh")


class Soak:
    """One run.

    Args:
        cluster: Where.
        seed: For the choices.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.left = [f"soak-{number}" for number in range(COUNT)]
        self.started: list[str] = []
        self.edited: set[str] = set()
        self.controller: Controller | None = None
        self.early: list[str] = []
        cluster.server.store.on_change(self._look)

    def _look(self, change: Any) -> None:
        """No experiment is over, or gone, before its fault is."""
        body = change.entry.body
        if body.get("kind") != "Experiment":
            return
        name, phase = body["metadata"]["name"], (body.get("status") or {}).get("phase")
        service = name.replace("soak", "service")
        if (change.type == "DELETED" or phase in VERDICTS) and service in self.cluster.faulty():
            self.early.append(f"{name} {change.type} in {phase}")

    async def run(self) -> None:
        """All events, one after the other, then peace until everything is over."""
        began = time.monotonic()
        self.controller = self.cluster.controller()
        try:
            while sum(self.done.values()) < EVENTS or self.left:
                assert time.monotonic() - began < LONGEST, self.done
                self._start_more()
                await asyncio.sleep(self.dice.uniform(0.1, 1.6))
                await self._event()
            self.cluster.server.faults.clear()
            left = LONGEST - (time.monotonic() - began)
            async with asyncio.timeout(max(60.0, left)):
                while not self.quiet():
                    assert self.controller.alive
                    await asyncio.sleep(0.1)
        finally:
            await self.controller.kill()

    def quiet(self) -> bool:
        """Whether no experiment goes on."""
        return not self._busy()

    def _busy(self) -> list[str]:
        """The experiments that go on, or wait."""
        return [
            name
            for name in self.started
            if self.cluster.find(EXPERIMENTS, name) and not self.cluster.over(name)
        ]

    def _start_more(self) -> None:
        """Keep some going, a few more than may run at once at the most, to the last event."""
        busy = self._busy()
        most = 8 + sum(self.done.values()) * COUNT // EVENTS
        while self.left and len(busy) < AT_ONCE + 3 and len(self.started) < most:
            name = self.left.pop(0)
            self.cluster.start(self._experiment(name))
            self.started.append(name)
            busy.append(name)

    def _experiment(self, name: str) -> dict[str, Any]:
        number = name.removeprefix("soak-")
        body = self.cluster.experiment(
            name, f"service-{number}", duration=f"{self.dice.randint(4, 12)}s"
        )
        if self.dice.random() < 0.3:
            delay = {"delay": {"duration": "100ms", "percentage": 50}}
            body["spec"]["faults"] = [delay]
        trigger = body["spec"]["failureConditions"][0]["trigger"]
        trigger["successRate"]["service"] = f"page-{number}"
        return body

    async def _event(self) -> None:
        kind = self.dice.choices(["kill", "delete", "api", "edit"], [6, 2, 9, 3])[0]
        if kind == "kill":
            assert self.controller is not None
            await self.controller.kill()
            await asyncio.sleep(self.dice.choice([0.0, 0.0, 0.5, 3.0]))
            self.controller = self.cluster.controller()
        elif kind == "delete":
            there = self._busy()
            if not there:
                return
            name = self.dice.choice(there)
            self.cluster.server.store.delete(EXPERIMENTS, name, self.cluster.namespace)
        elif kind == "api":
            self._trouble()
        else:
            self._edit()
        self.done[kind] += 1

    def _trouble(self) -> None:
        faults = self.cluster.server.faults
        if self.dice.random() < 0.2:
            faults.act(self.dice.choice(["cut-watches", "expire-watches", "drop-history"]))
            return
        told: dict[str, Any] = dict(self.dice.choice(_TROUBLE))
        resource = self.dice.choice(_RESOURCES)
        faults.add(Fault(**told, resource=resource, count=self.dice.randint(1, 6), agent=_AGENT))

    def _edit(self) -> None:
        """The owner changes another route and a label, whatever is going on in there."""
        name = self.dice.choice(sorted(self.cluster.originals))
        text = f"/edit-{sum(self.done.values())}"
        store, namespace = self.cluster.server.store, self.cluster.namespace
        ways = [dict(way) for way in store.get(VS, name, namespace)["spec"]["http"]]
        for way in ways:
            if way.get("name") == "old":
                way["redirect"] = {"uri": text}
        labels = {"edit": text.strip("/")}
        store.merge(VS, name, {"metadata": {"labels": labels}, "spec": {"http": ways}}, namespace)
        was = self.cluster.originals[name]
        first, *rest = was["spec"]["http"]
        spec = {**was["spec"], "http": [{**first, "redirect": {"uri": text}}, *rest]}
        edited = {"spec": spec, "labels": {**was["labels"], **labels}}
        self.cluster.originals[name] = {**was, **edited}
        self.edited.add(name)

    def changed(self) -> list[str]:
        """The routes that aren't as their owners left them; who edits owns what he edited."""
        wrong = []
        for name, wanted in self.cluster.originals.items():
            found = plain(self.cluster.get(VS, name))
            if name in self.edited:
                found["owners"] = wanted["owners"]
            if found != wanted:
                wrong.append(f"{name}: {found} instead of {wanted}")
        return wrong


async def test_whatever_happens_no_fault_is_left_and_nothing_of_anybodys_has_changed(
    cluster: Cluster, tmp_path: Path
) -> None:
    seed = int(os.environ.get("AUTOPILOT_SOAK_SEED") or random.SystemRandom().randrange(10**9))
    print(f"seed {seed}: repeat with AUTOPILOT_SOAK_SEED={seed}")
    config = tmp_path / "autopilot-config.yaml"
    config.write_text(f"config: {{chaos: {{maxAtOnce: {AT_ONCE}}}}}\n")
    cluster.config = str(config)
    numbers = range(COUNT)
    services = [f"{role}-{number}" for number in numbers for role in ("service", "page")]
    fails = {f"page-{number}": f"service-{number}" for number in numbers if number % 2}
    await cluster.open(services, passes_on=fails)
    soak = Soak(cluster, seed)
    await soak.run()
    verdicts = Counter(cluster.phase(name) for name in soak.started)
    print(f"{dict(soak.done)}; {dict(verdicts)}")
    for name in soak.started:
        if cluster.phase(name) not in {"", "Succeeded", "Failed"}:
            cause = cluster.get(EXPERIMENTS, name)["status"]["cause"]["message"]
            print(f"{name} {cluster.phase(name)}: {cause}")
    assert soak.early == []
    assert cluster.faulty() == []
    assert cluster.marked() == []
    assert soak.changed() == []
    for name in soak.started:
        if phase := cluster.phase(name):
            assert cluster.report(f"{name}-1")["spec"]["verdict"] == phase
    assert verdicts["Succeeded"] + verdicts["Failed"] > 0, "nothing was ever tried to its end"


async def test_the_faults_left_over_are_found(cluster: Cluster) -> None:
    """The soak's own eyes: what it looks for is seen where it is."""
    await cluster.open(["page"])
    body = cluster.get(VS, "page")
    ways = [dict(way) for way in body["spec"]["http"]]
    ways[1]["fault"] = {"abort": {"httpStatus": 500, "percentage": {"value": 1}}}
    cluster.server.store.merge(VS, "page", {"spec": {"http": ways}}, cluster.namespace)
    await until(lambda: cluster.faulty() == ["page"], None)
    assert cluster.changed_by_anyone() == ["page"]
