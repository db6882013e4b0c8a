"""A canary operator in virtual time: its objects, and what must hold at every moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autopilot.testing import kills

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.testing.flight import Flight

KIND, API_VERSION = "Canary", "demo.autopilot.mesh/v1alpha1"
KINDS = (KIND, "Deployment", "Service", "VirtualService")


def deployment(image: str, *, name: str = "web", replicas: int | None = 3) -> dict[str, Any]:
    count = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            **count,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


def release(image: str) -> dict[str, Any]:
    """The target with another image, its replicas left as they are."""
    return deployment(image, replicas=None)


def service(name: str = "web") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def canary(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {
            "deployment": "web",
            "settle": "1s",
            "progressDeadline": "20s",
            "analysis": {"steps": [50, 100], "interval": "4s", "window": "4s"},
            **spec,
        },
    }


def weights(f: Flight, name: str = "web") -> dict[str, int]:
    route = f.get("VirtualService", name)
    if route is None:
        return {}
    return {
        destination["destination"]["host"].split(".")[0]: destination["weight"]
        for destination in route.at("spec.http.0.route")
    }


def share(f: Flight) -> int:
    return weights(f).get("web-canary", 0)


def image(f: Flight, name: str) -> str:
    found = f.get("Deployment", name)
    return "" if found is None else str(found.at("spec.template.spec.containers.0.image"))


def replicas(f: Flight, name: str = "web") -> int:
    found = f.get("Deployment", name)
    return -1 if found is None else int(found.at("spec.replicas"))


def endpoints(f: Flight, name: str) -> int:
    found = f.get("EndpointSlice", f"{name}-flight")
    return 0 if found is None else len(found.at("endpoints", ()))


def check(f: Flight) -> None:
    """Nobody sends requests to nothing, and an idle target has a primary that serves."""
    for destination, weight in weights(f).items():
        assert weight == 0 or endpoints(f, destination) > 0, f"{weight} % to nothing: {destination}"
    if replicas(f) == 0:
        assert replicas(f, "web-primary") > 0, "the target is idle, and so is the primary"


def good(f: Flight) -> None:
    f.samples.set("error_rate", 0.001)
    f.samples.set("latency", 80.0)


async def take_off(f: Flight, **spec: Any) -> None:
    """Up to the point where the primary serves v1 and the target is idle."""
    good(f)
    f.apply(deployment("web:v1"), service(), canary(**spec))
    await f.until(lambda: f.resource().phase == "Waiting" and replicas(f) == 0, within="1m")
    assert weights(f) == {"web-primary": 100, "web-canary": 0}


def ended(f: Flight) -> list[bool]:
    """How each evaluation ended."""
    return [bool(a["promotionSucceeded"]) for a in f.resource().at("status.history", ())]


def mark(f: Flight) -> dict[str, Any] | None:
    target = f.get("Deployment", "web")
    text = target.at("metadata.annotations", {}).get("autopilot.mesh/scaled") if target else None
    return json.loads(text) if text else None


async def fly_dying(f: Flight, done: Callable[[], bool]) -> int:
    """Go on until `done`, with a kill after every single write; how many kills it took."""
    return await kills.fly_dying(f, done, lambda: check(f), KINDS)
