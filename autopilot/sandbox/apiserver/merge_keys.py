"""How the fields of builtin kinds merge: the marks of the Kubernetes API's types, as a table.

Strategic merge reads a list's patch key and strategy, server-side apply its list type and map
keys. Only fields with a mark, or on the way to one, are listed: any other list is atomic, any other
object merges member by member.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """The marks of one field.

    Attributes:
        type: A key of `TYPES`: the field's type, or its items'; empty where nothing below counts.
        list_type: `atomic`, `set` or `map` for server-side apply.
        keys: The keys of a `map` list.
        patch_key: The key that strategic merge finds items by; empty: the list is replaced, unless
            it is a set.
        replace: Strategic merge replaces the whole, even an object.
        atomic: Server-side apply takes an object as one value.
    """

    type: str = ""
    list_type: str = "atomic"
    keys: tuple[str, ...] = ()
    patch_key: str = ""
    replace: bool = False
    atomic: bool = False


def _of(type_: str) -> Field:
    return Field(type_)


def _keyed(type_: str, *keys: str) -> Field:
    return Field(type_, list_type="map", keys=keys, patch_key=keys[0])


def _patched(type_: str, key: str) -> Field:
    """Merged by strategic merge, atomic for server-side apply."""
    return Field(type_, patch_key=key)


_ATOMIC = Field(atomic=True)
_SET = Field(list_type="set")
_CONDITIONS = _keyed("", "type")
_SELECTOR = Field(atomic=True)

KEY_DEFAULTS = {"protocol": "TCP"}
"""The values of map keys that an item leaves out."""

ALWAYS_THERE = frozenset({"metadata", "spec", "status", "template", "strategy", "containers"})
"""Members that the API's types always have, so that no writer comes to own their existence."""

_WORKLOAD = {"template": _of("PodTemplate"), "selector": _SELECTOR}

