"""The kinds that exist without a CustomResourceDefinition."""

from __future__ import annotations

from typing import Any

from autopilot.sandbox.apiserver.kinds import Kind, ScalePaths

_ALL = ("all",)
_STATUS = frozenset({"status"})
_SCALED = frozenset({"status", "scale"})
_WORKLOAD: dict[str, Any] = {"subresources": _SCALED, "generation": True, "categories": _ALL}
_EVENT_FIELDS = frozenset(
    {f"involvedObject.{name}" for name in
     ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")}
    | {"reason", "reportingComponent", "source", "type"}
)  # fmt: skip


def _plural(kind: str) -> str:
    lower = kind.lower()
    if lower.endswith("y") and lower[-2] not in "aeiou":
        return lower[:-1] + "ies"
    if lower == "endpoints":
        return lower
    return lower + ("es" if lower.endswith("s") else "s")


def _kind(at: str, kind: str, short: str = "", *, namespaced: bool = True, **more: Any) -> Kind:
    group, _, version = at.rpartition("/")
    plural = _plural(kind)
    fields: dict[str, Any] = {
        "singular": kind.lower(),
        "storage": f"{plural}.{group}" if group else plural,
        "list_kind": kind + "List",
        "short_names": tuple(short.split()),
        **more,
    }
    return Kind(group, version, kind, plural, namespaced, **fields)


def _core() -> list[Kind]:
    pods = frozenset({"status", "log", "eviction"})
    fields = frozenset(
        {"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase",
         "status.podIP", "spec.schedulerName"}
    )  # fmt: skip
    return [
        _kind("v1", "Namespace", "ns", namespaced=False, subresources=_STATUS,
              selectable=frozenset({"status.phase"})),
        _kind("v1", "Pod", "po", subresources=pods, generation=True, categories=_ALL,
              selectable=fields),
        _kind("v1", "Service", "svc", subresources=_STATUS, categories=_ALL,
              selectable=frozenset({"spec.clusterIP", "spec.type"})),
        _kind("v1", "Endpoints", "ep"),
        _kind("v1", "ConfigMap", "cm"),
        _kind("v1", "Secret", selectable=frozenset({"type"})),
        _kind("v1", "Event", "ev", selectable=_EVENT_FIELDS),
        _kind("v1", "ServiceAccount", "sa"),
        _kind("v1", "Node", "no", namespaced=False, subresources=_STATUS,
              selectable=frozenset({"spec.unschedulable"})),
        _kind("v1", "PersistentVolumeClaim", "pvc", subresources=_STATUS),
        _kind("v1", "PersistentVolume", "pv", namespaced=False, subresources=_STATUS),
        _kind("v1", "ReplicationController", "rc", scale=ScalePaths(), **_WORKLOAD),
        _kind("v1", "LimitRange", "limits"),
        _kind("v1", "ResourceQuota", "quota", subresources=_STATUS),
    ]  # fmt: skip


def _workloads() -> list[Kind]:
    scale = ScalePaths(selector=".spec.selector")
    return [
        _kind("apps/v1", "Deployment", "deploy", scale=scale, **_WORKLOAD),
        _kind("apps/v1", "ReplicaSet", "rs", scale=scale, **_WORKLOAD),
        _kind("apps/v1", "StatefulSet", "sts", scale=scale, **_WORKLOAD),
        _kind("apps/v1", "DaemonSet", "ds", subresources=_STATUS, generation=True, categories=_ALL),
        _kind("apps/v1", "ControllerRevision"),
        _kind("batch/v1", "Job", subresources=_STATUS, generation=True, categories=_ALL),
        _kind("batch/v1", "CronJob", "cj", subresources=_STATUS, generation=True, categories=_ALL),
        _kind(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "hpa",
            subresources=_STATUS,
            categories=_ALL,
        ),
        _kind("policy/v1", "PodDisruptionBudget", "pdb", subresources=_STATUS, generation=True),
    ]


def _cluster() -> list[Kind]:
    return [
        _kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "crd crds", namespaced=False,
              subresources=_STATUS, generation=True, categories=("api-extensions",)),
        _kind("coordination.k8s.io/v1", "Lease"),
        _kind("discovery.k8s.io/v1", "EndpointSlice"),
        _kind("events.k8s.io/v1", "Event", "ev", storage="events", stored_as="v1",
              selectable=frozenset(
            {f"regarding.{name}" for name in
             ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")}
            | {"reason", "reportingController", "type"})),
        _kind("networking.k8s.io/v1", "Ingress", "ing", subresources=_STATUS, generation=True),
        _kind("networking.k8s.io/v1", "IngressClass", namespaced=False, generation=True),
        _kind("networking.k8s.io/v1", "NetworkPolicy", "netpol", generation=True),
        _kind("rbac.authorization.k8s.io/v1", "Role"),
        _kind("rbac.authorization.k8s.io/v1", "RoleBinding"),
        _kind("rbac.authorization.k8s.io/v1", "ClusterRole", namespaced=False),
        _kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", namespaced=False),
        _kind("scheduling.k8s.io/v1", "PriorityClass", "pc", namespaced=False),
        _kind("storage.k8s.io/v1", "StorageClass", "sc", namespaced=False),
        _kind("authorization.k8s.io/v1", "SelfSubjectAccessReview", namespaced=False,
              verbs=("create",)),
        _kind("authorization.k8s.io/v1", "SelfSubjectRulesReview", namespaced=False,
              verbs=("create",)),
        _kind("authentication.k8s.io/v1", "SelfSubjectReview", namespaced=False, verbs=("create",)),
    ]  # fmt: skip


def builtin_kinds() -> list[Kind]:
    """All built-in kinds, the core group first."""
    return [*_core(), *_workloads(), *_cluster()]
