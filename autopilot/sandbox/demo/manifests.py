"""What a demo puts into its sandbox: a namespace, a Deployment, a Service, a Canary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.client import Body

NAMESPACE = "shop"
APP = "web"
GROUP, VERSION, KIND = "demo.autopilot.mesh", "v1alpha1", "Canary"
PORT = 8080


@dataclass(frozen=True, slots=True)
class Release:
    """One version of the app and how it behaves.

    Attributes:
        version: As its answers name it.
        environment: The sandbox's knobs, like `ERROR_RATE`.
    """

    version: str
    environment: Mapping[str, str]

    def env(self) -> list[dict[str, str]]:
        """The container's environment."""
        values = {"VERSION": self.version, "LATENCY_MS": "8", **self.environment}
        return [{"name": name, "value": value} for name, value in values.items()]


V1 = Release("v1", {})
V2 = Release("v2", {})
V3 = Release("v3", {"ERROR_RATE": "0.05", "ERROR_CODE": "500"})
V4 = Release("v4", {"SLOW_RATE": "0.05", "SLOW_MS": "300"})


def namespace() -> Body:
    """Where the demo lives."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def deployment(release: Release, *, name: str = APP, app: str = "", replicas: int = 2) -> Body:
    """The user's own Deployment.

    Args:
        release: What its pods are.
        name: Its name.
        app: The label that a Service selects by; the name where it is empty.
        replicas: How many pods.
    """
    # Versions that stand side by side are told apart; a release that replaces another is not.
    selector = {"app": app, "version": release.version} if app else {"app": name}
    app = app or name
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector},
            "template": template(release, name=app),
        },
    }


def template(release: Release, *, name: str = APP) -> dict[str, Any]:
    """The pod template of one release."""
    return {
        "metadata": {"labels": {"app": name, "version": release.version}},
        "spec": {
            "containers": [
                {
                    "name": name,
                    "image": f"example/{name}:{release.version}",
                    "ports": [{"name": "http", "containerPort": PORT}],
                    "env": release.env(),
                }
            ]
        },
    }


def service(name: str = APP) -> Body:
    """The Service that callers address."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": PORT}],
        },
    }


def canary(*, steps: list[int], interval: str, window: str, max_latency: str) -> Body:
    """The resource that the generated operator flies by."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": APP, "namespace": NAMESPACE},
        "spec": {
            "deployment": APP,
            "settle": "1s",
            "progressDeadline": "30s",
            "analysis": {
                "steps": steps,
                "interval": interval,
                "window": window,
                "maxErrorRate": 0.01,
                "maxLatency": max_latency,
                "quantile": 0.99,
                "minRequests": 30,
            },
        },
    }
