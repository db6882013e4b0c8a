"""Experiments on an API in virtual time: what is applied, and what is to be seen of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autopilot.testing.flight import Flight

NS = "shop"


def namespace(name: str = NS, **annotations: str) -> dict[str, Any]:
    notes = {"autopilot.mesh/chaos": "enabled", **annotations}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "annotations": notes},
    }


def service(name: str, home: str = NS) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": home},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "name": "http"}]},
    }


def endpoints(name: str, ready: int = 2, home: str = NS) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-ipv4",
            "namespace": home,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [f"10.0.0.{n + 1}"], "conditions": {"ready": n < ready}} for n in range(3)
        ],
        "ports": [{"name": "http", "port": 8080}],
    }


def route(name: str = "ratings", home: str = NS, **more: Any) -> dict[str, Any]:
    """Somebody's own VirtualService, with a second route that nobody experiments on."""
    main = {"name": "main", "route": [{"destination": {"host": name}}], **more}
    beta = {
        "name": "beta",
        "match": [{"uri": {"prefix": "/beta"}}],
        "route": [{"destination": {"host": "reviews"}}],
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": home, "labels": {"team": "shop"}},
        "spec": {"hosts": [name], "http": [beta, main]},
    }


ERRORS = {
    "name": "errors",
    "trigger": {"errorRate": {"service": "reviews", "window": "10s"}},
    "threshold": "10%",
}
ABORT = {"abort": {"httpStatus": 500, "percentage": 100}}


def experiment(name: str = "ratings-down", home: str = NS, **spec: Any) -> dict[str, Any]:
    made = {
        "target": {"service": "ratings"},
        "faults": [ABORT],
        "failureConditions": [ERRORS],
        "duration": "1m",
        "effect": {"verify": False},
        **spec,
    }
    return {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Experiment",
        "metadata": {"name": name, "namespace": home},
        "spec": made,
    }


def world(f: Flight) -> None:
    f.apply(namespace())
    for name in ("ratings", "reviews"):
        f.apply(service(name), endpoints(name))
    f.apply(route())
    healthy(f)


def healthy(f: Flight) -> None:
    f.samples.set("error-rate", 0.0)
    f.samples.set("success-rate", 1.0)
    f.samples.set("latency", 40.0)


def phase(f: Flight, name: str = "ratings-down") -> str:
    return f.resource(name, NS).phase


def status(f: Flight, name: str = "ratings-down") -> Any:
    return f.resource(name, NS).thaw().get("status") or {}


def verdict(f: Flight, name: str = "ratings-down") -> tuple[str, str]:
    found = status(f, name)
    return str(found.get("verdict")), str((found.get("cause") or {}).get("message"))


def phases(f: Flight, name: str = "ratings-down") -> list[str]:
    return [one["phase"] for one in status(f, name).get("phaseHistory", ())]


def faults(f: Flight) -> list[Any]:
    """All faults on all routes."""
    return [
        http["fault"]
        for body in f.list("VirtualService")
        for http in body.thaw()["spec"].get("http", ())
        if "fault" in http
    ]


def pristine(body: Any) -> Any:
    """What its author would know again."""
    found = body.thaw()
    meta = found["metadata"]
    return found["spec"], meta.get("labels") or {}, meta.get("annotations") or {}


def reports(f: Flight) -> list[str]:
    return sorted(one.name for one in f.list("Report", NS))
