"""Rules under guardrails: a service with a standby, and a rule that fails over on errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autopilot.testing.flight import Flight

NS = "shop"


def namespace(name: str, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "annotations": {
                f"autopilot.mesh/{k.replace('_', '-')}": v for k, v in annotations.items()
            },
        },
    }


def world(f: Flight, ns: str = NS, *names: str) -> None:
    """Services, each with a standby, ready endpoints and somebody's own route."""
    f.apply(namespace(ns))
    for name in names or ("checkout",):
        for each in (name, f"{name}-standby"):
            meta = {"name": each, "namespace": ns}
            port = {"port": 80, "name": "http"}
            f.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": meta,
                    "spec": {"selector": {"app": each}, "ports": [port]},
                },
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {**meta, "labels": {"kubernetes.io/service-name": each}},
                    "addressType": "IPv4",
                    "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
                    "ports": [{"name": "http", "port": 8080}],
                },
            )
        f.apply(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": name, "namespace": ns},
                "spec": {
                    "hosts": [name],
                    "http": [{"name": "main", "route": [{"destination": {"host": name}}]}],
                },
            }
        )


def rule(
    name: str = "failover",
    ns: str = NS,
    *,
    service: str = "checkout",
    actions: list[dict[str, Any]] | None = None,
    target: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """Normal → Standby while the signal `bad` is above 5 %, and back."""
    default = [{"failover": {"to": f"{service}-standby"}}]
    phases = [
        {
            "name": "Normal",
            "initial": True,
            "transitions": [{"to": "Standby", "when": "bad > 5%"}],
        },
        {
            "name": "Standby",
            "actions": default if actions is None else actions,
            "transitions": [{"to": "Normal", "when": "bad < 1%"}],
        },
    ]
    return {
        "apiVersion": "autopilot.mesh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": name, "namespace": ns},
        "spec": {
            "target": {"service": service, **(target or {})},
            "signals": {"bad": {"query": "vector(0)", "unit": "ratio"}},
            "phases": phases,
            **spec,
        },
    }


def bad(f: Flight, value: float = 0.2) -> None:
    f.samples.set("bad", value)


def good(f: Flight) -> None:
    f.samples.set("bad", 0.0)


def standby(f: Flight, service: str = "checkout", ns: str = NS) -> int:
    """The standby's share."""
    found = f.get("VirtualService", service, ns)
    ways = found.at("spec.http.0.route") if found else ()
    return sum(w.get("weight", 100) for w in ways if "standby" in w["destination"]["host"])


def phase(f: Flight, name: str = "failover", ns: str = NS) -> str:
    return str(f.resource(name, ns).phase)


def condition(f: Flight, kind: str, name: str = "failover", ns: str = NS) -> dict[str, Any]:
    status = f.resource(name, ns).thaw().get("status") or {}
    return next((dict(c) for c in status.get("conditions", ()) if c["type"] == kind), {})


def reasons(f: Flight, ns: str = NS) -> list[str]:
    return [str(one["reason"]) for one in f.list("Event", ns)]
