"""Flights of the generated canary operator on the real Envoy and Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import yaml

from autopilot.kube.client import ApiError, NotFound
from autopilot.kube.kinds import KNOWN, NAMESPACES, ResourceType
from autopilot.sandbox.load.generator import LoadGenerator, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.box import Box
    from autopilot.sandbox.demo.operator import Operator
    from autopilot.sandbox.load.stats import Record

GROUP, VERSION, KIND = "demo.autopilot.mesh", "v1alpha1", "Canary"
CANARIES = ResourceType(GROUP, VERSION, "canaries", KIND)
DEPLOYMENTS, SERVICES = KNOWN["deployments"], KNOWN["services"]
VIRTUAL_SERVICES = KNOWN["virtualservices"]
RATE = 120.0
STEPS = [25, 50, 100]


@dataclass
class Air:
    """What all flights share."""

    box: Box
    client: KubeClient
    operator: Operator

    async def fault(self, **rule: Any) -> None:
        """Let the API server misbehave towards the operator."""
        await self._sandbox("POST", "faults", {"agent": "autopilot/", **rule})

    async def action(self, name: str) -> None:
        """Let the API server do something once."""
        await self._sandbox("POST", "actions", {"action": name})

    async def no_faults(self) -> None:
        """Let it behave again."""
        await self._sandbox("DELETE", "faults", None)

    async def _sandbox(self, method: str, what: str, body: Any) -> None:
        config = yaml.safe_load(self.box.kubeconfig.read_text())
        headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        url = f"{self.box.state.api_url}/sandbox/{what}"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()


def template(version: str, **env: str) -> Body:
    values = {"VERSION": version, "LATENCY_MS": "3", **env}
    return {
        "metadata": {"labels": {"app": "web", "version": version}},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": f"example/web:{version}",
                    "ports": [{"containerPort": 8080}],
                    "env": [{"name": name, "value": value} for name, value in values.items()],
                }
            ]
        },
    }


@dataclass
class Site:
    """One namespace with an app, a Canary and load."""

    air: Air
    namespace: str
    rate: float = RATE
    spec: dict[str, Any] = field(default_factory=dict)
    take_off: bool = True
    weights: list[int] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        client, space = self.air.client, self.namespace
        await client.apply(NAMESPACES, self._body("v1", "Namespace", name=space), manager="kubectl")
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
        await client.apply(SERVICES, self._body("v1", "Service", spec), manager="kubectl")
        spec = {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("v1"),
        }
        body = self._body("apps/v1", "Deployment", spec)
        await client.apply(DEPLOYMENTS, body, manager="kubectl")
        await self.until(self._available, what="v1's pods")
        self.before = await self.target()
        target = Target(f"{self.air.box.state.ingress_url}/", f"web.{space}", self.rate or 1.0)
        self.load = LoadGenerator(target)
        if self.rate:
            await self._reachable()
            await self.load.start()
        self._watching = asyncio.create_task(self._watch())
        if self.take_off:
            await self.canary()
            await self.until(self._flying, what="the take-off")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        if self.rate:
            await self.load.stop()
        with contextlib.suppress(NotFound):
            await self.air.client.delete(CANARIES, "web", self.namespace)

    async def canary(self) -> None:
        analysis = {
            "steps": STEPS,
            "interval": "1500ms",
            "window": "3s",
            "maxErrorRate": 0.02,
            "minRequests": 15,
        }
        spec = {
            "deployment": "web",
            "settle": "500ms",
            "progressDeadline": "4s",
            "analysis": analysis,
            **self.spec,
        }
        body = self._body(f"{GROUP}/{VERSION}", KIND, spec)
        await self.air.client.apply(CANARIES, body, manager="kubectl")

    async def release(self, version: str, **env: str) -> None:
        await self.patch({"template": template(version, **env)})

    async def patch(self, spec: Body, name: str = "web") -> None:
        await self.air.client.patch(
            DEPLOYMENTS, name, self.namespace, {"spec": spec}, manager="kubectl"
        )

    async def scale(self, name: str, replicas: int) -> None:
        """`kubectl scale`."""
        live = await self.get(DEPLOYMENTS, name)
        assert live is not None
        meta = {"name": name, "namespace": self.namespace}
        body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta}
        await self.air.client.replace(
            DEPLOYMENTS, {**body, "spec": {"replicas": replicas}}, subresource="scale"
        )

    async def get(self, kind: ResourceType, name: str = "web") -> Body | None:
        try:
            return await self.air.client.get(kind, name, self.namespace)
        except NotFound:
            return None

    async def target(self) -> Body:
        found = await self.get(DEPLOYMENTS)
        assert found is not None
        return found

    async def status(self) -> Body:
        found = await self.get(CANARIES)
        return dict(found.get("status") or {}) if found else {}

    async def ready(self) -> Body:
        """The condition Ready."""
        for condition in (await self.status()).get("conditions", ()):
            if condition["type"] == "Ready":
                return dict(condition)
        return {}

    async def history(self) -> list[bool]:
        return [bool(a["promotionSucceeded"]) for a in (await self.status()).get("history", ())]

    async def entered(self) -> list[str]:
        """The reasons with which phases were entered."""
        return [e.get("reason", "") for e in (await self.status()).get("phaseHistory", ())]

    def share(self) -> int:
        """The canary's, as last seen."""
        return self.weights[-1] if self.weights else 0

    async def reaches(self, weight: int, timeout: float = 30.0) -> None:
        await self.until(lambda: self.share() == weight, what=f"{weight} %", timeout=timeout)

    async def ends(self, *history: bool, timeout: float = 40.0) -> None:
        """Wait until the evaluations ended so, and the operator waits again."""

        async def over() -> bool:
            status = await self.status()
            return await self.history() == list(history) and status.get("phase") == "Waiting"

        await self.until(over, what=f"{history}", timeout=timeout)

    async def gone(self, timeout: float = 30.0) -> None:
        """Wait until the Canary is gone, with all that it made."""

        async def nothing() -> bool:
            if await self.get(CANARIES) is not None:
                return False
            made = [(DEPLOYMENTS, "primary"), (DEPLOYMENTS, "canary")]
            made += [(SERVICES, "primary"), (SERVICES, "canary")]
            left = [await self.get(kind, f"web-{role}") for kind, role in made]
            return not any(left) and await self.get(VIRTUAL_SERVICES) is None

        await self.until(nothing, what="the end of all that it made", timeout=timeout)

    def failed(self) -> list[Record]:
        return [record for record in self.load.records if record.failed]

    async def until(
        self, condition: Callable[[], Any], *, what: str, timeout: float = 30.0
    ) -> None:
        deadline = time.monotonic() + timeout
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            if time.monotonic() > deadline:
                log = self.air.operator.log.read_text(errors="replace")[-2000:]
                raise AssertionError(f"waited in vain for {what}: {await self.status()}\n{log}")
            await asyncio.sleep(0.05)

    async def _available(self) -> bool:
        return int((await self.target()).get("status", {}).get("availableReplicas") or 0) == 2

    async def _flying(self) -> bool:
        status, target = await self.status(), await self.target()
        return status.get("phase") == "Waiting" and target["spec"]["replicas"] == 0

    async def _reachable(self) -> None:
        """Envoy follows the API in its own time."""
        url, headers = f"{self.air.box.state.ingress_url}/", {"Host": f"web.{self.namespace}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def answers() -> bool:
                async with session.get(url) as answer:
                    return answer.status == 200

            await self.until(answers, what="the app through Envoy")

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(ApiError):
                listing = await self.air.client.list(VIRTUAL_SERVICES, self.namespace)
                for body in listing.items:
                    self._note(body)
                version = listing.resource_version
                async for event in self.air.client.watch(
                    VIRTUAL_SERVICES, self.namespace, resource_version=version
                ):
                    if event.type in {"ADDED", "MODIFIED"}:
                        self._note(event.object)
            await asyncio.sleep(0.1)

    def _note(self, body: Body) -> None:
        for entry in body["spec"]["http"][0]["route"]:
            if entry["destination"]["host"].split(".")[0] == "web-canary":
                weight = int(entry.get("weight", 0))
                if not self.weights or self.weights[-1] != weight:
                    self.weights.append(weight)

    def _body(
        self, version: str, kind: str, spec: Body | None = None, name: str = "web"
    ) -> dict[str, Any]:
        meta = (
            {"name": name} if kind == "Namespace" else {"name": name, "namespace": self.namespace}
        )
        body = {"apiVersion": version, "kind": kind, "metadata": meta}
        return body if spec is None else {**body, "spec": spec}