TYPES: dict[str, dict[str, Field]] = {
    "ObjectMeta": {
        "finalizers": _SET,
        "ownerReferences": _keyed("", "uid"),
        "managedFields": Field(replace=True),
    },
    "PodTemplate": {"metadata": _of("ObjectMeta"), "spec": _of("PodSpec")},
    "PodSpec": {
        "containers": _keyed("Container", "name"),
        "initContainers": _keyed("Container", "name"),
        "ephemeralContainers": _keyed("Container", "name"),
        "volumes": _keyed("", "name"),
        "imagePullSecrets": _keyed("", "name"),
        "hostAliases": _keyed("", "ip"),
        "topologySpreadConstraints": _keyed("Spread", "topologyKey", "whenUnsatisfiable"),
        "schedulingGates": _keyed("", "name"),
        "resourceClaims": _keyed("", "name"),
        "nodeSelector": _ATOMIC,
        "affinity": _of("Affinity"),
    },
    "Spread": {"labelSelector": _SELECTOR},
    "Affinity": {"nodeAffinity": _of("NodeAffinity")},
    "NodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _ATOMIC},
    "Container": {
        "ports": _keyed("", "containerPort", "protocol"),
        "env": _keyed("EnvVar", "name"),
        "volumeMounts": _keyed("", "mountPath"),
        "volumeDevices": _keyed("", "devicePath"),
        "resources": _of("Resources"),
    },
    "Resources": {"claims": Field(list_type="map", keys=("name",))},
    "EnvVar": {"valueFrom": _of("EnvVarSource")},
    "EnvVarSource": {
        "configMapKeyRef": _ATOMIC,
        "secretKeyRef": _ATOMIC,
        "fieldRef": _ATOMIC,
        "resourceFieldRef": _ATOMIC,
    },
    "Pod": {"spec": _of("PodSpec"), "status": _of("PodStatus")},
    "PodStatus": {
        "conditions": _CONDITIONS,
        "podIPs": _keyed("", "ip"),
        "hostIPs": _patched("", "ip"),
        "resourceClaimStatuses": _keyed("", "name"),
    },
    "Conditions": {"conditions": _CONDITIONS},
    "JobStatus": {"conditions": _patched("", "type")},
    "Workload": {"spec": _of("WorkloadSpec"), "status": _of("Conditions")},
    "WorkloadSpec": _WORKLOAD,
    "Job": {"spec": _of("WorkloadSpec"), "status": _of("JobStatus")},
    "CronJob": {"spec": _of("CronJobSpec")},
    "CronJobSpec": {"jobTemplate": _of("JobTemplate")},
    "JobTemplate": {"metadata": _of("ObjectMeta"), "spec": _of("WorkloadSpec")},
    "ReplicationController": {"spec": _of("ReplicationSpec"), "status": _of("Conditions")},
    "ReplicationSpec": {"template": _of("PodTemplate"), "selector": _ATOMIC},
    "PodTemplateObject": {"template": _of("PodTemplate")},
    "Service": {"spec": _of("ServiceSpec"), "status": _of("Conditions")},
    "ServiceSpec": {
        "ports": Field("", list_type="map", keys=("port", "protocol"), patch_key="port"),
        "selector": _ATOMIC,
    },
    "ServiceAccount": {"secrets": _keyed("", "name")},
    "Namespace": {"status": _of("Conditions")},
    "Node": {"spec": _of("NodeSpec"), "status": _of("NodeStatus")},
    "NodeSpec": {"podCIDRs": _SET},
    "NodeStatus": {"conditions": _CONDITIONS, "addresses": _keyed("", "type")},
    "Claim": {"spec": _of("ClaimSpec"), "status": _of("Conditions")},
    "ClaimSpec": {"selector": _SELECTOR, "dataSource": _ATOMIC},
    "Event": {"involvedObject": _ATOMIC, "related": _ATOMIC},
    "Status": {"status": _of("Conditions")},
    "Budget": {"spec": _of("BudgetSpec"), "status": _of("Conditions")},
    "BudgetSpec": {"selector": Field(atomic=True, replace=True)},
    "Policy": {"spec": _of("PolicySpec")},
    "PolicySpec": {"podSelector": _SELECTOR},
    "Webhooks": {"webhooks": _keyed("Webhook", "name")},
    "Webhook": {"namespaceSelector": _SELECTOR, "objectSelector": _SELECTOR},
    "Binding": {"roleRef": _ATOMIC},
}
"""By type name: the fields that have a mark."""

KINDS: dict[tuple[str, str], str] = {
    ("", "Pod"): "Pod",
    ("", "PodTemplate"): "PodTemplateObject",
    ("", "ReplicationController"): "ReplicationController",
    ("", "Service"): "Service",
    ("", "ServiceAccount"): "ServiceAccount",
    ("", "Namespace"): "Namespace",
    ("", "Node"): "Node",
    ("", "PersistentVolumeClaim"): "Claim",
    ("", "Event"): "Event",
    ("apps", "Deployment"): "Workload",
    ("apps", "ReplicaSet"): "Workload",
    ("apps", "StatefulSet"): "Workload",
    ("apps", "DaemonSet"): "Workload",
    ("batch", "Job"): "Job",
    ("batch", "CronJob"): "CronJob",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "Status",
    ("apiregistration.k8s.io", "APIService"): "Status",
    ("autoscaling", "HorizontalPodAutoscaler"): "Status",
    ("policy", "PodDisruptionBudget"): "Budget",
    ("networking.k8s.io", "NetworkPolicy"): "Policy",
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): "Webhooks",
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): "Webhooks",
    ("rbac.authorization.k8s.io", "RoleBinding"): "Binding",
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): "Binding",
}
"""By (group, kind): the type of the whole object."""

_OBJECT_META = _of("ObjectMeta")


def fields_of(group: str, kind: str) -> dict[str, Field]:
    """The marked fields of a kind's root; metadata is among them for any kind."""
    return {"metadata": _OBJECT_META, **TYPES.get(KINDS.get((group, kind), ""), {})}
