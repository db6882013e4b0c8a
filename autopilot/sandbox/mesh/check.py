"""What is wrong with an object, and which of its fields the sandbox doesn't carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh import clusters, routes

if TYPE_CHECKING:
    from collections.abc import Iterator

Body = dict[str, Any]

_TEXT = {"exact": True, "prefix": True, "regex": True}
_DESTINATION = {"host": True, "subset": True, "port": {"number": True}}
_OPERATIONS = {"set": True, "add": True, "remove": True}
_HEADERS = {"request": _OPERATIONS, "response": _OPERATIONS}
_MATCH = {
    "name": True,
    "uri": _TEXT,
    "scheme": _TEXT,
    "method": _TEXT,
    "authority": _TEXT,
    "headers": {"*": _TEXT},
    "withoutHeaders": {"*": _TEXT},
    "queryParams": {"*": _TEXT},
    "ignoreUriCase": True,
    "port": True,
    "sourceLabels": True,
    "sourceNamespace": True,
    "gateways": True,
}
_FAULT = {
    "delay": {"fixedDelay": True, "percentage": {"value": True}, "percent": True},
    "abort": {"httpStatus": True, "grpcStatus": True, "percentage": {"value": True}},
}
_HTTP = {
    "name": True,
    "match": _MATCH,
    "route": {"destination": _DESTINATION, "weight": True, "headers": _HEADERS},
    "redirect": {
        "uri": True,
        "authority": True,
        "port": True,
        "scheme": True,
        "redirectCode": True,
    },
    "directResponse": {"status": True, "body": {"string": True, "bytes": True}},
    "timeout": True,
    "retries": {
        "attempts": True,
        "perTryTimeout": True,
        "retryOn": True,
        "retryIgnorePreviousHosts": True,
        "backoff": True,
    },
    "fault": _FAULT,
    "mirror": _DESTINATION,
    "mirrorPercentage": {"value": True},
    "mirrorPercent": True,
    "mirror_percent": True,
    "mirrors": {"destination": _DESTINATION, "percentage": {"value": True}},
    "rewrite": {
        "uri": True,
        "authority": True,
        "uriRegexRewrite": {"match": True, "rewrite": True},
    },
    "headers": _HEADERS,
}
_POLICY = {
    "connectionPool": {
        "tcp": {"maxConnections": True, "connectTimeout": True},
        "http": {
            "http1MaxPendingRequests": True,
            "http2MaxRequests": True,
            "maxRequestsPerConnection": True,
            "maxRetries": True,
            "idleTimeout": True,
        },
    },
    "loadBalancer": {
        "simple": True,
        "localityLbSetting": {
            "enabled": True,
            "distribute": {"from": True, "to": True},
            "failover": {"from": True, "to": True},
            "failoverPriority": True,
        },
    },
    "outlierDetection": {
        "consecutive5xxErrors": True,
        "consecutiveErrors": True,
        "consecutiveGatewayErrors": True,
        "splitExternalLocalOriginErrors": True,
        "consecutiveLocalOriginFailures": True,
        "interval": True,
        "baseEjectionTime": True,
        "maxEjectionPercent": True,
        "minHealthPercent": True,
    },
}
_CARRIED_OUT: dict[str, Any] = {
    "VirtualService": {"hosts": True, "gateways": True, "exportTo": True, "http": _HTTP},
    "DestinationRule": {
        "host": True,
        "exportTo": True,
        "trafficPolicy": _POLICY,
        "subsets": {"name": True, "labels": True, "trafficPolicy": _POLICY},
    },
}


UNSERVED = {
    "gateways": "the ingress serves every VirtualService that names a gateway, whatever this says",
    "serviceentries": "hosts outside the sandbox are not reached",
    "authorizationpolicies": "every request is allowed",
    "httproutes": "write a VirtualService",
}
"""Kinds that can be written but are not carried out at all, by plural, and what that means."""


def problems(body: Body) -> list[str]:
    """Why an object can't be carried out at all; empty when it can."""
    if body.get("kind") == "DestinationRule":
        return clusters.problems(body)
    spec = body.get("spec") or {}
    found = [] if spec.get("hosts") else ["spec.hosts: at least one host"]
    for index, route in enumerate(spec.get("http") or ()):
        found += [f"spec.http[{index}]: {wrong}" for wrong in routes.problems(route)]
    return found


def unsupported(body: Body) -> list[str]:
    """Paths of the fields that are set and that the sandbox doesn't carry out."""
    spec = body.get("spec") or {}
    found = list(_unknown(spec, _CARRIED_OUT[body["kind"]], "spec"))
    if body["kind"] == "DestinationRule":
        if any(to != "*" for to in spec.get("exportTo") or ()):
            found.append("spec.exportTo")
        for path, item in [("spec", spec), *_numbered("spec.subsets", spec.get("subsets"))]:
            simple = ((item.get("trafficPolicy") or {}).get("loadBalancer") or {}).get("simple")
            if simple == "PASSTHROUGH":
                found.append(f"{path}.trafficPolicy.loadBalancer.simple: PASSTHROUGH")
    return sorted(found)


def _numbered(path: str, items: list[Body] | None) -> list[tuple[str, Body]]:
    return [(f"{path}[{index}]", item) for index, item in enumerate(items or ())]


def _unknown(value: Any, known: Any, path: str) -> Iterator[str]:
    if known is True:
        return
    if isinstance(value, list):
        for item_path, item in _numbered(path, value):
            yield from _unknown(item, known, item_path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            inside = known.get(key, known.get("*"))
            if inside is None:
                yield f"{path}.{key}"
            else:
                yield from _unknown(inner, inside, f"{path}.{key}")
