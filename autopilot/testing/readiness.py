"""Workloads without pods: every Deployment becomes ready at once, and so do its Services.

A minimal stand-in for the controllers of a cluster: it writes the statuses and the EndpointSlices
that they would write in the end, and nothing of what happens in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.sandbox.apiserver.store import Store

Body = dict[str, Any]

_SERVICE = "kubernetes.io/service-name"
_SLICES = "endpointslices.discovery.k8s.io"
_DEPLOYMENTS = "deployments.apps"


def make_ready(store: Store, name: str, namespace: str) -> bool:
    """Let all wanted pods of one Deployment be ready; whether that changed anything."""
    body = store.get(_DEPLOYMENTS, name, namespace)
    return _write_status(store, body)


def simulate(store: Store) -> bool:
    """Let every Deployment be ready, and give every Service its endpoints.

    Returns:
        Whether anything changed.
    """
    deployments = store.list(_DEPLOYMENTS)
    changed = [_write_status(store, body) for body in deployments]
    ready = [body for body in deployments if not _leaving(body)]
    changed += [_write_endpoints(store, body, ready) for body in store.list("services")]
    return any(changed)


def _write_status(store: Store, body: Body) -> bool:
    meta = body["metadata"]
    wanted = body["spec"].get("replicas", 1)
    status = {
        "observedGeneration": meta.get("generation", 1),
        "replicas": wanted,
        "updatedReplicas": wanted,
        "readyReplicas": wanted,
        "availableReplicas": wanted,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    }
    stands = body.get("status") or {}
    if all(stands.get(key) == value for key, value in status.items()):
        return False
    store.merge(
        _DEPLOYMENTS, meta["name"], {"status": status}, meta["namespace"], subresource="status"
    )
    return True


def _write_endpoints(store: Store, service: Body, deployments: list[Body]) -> bool:
    meta, selector = service["metadata"], service["spec"].get("selector") or {}
    pods = [
        f"{body['metadata']['name']}-{number}"
        for body in deployments
        if selector and body["metadata"]["namespace"] == meta["namespace"]
        if _selects(selector, body["spec"]["template"].get("metadata", {}).get("labels") or {})
        for number in range(body["spec"].get("replicas", 1))
    ]
    endpoints = [
        {
            "addresses": [f"127.0.0.{1 + number % 250}"],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": pod, "namespace": meta["namespace"]},
        }
        for number, pod in enumerate(sorted(pods))
    ]
    name = f"{meta['name']}-flight"
    stands = store.find(_SLICES, name, meta["namespace"])
    if stands is None:
        store.create(_slice(name, service, endpoints))
        return True
    if stands.get("endpoints") == endpoints:
        return False
    store.merge(_SLICES, name, {"endpoints": endpoints}, meta["namespace"])
    return True


def _slice(name: str, service: Body, endpoints: list[Body]) -> Body:
    meta = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": {_SERVICE: meta["name"]},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": meta["name"],
                    "uid": meta["uid"],
                }
            ],
        },
        "addressType": "IPv4",
        "ports": [
            {"name": port.get("name", ""), "port": port.get("port"), "protocol": "TCP"}
            for port in service["spec"].get("ports") or ()
        ],
        "endpoints": endpoints,
    }


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _leaving(body: Body) -> bool:
    return bool(body["metadata"].get("deletionTimestamp"))
