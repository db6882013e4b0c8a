"""The Endpoints and EndpointSlices of a Service. Pure.

Every pod has the address 127.0.0.1 and ports of its own, so each is a subset and a slice of its
own: that is how Kubernetes groups addresses, too, by their set of ports.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.workloads.objects import (
    Body,
    deleting,
    finished,
    is_ready,
    labels,
    meta,
    owner_reference,
    selects,
    spec,
    uid,
)
from autopilot.sandbox.workloads.ports import real_port

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS = "127.0.0.1"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"


@dataclass(frozen=True, slots=True)
class Member:
    """A pod behind a Service."""

    pod: Body
    ports: tuple[tuple[str, int, str], ...]

    @property
    def ready(self) -> bool:
        """Whether it takes new requests."""
        return is_ready(self.pod) and not deleting(self.pod)


def has_selector(service: Body) -> bool:
    """Whether a Service's endpoints are ours to write."""
    return bool(spec(service).get("selector")) and spec(service).get("type") != "ExternalName"


def members(service: Body, pods: Iterable[Body]) -> list[Member]:
    """The selected pods that have not ended and whose ports are known, by name."""
    wanted = {"matchLabels": spec(service).get("selector") or {}}
    found = []
    for pod in pods:
        if finished(pod) or not selects(wanted, labels(pod)):
            continue
        ports = []
        for port in spec(service).get("ports") or ():
            real = real_port(pod, port)
            if real is not None:
                name, protocol = str(port.get("name") or ""), str(port.get("protocol") or "TCP")
                ports.append((name, real, protocol))
        if ports:
            found.append(Member(pod, tuple(ports)))
    return sorted(found, key=lambda member: str(meta(member.pod)["name"]))


def endpoints_of(service: Body, found: Iterable[Member]) -> Body:
    """The Endpoints object; pods that are ending are in none of its lists."""
    eager = bool(spec(service).get("publishNotReadyAddresses"))
    subsets = []
    for member in found:
        if deleting(member.pod):
            continue
        place = "addresses" if member.ready or eager else "notReadyAddresses"
        subsets.append({place: [_address(member.pod)], "ports": _ports(member)})
    name, namespace = meta(service)["name"], meta(service)["namespace"]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**labels(service), "endpoints.kubernetes.io/managed-by": MANAGER},
        },
        "subsets": subsets,
    }


def slices_of(service: Body, found: Iterable[Member]) -> list[Body]:
    """One EndpointSlice per pod; one that is ending says so and still serves."""
    eager = bool(spec(service).get("publishNotReadyAddresses"))
    return [_slice(service, member, eager=eager) for member in found]


def _slice(service: Body, member: Member, *, eager: bool) -> Body:
    name, namespace = str(meta(service)["name"]), meta(service)["namespace"]
    suffix = hashlib.blake2b(uid(member.pod).encode(), digest_size=4).hexdigest()
    endpoint: dict[str, Any] = {
        "addresses": [ADDRESS],
        "conditions": {
            "ready": member.ready or eager,
            "serving": is_ready(member.pod),
            "terminating": deleting(member.pod),
        },
        "targetRef": _reference(member.pod),
    }
    if spec(member.pod).get("nodeName"):
        endpoint["nodeName"] = spec(member.pod)["nodeName"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{suffix}",
            "namespace": namespace,
            "labels": {**labels(service), SERVICE_NAME: name, MANAGED_BY: MANAGER},
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": _ports(member),
    }


def _ports(member: Member) -> list[Body]:
    found = []
    for name, real, protocol in member.ports:
        port: Body = {"port": real, "protocol": protocol}
        found.append({"name": name, **port} if name else port)
    return found


def _address(pod: Body) -> Body:
    address: Body = {"ip": ADDRESS, "targetRef": _reference(pod)}
    if spec(pod).get("nodeName"):
        address["nodeName"] = spec(pod)["nodeName"]
    return address


def _reference(pod: Body) -> Body:
    return {
        "kind": "Pod",
        "namespace": meta(pod)["namespace"],
        "name": meta(pod)["name"],
        "uid": uid(pod),
    }
