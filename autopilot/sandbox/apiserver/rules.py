"""What the real server refuses of built-in kinds: the mistakes that people do make."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import crdrules
from autopilot.sandbox.apiserver.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind


def _required(field: str, why: str = "") -> Cause:
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def _wrong(field: str, value: Any, why: str) -> Cause:
    text = json.dumps(value, separators=(",", ":"))
    return Cause(field, "FieldValueInvalid", f"Invalid value: {text}: {why}")


def _containers(spec: Any, path: str) -> list[Cause]:
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not containers:
        return [_required(f"{path}.containers")]
    found = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        here = f"{path}.containers[{index}]"
        if not isinstance(container, dict) or not container.get("name"):
            found.append(_required(f"{here}.name"))
            continue
        if container["name"] in names:
            why = f'Duplicate value: "{container["name"]}"'
            found.append(Cause(f"{here}.name", "FieldValueDuplicate", why))
        names.add(container["name"])
        if not container.get("image"):
            found.append(_required(f"{here}.image"))
    return found


def _pod(body: Body, before: Body | None) -> list[Cause]:
    return _containers(body.get("spec"), "spec")


def _workload(body: Body, before: Body | None) -> list[Cause]:
    spec = body.get("spec") or {}
    selector = spec.get("selector")
    template = spec.get("template") or {}
    found = _count(spec, "replicas")
    if not isinstance(selector, dict) or not selector:
        found.append(_required("spec.selector"))
        selector = {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        why = "`selector` does not match template `labels`"
        found.append(_wrong("spec.template.metadata.labels", labels, why))
    if before is not None and (before.get("spec") or {}).get("selector") != selector:
        found.append(_wrong("spec.selector", selector, "field is immutable"))
    return found + _containers(template.get("spec"), "spec.template.spec")


def _job(body: Body, before: Body | None) -> list[Cause]:
    spec = body.get("spec") or {}
    pod = (spec.get("template") or {}).get("spec") or {}
    found = _containers(pod, "spec.template.spec")
    if pod.get("restartPolicy") not in ("OnFailure", "Never"):
        why = 'Unsupported value: "Always": supported values: "OnFailure", "Never"'
        field = "spec.template.spec.restartPolicy"
        found.append(Cause(field, "FieldValueNotSupported", why))
    return found


def _count(spec: Body, name: str) -> list[Cause]:
    value = spec.get(name)
    if isinstance(value, bool) or not isinstance(value, int | None):
        return [_wrong(f"spec.{name}", value, "must be an integer")]
    if value is not None and value < 0:
        return [_wrong(f"spec.{name}", value, "must be greater than or equal to 0")]
    return []


def _service(body: Body, before: Body | None) -> list[Cause]:
    spec = body.get("spec") or {}
    found: list[Cause] = []
    if spec.get("type") not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        found.append(_wrong("spec.type", spec.get("type"), "unknown service type"))
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        found.append(_required("spec.ports"))
    for index, port in enumerate(ports):
        here = f"spec.ports[{index}]"
        number = port.get("port")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 65536:
            why = "must be between 1 and 65535, inclusive"
            found.append(_wrong(f"{here}.port", number, why))
        if len(ports) > 1 and not port.get("name"):
            found.append(_required(f"{here}.name"))
    old = ((before or {}).get("spec") or {}).get("clusterIP")
    if old and spec.get("clusterIP") not in (old, "") and spec.get("type") != "ExternalName":
        found.append(_wrong("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set"))
    return found


def _data(body: Body, before: Body | None) -> list[Cause]:
    found = []
    for key, value in (body.get("data") or {}).items():
        if not isinstance(value, str):
            found.append(_wrong(f"data[{key}]", value, "must be a string"))
    if before is not None and before.get("immutable") and before.get("data") != body.get("data"):
        why = "Forbidden: field is immutable when `immutable` is set"
        found.append(Cause("data", "FieldValueForbidden", why))
    return found


def _secret(body: Body, before: Body | None) -> list[Cause]:
    found = _data(body, before)
    for key, value in (body.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            found.append(_wrong(f"data[{key}]", "", "illegal base64 data"))
    if before is not None and before.get("type") != body.get("type"):
        found.append(_wrong("type", body.get("type"), "field is immutable"))
    return found


def _lease(body: Body, before: Body | None) -> list[Cause]:
    duration = (body.get("spec") or {}).get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        return [_wrong("spec.leaseDurationSeconds", duration, "must be greater than 0")]
    return []


def _event(body: Body, before: Body | None) -> list[Cause]:
    field = "regarding" if body["apiVersion"] == "events.k8s.io/v1" else "involvedObject"
    involved = (body.get(field) or {}).get("namespace") or "default"
    if involved != body["metadata"].get("namespace"):
        why = "does not match event.namespace"
        return [_wrong(f"{field}.namespace", involved, why)]
    return []


_CHECKS: dict[str, Callable[[Body, Body | None], list[Cause]]] = {
    "pods": _pod,
    "deployments.apps": _workload,
    "replicasets.apps": _workload,
    "statefulsets.apps": _workload,
    "daemonsets.apps": _workload,
    "jobs.batch": _job,
    "services": _service,
    "configmaps": _data,
    "secrets": _secret,
    "leases.coordination.k8s.io": _lease,
    "events": _event,
    "events.events.k8s.io": _event,
    crdrules.STORAGE: crdrules.faults,
}


def faults(kind: Kind, body: Body, before: Body | None) -> list[Cause]:
    """All that is wrong with a built-in's own fields."""
    check = _CHECKS.get(kind.resource)
    return check(body, before) if check else []
