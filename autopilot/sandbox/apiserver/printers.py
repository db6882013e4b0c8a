"""The columns that kubectl's users know of the builtin kinds, beside the pods' own module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import ages, cells, pod_printer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    Cell = Callable[[dict[str, Any], datetime], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a Table.

    Attributes:
        name: Its heading; kubectl prints it in capitals.
        cell: From an object and the present time to the cell's value.
        type: The OpenAPI type.
        format: `name` marks the column that names the object.
        description: What it tells.
        priority: Above 0: only in wide output.
    """

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


_NAME = Column("Name", lambda obj, now: obj["metadata"].get("name", ""), format="name")
_AGE = Column("Age", lambda obj, now: ages.age(obj["metadata"].get("creationTimestamp"), now))
_CREATED = Column("Created At", cells.created, type="date")
_CONTAINERS = Column("Containers", cells.containers("name"), priority=1)
_IMAGES = Column("Images", cells.containers("image"), priority=1)
_SELECTOR = Column("Selector", cells.selector, priority=1)
_TEMPLATE = [_CONTAINERS, _IMAGES, _SELECTOR]
_EVENT = [
    Column("Last Seen", cells.event_seen),
    Column("Type", lambda obj, now: obj.get("type", "")),
    Column("Reason", lambda obj, now: obj.get("reason", "")),
    Column("Object", cells.event_subject),
    Column("Subobject", lambda obj, now: cells.event_object(obj).get("fieldPath", ""), priority=1),
    Column("Source", cells.event_source, priority=1),
    Column("Message", cells.event_message),
    Column("First Seen", cells.event_first, priority=1),
    Column("Count", cells.event_count, priority=1),
    Column("Name", lambda obj, now: obj["metadata"].get("name", ""), format="name", priority=1),
]
_SCALED = [
    Column("Desired", cells.number("spec", "replicas", 1), type="integer"),
    Column("Current", cells.number("status", "replicas"), type="integer"),
    Column("Ready", cells.number("status", "readyReplicas"), type="integer"),
]

BUILTIN: dict[tuple[str, str], list[Column]] = {
    ("", "pods"): [
        _NAME,
        Column("Ready", pod_printer.ready),
        Column("Status", pod_printer.status),
        Column("Restarts", pod_printer.restarts),
        _AGE,
        Column("IP", lambda obj, now: cells.status_of(obj).get("podIP") or "<none>", priority=1),
        Column("Node", lambda obj, now: cells.spec_of(obj).get("nodeName") or "<none>", priority=1),
        Column(
            "Nominated Node",
            lambda obj, now: cells.status_of(obj).get("nominatedNodeName") or "<none>",
            priority=1,
        ),
        Column("Readiness Gates", pod_printer.readiness_gates, priority=1),
    ],
    ("apps", "deployments"): [
        _NAME,
        Column("Ready", cells.ready("replicas", "readyReplicas")),
        Column("Up-to-date", cells.number("status", "updatedReplicas"), type="integer"),
        Column("Available", cells.number("status", "availableReplicas"), type="integer"),
        _AGE,
        *_TEMPLATE,
    ],
    ("apps", "replicasets"): [_NAME, *_SCALED, _AGE, *_TEMPLATE],
    ("apps", "statefulsets"): [
        _NAME,
        Column("Ready", cells.ready("replicas", "readyReplicas")),
        _AGE,
        _CONTAINERS,
        _IMAGES,
    ],
    ("apps", "daemonsets"): [
        _NAME,
        Column("Desired", cells.number("status", "desiredNumberScheduled"), type="integer"),
        Column("Current", cells.number("status", "currentNumberScheduled"), type="integer"),
        Column("Ready", cells.number("status", "numberReady"), type="integer"),
        Column("Up-to-date", cells.number("status", "updatedNumberScheduled"), type="integer"),
        Column("Available", cells.number("status", "numberAvailable"), type="integer"),
        _AGE,
        *_TEMPLATE,
    ],
    ("", "services"): [
        _NAME,
        Column("Type", lambda obj, now: cells.spec_of(obj).get("type", "ClusterIP")),
        Column("Cluster-IP", lambda obj, now: cells.spec_of(obj).get("clusterIP") or "<none>"),
        Column("External-IP", cells.external_ip),
        Column("Port(s)", cells.service_ports),
        _AGE,
        _SELECTOR,
    ],
    ("", "endpoints"): [_NAME, Column("Endpoints", cells.endpoints), _AGE],
    ("discovery.k8s.io", "endpointslices"): [
        _NAME,
        Column("AddressType", lambda obj, now: obj.get("addressType", "")),
        Column("Ports", cells.slice_ports),
        Column("Endpoints", cells.slice_addresses),
        _AGE,
    ],
    ("", "configmaps"): [_NAME, Column("Data", cells.count("data", "binaryData")), _AGE],
    ("", "secrets"): [
        _NAME,
        Column("Type", lambda obj, now: obj.get("type", "Opaque")),
        Column("Data", cells.count("data"), type="integer"),
        _AGE,
    ],
    ("", "namespaces"): [_NAME, Column("Status", cells.namespace_phase), _AGE],
    ("", "events"): _EVENT,
    ("events.k8s.io", "events"): _EVENT,
    ("", "nodes"): [
        _NAME,
        Column("Status", cells.node_status),
        Column("Roles", cells.node_roles),
        _AGE,
        Column("Version", cells.node_info("kubeletVersion")),
        Column("Internal-IP", cells.node_address("InternalIP"), priority=1),
        Column("External-IP", cells.node_address("ExternalIP"), priority=1),
        Column("OS-Image", cells.node_info("osImage"), priority=1),
        Column("Kernel-Version", cells.node_info("kernelVersion"), priority=1),
        Column("Container-Runtime", cells.node_info("containerRuntimeVersion"), priority=1),
    ],
    ("", "serviceaccounts"): [
        _NAME,
        Column("Secrets", cells.count("secrets"), type="integer"),
        _AGE,
    ],
    ("coordination.k8s.io", "leases"): [
        _NAME,
        Column("Holder", lambda obj, now: cells.spec_of(obj).get("holderIdentity", "")),
        _AGE,
    ],
    ("batch", "jobs"): [
        _NAME,
        Column("Status", cells.job_status),
        Column("Completions", cells.job_completions),
        Column("Duration", cells.job_duration),
        _AGE,
        *_TEMPLATE,
    ],
    ("apiextensions.k8s.io", "customresourcedefinitions"): [_NAME, _CREATED],
    ("rbac.authorization.k8s.io", "roles"): [_NAME, _CREATED],
    ("rbac.authorization.k8s.io", "clusterroles"): [_NAME, _CREATED],
}
"""By (group, plural)."""
