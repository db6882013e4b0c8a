"""The kinds that a project may name in plain words, and how the API spells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ResourceType:
    """What the API needs to address a kind.

    Attributes:
        group: The API group; empty for the core group.
        version: Like `v1`.
        plural: The name in URLs, lower case.
        kind: The name in bodies.
        namespaced: False for kinds that stand above namespaces.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As in a body's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As RBAC and messages spell it: `deployments.apps`, or `pods` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def collection(self, namespace: str | None = None) -> str:
        """The URL path of the collection, in a namespace or across all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            return f"{root}/namespaces/{namespace}/{self.plural}"
        return f"{root}/{self.plural}"

    def matches(self, body: dict[str, Any]) -> bool:
        """Whether a body is of this group and kind (any version)."""
        group = str(body.get("apiVersion", "")).rpartition("/")[0]
        return body.get("kind") == self.kind and group == self.group


KNOWN: dict[str, ResourceType] = {
    rt.plural: rt
    for rt in (
        ResourceType("", "v1", "events", "Event"),
        ResourceType("", "v1", "configmaps", "ConfigMap"),
        ResourceType("", "v1", "secrets", "Secret"),
        ResourceType("", "v1", "services", "Service"),
        ResourceType("", "v1", "pods", "Pod"),
        ResourceType("batch", "v1", "jobs", "Job"),
        ResourceType("apps", "v1", "deployments", "Deployment"),
        ResourceType("apps", "v1", "replicasets", "ReplicaSet"),
        ResourceType("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
        ResourceType("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        ResourceType("networking.istio.io", "v1", "virtualservices", "VirtualService"),
        ResourceType("networking.istio.io", "v1", "gateways", "Gateway"),
        ResourceType("networking.istio.io", "v1", "destinationrules", "DestinationRule"),
        ResourceType("networking.istio.io", "v1", "serviceentries", "ServiceEntry"),
        ResourceType("security.istio.io", "v1", "authorizationpolicies", "AuthorizationPolicy"),
        ResourceType("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),
    )
}
"""By the plural, which is how `autopilot.yaml` names inputs and outputs."""

METRICS = "metrics"
"""The one input that is no Kubernetes kind."""

NAMESPACES = ResourceType("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = ResourceType("", "v1", "nodes", "Node", namespaced=False)
ENDPOINTS = ResourceType("", "v1", "endpoints", "Endpoints")
LEASES = ResourceType("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE_DEFINITIONS = ResourceType(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
