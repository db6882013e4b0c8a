"""What the mesh knows of the workloads: services, their ready endpoints, and the callers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh.locality import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Body = dict[str, Any]

PORTS = "sandbox.autopilot.mesh/ports"
"""Annotation on a pod: JSON `{"<containerPort>": <real port>}`."""

OUTBOUND = "sandbox.autopilot.mesh/outbound"
"""Annotation on a pod: `true` gives its workload an outbound listener."""


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """Who answers or asks, as telemetry names it; `app` and `version` may be empty."""

    namespace: str
    name: str
    app: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One ready pod behind one service port, at the port where it really listens."""

    address: str
    port: int
    workload: Workload
    labels: Mapping[str, str] = field(hash=False)
    locality: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service with the ready endpoints of each port.

    Attributes:
        ports: The numbers, as declared.
        endpoints: By port; sorted, so that the same pods give the same configuration.
    """

    namespace: str
    name: str
    ports: tuple[int, ...]
    endpoints: Mapping[int, tuple[Endpoint, ...]]

    @property
    def primary(self) -> int:
        """The port that a name without one means: 80 if there is one, else the first."""
        return 80 if 80 in self.ports else self.ports[0]


@dataclass(frozen=True, slots=True)
class Source:
    """A caller, which has an outbound listener of its own.

    Attributes:
        labels: Its pods' labels, for `sourceLabels`.
        ingress: The load client: it takes part in the mesh and is every gateway as well.
    """

    workload: Workload
    labels: Mapping[str, str] = field(default_factory=dict)
    ingress: bool = False

    @property
    def key(self) -> str:
        """As others look up its port: `namespace/workload`."""
        return f"{self.workload.namespace}/{self.workload.name}"

    @property
    def place(self) -> str:
        """Its locality; empty when it has none."""
        return self.labels.get(LABEL, "")


INGRESS = Source(
    Workload("istio-system", "loadgen", "loadgen", "unknown"), {"app": "loadgen"}, ingress=True
)
"""The load client."""


@dataclass(frozen=True, slots=True)
class World:
    """All of it at one moment."""

    services: Mapping[tuple[str, str], Service]
    sources: tuple[Source, ...]


def build(services: Iterable[Body], pods: Iterable[Body]) -> World:
    """Read Services and Pods.

    Pods that terminate or aren't ready are left out as endpoints at once; they still count as
    callers, for a caller's listener must be there before it can become ready.
    """
    by_namespace: dict[str, list[Body]] = {}  # the ready ones
    sources: dict[str, Source] = {INGRESS.key: INGRESS}
    for pod in sorted(pods, key=_age):
        if ready(pod):
            by_namespace.setdefault(pod["metadata"].get("namespace", ""), []).append(pod)
        if _calls(pod):
            # The youngest pod's labels stand: sorted by age, it comes last.
            source = Source(workload_of(pod), dict(pod["metadata"].get("labels") or {}))
            sources[source.key] = source
    built = {}
    for body in sorted(services, key=_age):
        service = _service(body, by_namespace.get(body["metadata"].get("namespace", ""), []))
        if service.ports:
            built[service.namespace, service.name] = service
    return World(built, tuple(source for _, source in sorted(sources.items())))


def workload_of(pod: Body) -> Workload:
    """The Deployment behind a pod, by its ReplicaSet's name less the template hash; else itself."""
    meta = pod["metadata"]
    labels = meta.get("labels") or {}
    name = str(meta.get("name", ""))
    for owner in meta.get("ownerReferences") or ():
        if not owner.get("controller", True):
            continue
        name = str(owner.get("name", name))
        if owner.get("kind") == "ReplicaSet":
            name = name.removesuffix(f"-{labels.get('pod-template-hash', '')}")
    app = labels.get("app") or labels.get("app.kubernetes.io/name") or ""
    version = labels.get("version") or labels.get("app.kubernetes.io/version") or ""
    return Workload(str(meta.get("namespace", "")), name, app, version)


def ready(pod: Body) -> bool:
    """Whether requests may be sent to a pod."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _age(body: Body) -> tuple[str, str, str]:
    meta = body["metadata"]
    return (
        str(meta.get("creationTimestamp", "")),
        str(meta.get("namespace", "")),
        str(meta.get("name", "")),
    )


def _calls(pod: Body) -> bool:
    if (pod["metadata"].get("annotations") or {}).get(OUTBOUND) == "true":
        return True
    containers = (pod.get("spec") or {}).get("containers") or ()
    return any(
        variable.get("name") == "UPSTREAMS" for c in containers for variable in c.get("env") or ()
    )


def _service(body: Body, pods: list[Body]) -> Service:
    meta, spec = body["metadata"], body.get("spec") or {}
    selector = spec.get("selector") or {}
    chosen = [pod for pod in pods if selector and _selected(pod, selector)]
    endpoints = {}
    for port in spec.get("ports") or ():
        target = port.get("targetPort") or port["port"]
        found = [e for pod in chosen if (e := _endpoint(pod, target)) is not None]
        endpoints[int(port["port"])] = tuple(
            sorted(found, key=lambda e: (e.workload, e.port, e.address))
        )
    return Service(str(meta.get("namespace", "")), meta["name"], tuple(endpoints), endpoints)


def _selected(pod: Body, selector: Mapping[str, str]) -> bool:
    return selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _endpoint(pod: Body, target: int | str) -> Endpoint | None:
    labels = pod["metadata"].get("labels") or {}
    number = target if isinstance(target, int) else _named_port(pod, target)
    real = _real_ports(pod).get(str(number))
    if real is None:
        return None
    address = str((pod.get("status") or {}).get("podIP") or "127.0.0.1")
    return Endpoint(address, real, workload_of(pod), dict(labels), labels.get(LABEL, ""))


def _named_port(pod: Body, name: str) -> int | str:
    if name.isdigit():
        return int(name)
    for container in (pod.get("spec") or {}).get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return name


def _real_ports(pod: Body) -> dict[str, int]:
    text = (pod["metadata"].get("annotations") or {}).get(PORTS, "")
    try:
        found = json.loads(text) if text else {}
        return {str(key): int(value) for key, value in found.items()}
    except (ValueError, TypeError, AttributeError):
        # A pod whose annotation can't be read has no known port; it gets no traffic.
        return {}
