"""What the real server fills in for built-in kinds, where clients depend on it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import crdrules

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind


def _with(body: Body | None, **values: Any) -> Body:
    """A copy with the values that are missing; the client's order first."""
    given = body or {}
    missing = {key: value for key, value in values.items() if given.get(key) is None}
    return {**given, **missing}


def _container(container: Body) -> Body:
    filled = _with(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    if ports := filled.get("ports"):
        filled["ports"] = [_with(port, protocol="TCP") for port in ports]
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if filled.get(probe):
            filled[probe] = _with(
                filled[probe], timeoutSeconds=1, periodSeconds=10, successThreshold=1,
                failureThreshold=3,
            )  # fmt: skip
            if "httpGet" in filled[probe]:
                http = _with(filled[probe]["httpGet"], path="/", scheme="HTTP")
                filled[probe] = {**filled[probe], "httpGet": http}
    return filled


def _pod_spec(spec: Body) -> Body:
    filled = _with(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        securityContext={},
    )
    for part in ("containers", "initContainers"):
        if isinstance(filled.get(part), list):
            filled[part] = [_container(c) if isinstance(c, dict) else c for c in filled[part]]
    return filled


def _template(spec: Body, **pod: Any) -> Body:
    template = spec.get("template")
    if not isinstance(template, dict):
        return spec
    inner = _pod_spec({**(template.get("spec") or {}), **pod})
    metadata = _with(template.get("metadata"), creationTimestamp=None)
    return {**spec, "template": {**template, "metadata": metadata, "spec": inner}}


def _pod(body: Body, before: Body | None) -> Body:
    spec = _pod_spec(body.get("spec") or {})
    filled = {**body, "spec": _with(spec, enableServiceLinks=True)}
    if before is None:
        filled["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    return filled


def _deployment(body: Body, before: Body | None) -> Body:
    spec = _with(body.get("spec"), replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = _with(spec.get("strategy"), type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = _with(strategy.get("rollingUpdate"), maxSurge="25%", maxUnavailable="25%")
        strategy["rollingUpdate"] = rolling
    return _new_status(body, before, _template({**spec, "strategy": strategy}))


def _replica_set(body: Body, before: Body | None) -> Body:
    spec = _template(_with(body.get("spec"), replicas=1))
    filled = _new_status(body, before, spec)
    if before is None:
        filled["status"] = {"replicas": 0}
    return filled


def _stateful_set(body: Body, before: Body | None) -> Body:
    spec = _with(
        body.get("spec"), replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady",
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    )  # fmt: skip
    filled = _new_status(body, before, _template(spec))
    if before is None:
        filled["status"] = {"replicas": 0, "availableReplicas": 0}
    return filled


def _daemon_set(body: Body, before: Body | None) -> Body:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    spec = _with(body.get("spec"), revisionHistoryLimit=10, updateStrategy=rolling)
    filled = _new_status(body, before, _template(spec))
    if before is None:
        zero = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled")
        filled["status"] = dict.fromkeys((*zero, "numberReady"), 0)
    return filled


def _job(body: Body, before: Body | None) -> Body:
    spec = _with(body.get("spec"), parallelism=1, completions=1, backoffLimit=6, suspend=False)
    spec = _with(spec, completionMode="NonIndexed")
    uid = body["metadata"].get("uid", "")
    if not spec.get("manualSelector"):
        labels = {"batch.kubernetes.io/controller-uid": uid}
        spec = _with(spec, selector={"matchLabels": labels})
        template = spec.get("template") or {}
        metadata = template.get("metadata") or {}
        marked = {
            **(metadata.get("labels") or {}),
            **labels,
            "batch.kubernetes.io/job-name": body["metadata"].get("name", ""),
            "job-name": body["metadata"].get("name", ""),
        }
        spec["template"] = {**template, "metadata": {**metadata, "labels": marked}}
    return _new_status(body, before, _template(spec))


def _cron_job(body: Body, before: Body | None) -> Body:
    spec = _with(
        body.get("spec"), concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )  # fmt: skip
    return _new_status(body, before, spec)


def _service(body: Body, before: Body | None) -> Body:
    spec = _with(body.get("spec"), type="ClusterIP", sessionAffinity="None")
    if ports := spec.get("ports"):
        spec["ports"] = [
            _with(_with(port, protocol="TCP"), targetPort=port.get("port")) for port in ports
        ]
    if spec["type"] != "ExternalName":
        if before is not None and (address := (before.get("spec") or {}).get("clusterIP")):
            spec = _with(spec, clusterIP=address)
        if not spec.get("clusterIP"):
            spec["clusterIP"] = cluster_ip(body["metadata"].get("uid", ""))
        spec = _with(
            spec,
            clusterIPs=[spec["clusterIP"]],
            ipFamilies=["IPv4"],
            ipFamilyPolicy="SingleStack",
            internalTrafficPolicy="Cluster",
        )
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec = _with(spec, externalTrafficPolicy="Cluster")
    filled = {**body, "spec": spec}
    return filled if body.get("status") else {**filled, "status": {"loadBalancer": {}}}


def cluster_ip(uid: str) -> str:
    """An address of 10.96.0.0/12 that follows from the uid: unique enough, and needs no table."""
    number = int(uid.replace("-", "")[:5] or "1", 16) % ((1 << 20) - 2) + 1
    return f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _namespace(body: Body, before: Body | None) -> Body:
    given = body["metadata"]
    labels = {**(given.get("labels") or {}), "kubernetes.io/metadata.name": given.get("name", "")}
    filled = {**body, "metadata": {**given, "labels": labels}}
    if before is None:
        return {**filled, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    return filled


def _secret(body: Body, before: Body | None) -> Body:
    filled = _with(body, type="Opaque")
    plain = filled.pop("stringData", None)
    if isinstance(plain, dict):
        coded = {k: base64.b64encode(str(v).encode()).decode() for k, v in plain.items()}
        filled["data"] = {**(filled.get("data") or {}), **coded}
    return filled


def _autoscaler(body: Body, before: Body | None) -> Body:
    filled = _new_status(body, before, _with(body.get("spec"), minReplicas=1))
    if before is None:
        filled["status"] = {"currentMetrics": None, "desiredReplicas": 0}
    return filled


def _budget(body: Body, before: Body | None) -> Body:
    filled = _new_status(body, before, body.get("spec") or {})
    if before is None:
        zero = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
        filled["status"] = dict.fromkeys(zero, 0)
    return filled


def _claim(body: Body, before: Body | None) -> Body:
    filled = _new_status(body, before, _with(body.get("spec"), volumeMode="Filesystem"))
    if before is None:
        filled["status"] = {"phase": "Pending"}
    return filled


def _endpoint_slice(body: Body, before: Body | None) -> Body:
    ports = [_with(port, name="", protocol="TCP") for port in body.get("ports") or ()]
    return {**body, "ports": ports} if ports else body


def _definition(body: Body, before: Body | None) -> Body:
    filled = crdrules.fill(body, body["metadata"].get("creationTimestamp", ""))
    if before is None:
        given = filled["metadata"]
        finalizers = [*(given.get("finalizers") or ()), crdrules.CLEANUP]
        filled["metadata"] = {**given, "finalizers": finalizers}
    return filled


def _new_status(body: Body, before: Body | None, spec: Body) -> Body:
    filled = {**body, "spec": spec}
    if before is None:
        filled.setdefault("status", {})
    return filled


_FILLERS: dict[str, Callable[[Body, Body | None], Body]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "services": _service,
    "namespaces": _namespace,
    "secrets": _secret,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "persistentvolumeclaims": _claim,
    "poddisruptionbudgets.policy": _budget,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    crdrules.STORAGE: _definition,
}


def fill(kind: Kind, body: Body, before: Body | None) -> Body:
    """A body with its kind's defaults."""
    filler = _FILLERS.get(kind.resource)
    return filler(body, before) if filler else body
