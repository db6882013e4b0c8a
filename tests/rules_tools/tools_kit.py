"""What the tests of inspect, plan and explain share: bodies, and the command in its own process."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopilot.kube.kinds import ResourceType
from autopilot.overlay.locate import Locator
from autopilot.overlay.record import Holder
from autopilot.overlay.wish import Wish

if TYPE_CHECKING:
    from autopilot.kube.client import Body

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RULES = ResourceType("autopilot.mesh", "v1alpha1", "rules", "Rule")
COMMAND = Path(sys.executable).with_name("autopilot")
CHECKOUT = "checkout-failover"
HOLDER = Holder("Rule", "shop", CHECKOUT, "uid-rule")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


async def autopilot(*arguments: str, cwd: Path, **environ: str) -> Done:
    """Run the installed command; HOME is an empty place, so nothing of the user's own is read."""
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(cwd), "COLUMNS": "100", **environ}
    process = await asyncio.create_subprocess_exec(
        str(COMMAND), *arguments, cwd=cwd, env=env, stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


def body(api: str, kind: str, name: str, spec: Body | None = None, **meta: Any) -> Body:
    made: Body = {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{kind}-{name}", **meta},
    }
    return made if spec is None else {**made, "spec": spec}


def service(name: str, **meta: Any) -> Body:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return body("v1", "Service", name, {"selector": {"app": name}, "ports": ports}, **meta)


def deployment(name: str, replicas: int = 2, **meta: Any) -> Body:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return body("apps/v1", "Deployment", name, spec, **meta)


def endpoints(name: str, *zones: str, unready: int = 0) -> Body:
    ready = [
        {"addresses": [f"10.0.0.{n}"], "conditions": {"ready": True}, **({"zone": z} if z else {})}
        for n, z in enumerate(zones, 1)
    ]
    rest = [
        {"addresses": [f"10.0.1.{n}"], "conditions": {"ready": False}}
        for n in range(1, unready + 1)
    ]
    labels = {"kubernetes.io/service-name": name}
    made = body("discovery.k8s.io/v1", "EndpointSlice", f"{name}-x", labels=labels)
    return {**made, "addressType": "IPv4", "endpoints": [*ready, *rest]}


def virtual_service(name: str, *routes: Body, hosts: list[str] | None = None, **meta: Any) -> Body:
    spec = {"hosts": hosts or [name], "http": [*routes]}
    return body("networking.istio.io/v1", "VirtualService", name, spec, **meta)


def destination_rule(name: str, spec: Body) -> Body:
    return body("networking.istio.io/v1", "DestinationRule", name, {"host": name, **spec})


def to(host: str, weight: int | None = None, subset: str = "") -> Body:
    destination = {"host": host} | ({"subset": subset} if subset else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def rule(name: str = CHECKOUT, spec: Body | None = None, **status: Any) -> Body:
    failover = {
        "target": {"service": "checkout"},
        "failover": {
            "to": "checkout-standby",
            "when": "errors > 5% || p99 > 800ms",
            "for": "10s",
            "needs": "standby_ready >= 2",
            "return": {
                "gate": "ready",
                "trial": ["1%", "10%", "50%"],
                "dwell": "30s",
                "good": "primary_errors < 1% && primary_p99 < 400ms",
                "backoff": "1m..30m",
            },
        },
    }
    made = body(RULES.api_version, RULES.kind, name, spec or failover)
    return {**made, "status": status} if status else made


def shifted(holder: Holder = HOLDER, route: str = "main") -> Wish:
    """All of a route's requests on the standby."""
    wanted = [to("checkout", 0), to("checkout-standby", 100)]
    return Wish(holder, "failover", "protection", Locator("/spec/http", route), {"/route": wanted})
