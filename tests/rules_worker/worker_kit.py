"""Rules on an API in virtual time: what is applied, and what is to be seen of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autopilot.testing.flight import Flight

NS = "shop"
SOURCE = {"namespace": NS, "service": "checkout,checkout-standby"}
PRIMARY = {"namespace": NS, "service": "checkout"}


def namespace(name: str = NS, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "annotations": annotations},
    }


def service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NS},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "name": "http"}]},
    }


def endpoints(name: str, ready: int, *, kind: str = "IPv4") -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{kind.lower()}",
            "namespace": NS,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": kind,
        "endpoints": [
            {"addresses": [f"10.0.0.{n + 1}"], "conditions": {"ready": n < ready}} for n in range(3)
        ],
        "ports": [{"name": "http", "port": 8080}],
    }


def route(name: str = "checkout", **more: Any) -> dict[str, Any]:
    """Somebody's own VirtualService."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": NS, "labels": {"team": "shop"}},
        "spec": {
            "hosts": [name],
            "http": [{"name": "main", "route": [{"destination": {"host": name}}], **more}],
        },
    }


def rule(name: str = "failover", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": name, "namespace": NS},
        "spec": {"target": {"service": "checkout"}, **spec},
    }


def simple(name: str = "failover", **spec: Any) -> dict[str, Any]:
    """Normal → Standby while errors, and back."""
    standby = {
        "name": "Standby",
        "actions": [{"failover": {"to": "checkout-standby"}}],
        "transitions": [
            {"to": "Normal", "when": "ready >= 1 && primary_errors < 1%", "after": "15s"}
        ],
    }
    normal = {
        "name": "Normal",
        "initial": True,
        "transitions": [{"to": "Standby", "when": "errors > 5%", "for": "10s"}],
    }
    signals = {
        "errors": {"builtin": "errorRate"},
        "primary_errors": {"query": "up", "unit": "ratio"},
        "ready": {"ready": "checkout"},
    }
    return rule(name, **{"signals": signals, "phases": [normal, standby], **spec})


def short(name: str = "failover", **failover: Any) -> dict[str, Any]:
    """The short form."""
    return rule(
        name,
        failover={
            "to": "checkout-standby",
            "when": "errors > 5% || p99 > 800ms",
            "for": "10s",
            "needs": "standby_ready >= 2",
            "return": {
                "trial": ["1%", "10%", "50%"],
                "dwell": "30s",
                "good": "primary_errors < 1% && primary_p99 < 400ms",
                "backoff": "1m..30m",
            },
            **failover,
        },
    )


def world(f: Flight) -> None:
    f.apply(
        namespace(),
        service("checkout"),
        service("checkout-standby"),
        endpoints("checkout", 3),
        endpoints("checkout-standby", 3),
        route(),
    )


def good(f: Flight) -> None:
    """All is well with the primary, whoever answers."""
    f.samples.set("error-rate", 0.001)
    f.samples.set("latency", 80.0)
    f.samples.set("primary_errors", 0.001)


def broken(f: Flight, errors: float = 0.2) -> None:
    """The primary answers with errors; callers see it while they are led to it."""
    f.samples.set("error-rate", errors)
    f.samples.set("primary_errors", errors)


def weights(f: Flight, name: str = "checkout") -> dict[str, int]:
    """Of the first route; a single destination has all."""
    found = f.get("VirtualService", name, NS)
    assert found is not None
    ways = found.at("spec.http.0.route")
    return {way["destination"]["host"].split(".")[0]: way.get("weight", 100) for way in ways}


def phase(f: Flight, name: str = "failover") -> str:
    return f.resource(name, NS).phase


def status(f: Flight, name: str = "failover") -> Any:
    return f.resource(name, NS).thaw().get("status") or {}


def condition(f: Flight, kind: str, name: str = "failover") -> dict[str, Any]:
    found = [one for one in status(f, name).get("conditions", ()) if one["type"] == kind]
    return dict(found[0]) if found else {}


def events(f: Flight, reason: str) -> list[str]:
    return [str(one["message"]) for one in f.list("Event", NS) if one["reason"] == reason]


def writes(f: Flight) -> int:
    """How many writes the API has seen, Events left out."""
    verbs = {"create", "update", "patch", "delete"}
    return sum(one.verb in verbs and one.resource != "events" for one in f.server.requests)
