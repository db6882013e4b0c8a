"""What the tests of the mesh share: bodies, and a resource that owns things."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autopilot.base.clock import VirtualClock
from autopilot.kube.apply import Applier
from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.mesh.execute import Executor, execute
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.provider import Owner, Snapshot
from autopilot.mesh.repairs import Repairs
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.base.errors import AutopilotError
    from autopilot.kube.client import Body, KubeClient
    from autopilot.mesh.actions import Action
    from autopilot.mesh.steps import Change, Plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CANARY = ResourceType("example.io", "v1", "canaries", "Canary")
DEPLOYMENTS = KNOWN["deployments"]
VIRTUAL_SERVICES = KNOWN["virtualservices"]
SLICES = KNOWN["endpointslices"]
SERVICES = KNOWN["services"]
DESTINATION_RULES = KNOWN["destinationrules"]
WATCHED = (DEPLOYMENTS, VIRTUAL_SERVICES, DESTINATION_RULES, SLICES, SERVICES)


def owner(name: str = "web", uid: str = "uid-1") -> Owner:
    return Owner(CANARY, "demo", name, uid, "canary")


def deployment(name: str, replicas: int, **annotations: str) -> Body:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "demo", "annotations": annotations},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


def endpoints(service: str, ready: int, namespace: str = "demo") -> Body:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-x",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [f"10.0.0.{n + 1}"], "conditions": {"ready": True}} for n in range(ready)
        ]
        + [{"addresses": ["10.0.1.1"], "conditions": {"ready": False}}],
    }


def service(name: str) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    }


def foreign(name: str, hosts: list[str], namespace: str = "demo", **spec: Any) -> Body:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "spec": {"hosts": hosts, "http": [{"route": [{"destination": {"host": name}}]}], **spec},
    }


def snapshot(**bodies: list[Body]) -> Snapshot:
    return Snapshot({KNOWN[plural]: found for plural, found in bodies.items()})


@dataclass
class Runtime:
    """The smallest loop: observe by listing, plan, execute."""

    client: KubeClient
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that lives in memory."""
        applier = Applier(self.client, "autopilot.canary")
        hands = Hands(self.client, self.clock, Drift(self.clock))
        self.executor = Executor(
            self.client, applier, Repairs(self.clock), "autopilot.canary", hands=hands
        )

    async def world(self) -> Snapshot:
        """As caches have it: without the owners of fields."""
        found = {kind: (await self.client.list(kind)).items for kind in WATCHED}
        for body in (body for bodies in found.values() for body in bodies):
            body["metadata"].pop("managedFields", None)
        return Snapshot(found)

    async def plan(self, actions: Sequence[Action], who: Owner | None = None) -> Plan:
        return Istio().plan(who or owner(), actions, await self.world(), NOW)

    async def plan_without_routes(self, *actions: Action) -> Plan:
        """Plan while no route can be listed, as before the first one is made."""
        kinds = [kind for kind in WATCHED if kind != VIRTUAL_SERVICES]
        bodies = {kind: (await self.client.list(kind)).items for kind in kinds}
        return Istio().plan(owner(), actions, Snapshot({**bodies, VIRTUAL_SERVICES: []}), NOW)

    async def sync(
        self, *actions: Action, who: Owner | None = None
    ) -> tuple[list[Change], list[AutopilotError]]:
        return await execute(await self.plan(actions, who), self.executor)

    async def replicas(self, name: str) -> int:
        found = await self.client.get(DEPLOYMENTS, name, "demo")
        count: int = found["spec"]["replicas"]
        return count

    async def weights(self, name: str = "web") -> dict[str, int]:
        found = await self.client.get(VIRTUAL_SERVICES, name, "demo")
        routes = found["spec"]["http"][0]["route"]
        return {route["destination"]["host"]: route["weight"] for route in routes}
