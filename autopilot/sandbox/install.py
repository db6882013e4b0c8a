"""What a fresh sandbox's API is given: the mesh's kinds, its namespaces and, if asked, an app."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from autopilot.kube.client import NotFound, Unavailable
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.sandbox.mesh.crds import crds

if TYPE_CHECKING:
    from autopilot.kube.client import KubeClient

MANAGER = "sandbox"
CONTROL_PLANE = "istio-system"
DEMO_NAMESPACE = "demo"
DEMO_APP = "web"
DEMO_HOST = f"{DEMO_APP}.{DEMO_NAMESPACE}"
"""The Host header that leads to the demo app."""

_PATIENCE = 10.0
_PAUSE = 0.02


async def install(client: KubeClient, *, demo_app: bool) -> None:
    """Apply everything; again is harmless.

    Raises:
        ApiError: The API refused something.
        TimeoutError: The API didn't answer for 10 s.
    """
    async with asyncio.timeout(_PATIENCE):
        await _answering(client)
    await asyncio.gather(
        *(client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd, manager=MANAGER) for crd in crds()),
        *(
            client.apply(NAMESPACES, _namespace(name), manager=MANAGER)
            for name in (CONTROL_PLANE, DEMO_NAMESPACE)
        ),
    )
    if demo_app:
        await client.apply(KNOWN["services"], demo_service(), manager=MANAGER)
        await client.apply(KNOWN["deployments"], demo_deployment(), manager=MANAGER)


async def _answering(client: KubeClient) -> None:
    while True:
        try:
            await client.request("GET", "/version")
        except (Unavailable, NotFound):
            await asyncio.sleep(_PAUSE)
        else:
            return


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def demo_service() -> dict[str, Any]:
    """The demo app's Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": DEMO_APP, "namespace": DEMO_NAMESPACE},
        "spec": {
            "selector": {"app": DEMO_APP},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def demo_deployment() -> dict[str, Any]:
    """The demo app's Deployment; its behaviour is the environment of its template."""
    container = {
        "name": "app",
        "image": "sandbox/app:v1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "VERSION", "value": "v1"}, {"name": "LATENCY_MS", "value": "5"}],
    }
    template = {
        "metadata": {"labels": {"app": DEMO_APP, "version": "v1"}},
        "spec": {"containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEMO_APP, "namespace": DEMO_NAMESPACE, "labels": {"app": DEMO_APP}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": DEMO_APP}},
            "template": template,
        },
    }
