"""Objects with marks, and `autopilot halt` as a process of its own, with no operator anywhere."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.clock import SystemClock
from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.kube.marks import SCALED
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands, Target, put
from autopilot.overlay.locate import Locator
from autopilot.overlay.record import Holder
from autopilot.overlay.wish import Wish

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.apiserver.server import ApiServer

VIRTUAL_SERVICES = KNOWN["virtualservices"]
RULES = ResourceType("autopilot.mesh", "v1alpha1", "rules", "Rule")
ROUTES = "/spec/http"


@dataclass
class Answer:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass
class Cluster:
    """An API without any operator."""

    server: ApiServer
    client: KubeClient
    kubeconfig: Path

    async def halt(self, *arguments: str) -> Answer:
        """Run `autopilot halt`."""
        return await self.run("halt", *arguments)

    async def run(self, *arguments: str) -> Answer:
        """Run the command."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "autopilot",
            *arguments,
            "--kubeconfig",
            str(self.kubeconfig),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Answer(process.returncode or 0, out.decode(), err.decode())

    async def service(self, name: str, *, ready: int = 1) -> None:
        """A service with a standby and somebody's own route."""
        for each in (name, f"{name}-standby"):
            self.server.store.create(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": each, "namespace": "shop"},
                    "spec": {"selector": {"app": each}, "ports": [{"port": 80}]},
                }
            )
            self.server.store.create(endpoints(each, ready if each == name else 1))
        await self.client.apply(VIRTUAL_SERVICES, route(name), manager="helm")

    async def overlay(self, name: str, action: str, holder: Holder, **fields: Any) -> None:
        """Lay an overlay, as an operator does."""
        clock = SystemClock()
        hands = Hands(self.client, clock, Drift(clock))
        hazard = action in {"fault", "mirror"}
        wish = Wish(
            holder,
            action,
            "hazard" if hazard else "protection",
            Locator(ROUTES, "main"),
            {f"/{key}": value for key, value in fields.items()},
        )
        await put(hands, Target(VIRTUAL_SERVICES, name, "shop"), wish)

    async def fault(self, name: str, holder: Holder) -> None:
        """A fault."""
        abort = {"abort": {"httpStatus": 503, "percentage": {"value": 10}}}
        await self.overlay(name, "fault", holder, fault=abort)

    async def failover(self, name: str, holder: Holder) -> None:
        """All requests to the standby."""
        to = [
            {"destination": {"host": name}, "weight": 0},
            {"destination": {"host": f"{name}-standby"}, "weight": 100},
        ]
        await self.overlay(name, "failover", holder, route=to)

    async def get(self, name: str) -> Body:
        """A route's object."""
        return await self.client.get(VIRTUAL_SERVICES, name, "shop")


def holder(name: str, uid: str = "") -> Holder:
    return Holder("Rule", "shop", name, uid or f"uid-{name}")


def route(name: str) -> Body:
    return {
        "apiVersion": VIRTUAL_SERVICES.api_version,
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop", "labels": {"team": "shop"}},
        "spec": {
            "hosts": [name],
            "http": [{"name": "main", "route": [{"destination": {"host": name}}]}],
        },
    }


def endpoints(name: str, ready: int) -> Body:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready > 0}}],
    }


def scaled(name: str, who: Holder, replicas: int = 0, before: int = 3) -> Body:
    """A Deployment whose replicas are held."""
    mark = {
        "kind": who.kind,
        "namespace": who.namespace,
        "name": who.name,
        "uid": who.uid,
        "before": before,
        "after": replicas,
        "at": "2026-01-01T00:00:00+00:00",
        "seen": replicas,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "annotations": {SCALED: json.dumps(mark)},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    }


def plain(body: Body) -> Body:
    """What "as before" means: all but versions and times."""
    meta = body["metadata"]
    owners = [
        {key: value for key, value in each.items() if key != "time"}
        for each in meta.get("managedFields") or []
    ]
    return {
        "spec": body["spec"],
        "labels": meta.get("labels") or {},
        "annotations": meta.get("annotations") or {},
        "owners": owners,
    }
