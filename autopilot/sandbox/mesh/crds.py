"""Compact CustomResourceDefinitions of the mesh kinds that the sandbox serves.

Structural, with Istio's and the Gateway API's field names typed where the sandbox or its users'
operators read them; everything else is kept as it comes.
"""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

ISTIO = "networking.istio.io"

_OPEN = "x-kubernetes-preserve-unknown-fields"
_TEXT: Body = {"type": "string"}
_INTEGER: Body = {"type": "integer"}
_BOOLEAN: Body = {"type": "boolean"}
_DURATION: Body = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"}


def _object(properties: Body | None = None, *required: str) -> Body:
    made: Body = {"type": "object", _OPEN: True}
    if properties:
        made["properties"] = properties
    if required:
        made["required"] = list(required)
    return made


def _list(items: Body) -> Body:
    return {"type": "array", "items": items}


def _map(values: Body) -> Body:
    return {"type": "object", "additionalProperties": values}


_TEXTS = _list(_TEXT)
_PERCENT = _object({"value": {"type": "number", "minimum": 0, "maximum": 100}})
_MATCH_TEXT = _object({"exact": _TEXT, "prefix": _TEXT, "regex": _TEXT})
_PORT_NUMBER = {"type": "integer", "minimum": 0, "maximum": 65535}
_DESTINATION = _object(
    {"host": _TEXT, "subset": _TEXT, "port": _object({"number": _PORT_NUMBER})}, "host"
)
_CHANGES = _object({"set": _map(_TEXT), "add": _map(_TEXT), "remove": _TEXTS})
_HEADERS = _object({"request": _CHANGES, "response": _CHANGES})


def _match() -> Body:
    return _object(
        {
            "name": _TEXT,
            "uri": _MATCH_TEXT,
            "scheme": _MATCH_TEXT,
            "method": _MATCH_TEXT,
            "authority": _MATCH_TEXT,
            "headers": _map(_MATCH_TEXT),
            "withoutHeaders": _map(_MATCH_TEXT),
            "queryParams": _map(_MATCH_TEXT),
            "ignoreUriCase": _BOOLEAN,
            "port": _PORT_NUMBER,
            "sourceLabels": _map(_TEXT),
            "sourceNamespace": _TEXT,
            "gateways": _TEXTS,
        }
    )


def _fault() -> Body:
    delay = {"fixedDelay": _DURATION, "percentage": _PERCENT, "percent": _INTEGER}
    abort = {"httpStatus": _INTEGER, "grpcStatus": _TEXT, "percentage": _PERCENT}
    return _object({"delay": _object(delay), "abort": _object(abort)})


def _http() -> Body:
    weighted = {"destination": _DESTINATION, "weight": _INTEGER, "headers": _HEADERS}
    retries = {
        "attempts": _INTEGER,
        "perTryTimeout": _DURATION,
        "retryOn": _TEXT,
        "backoff": _DURATION,
        "retryIgnorePreviousHosts": {**_BOOLEAN, "nullable": True},
    }
    redirect = {
        "uri": _TEXT,
        "authority": _TEXT,
        "port": _PORT_NUMBER,
        "scheme": _TEXT,
        "redirectCode": _INTEGER,
    }
    rewrite = {
        "uri": _TEXT,
        "authority": _TEXT,
        "uriRegexRewrite": _object({"match": _TEXT, "rewrite": _TEXT}),
    }
    mirror = {"destination": _DESTINATION, "percentage": _PERCENT}
    return _object(
        {
            "name": _TEXT,
            "match": _list(_match()),
            "route": _list(_object(weighted, "destination")),
            "redirect": _object(redirect),
            "directResponse": _object(
                {"status": _INTEGER, "body": _object({"string": _TEXT, "bytes": _TEXT})}, "status"
            ),
            "timeout": _DURATION,
            "retries": _object(retries),
            "fault": _fault(),
            "mirror": _DESTINATION,
            "mirrorPercentage": _PERCENT,
            "mirrors": _list(_object(mirror, "destination")),
            "rewrite": _object(rewrite),
            "headers": _HEADERS,
        }
    )


def _virtual_service() -> Body:
    return _object(
        {"hosts": _TEXTS, "gateways": _TEXTS, "exportTo": _TEXTS, "http": _list(_http())}
    )


def _traffic_policy() -> Body:
    tcp = {"maxConnections": _INTEGER, "connectTimeout": _DURATION}
    http = {
        "http1MaxPendingRequests": _INTEGER,
        "http2MaxRequests": _INTEGER,
        "maxRequestsPerConnection": _INTEGER,
        "maxRetries": _INTEGER,
        "idleTimeout": _DURATION,
    }
    count = {**_INTEGER, "nullable": True}
    outliers = {
        "consecutive5xxErrors": count,
        "consecutiveGatewayErrors": count,
        "consecutiveLocalOriginFailures": count,
        "consecutiveErrors": _INTEGER,
        "splitExternalLocalOriginErrors": _BOOLEAN,
        "interval": _DURATION,
        "baseEjectionTime": _DURATION,
        "maxEjectionPercent": _INTEGER,
        "minHealthPercent": _INTEGER,
    }
    places = {
        "enabled": {**_BOOLEAN, "nullable": True},
        "distribute": _list(_object({"from": _TEXT, "to": _map(_INTEGER)})),
        "failover": _list(_object({"from": _TEXT, "to": _TEXT})),
        "failoverPriority": _TEXTS,
    }
    return _object(
        {
            "connectionPool": _object({"tcp": _object(tcp), "http": _object(http)}),
            "loadBalancer": _object({"simple": _TEXT, "localityLbSetting": _object(places)}),
            "outlierDetection": _object(outliers),
        }
    )


def _destination_rule() -> Body:
    policy = _traffic_policy()
    subset = {"name": _TEXT, "labels": _map(_TEXT), "trafficPolicy": policy}
    return _object(
        {
            "host": _TEXT,
            "exportTo": _TEXTS,
            "trafficPolicy": policy,
            "subsets": _list(_object(subset, "name")),
        },
        "host",
    )


def _gateway() -> Body:
    port = _object({"number": _INTEGER, "protocol": _TEXT, "name": _TEXT})
    server = _object({"port": port, "hosts": _TEXTS, "name": _TEXT})
    return _object({"selector": _map(_TEXT), "servers": _list(server)})


def _service_entry() -> Body:
    port = _object({"number": _INTEGER, "protocol": _TEXT, "name": _TEXT, "targetPort": _INTEGER})
    endpoint = _object({"address": _TEXT, "ports": _map(_INTEGER), "labels": _map(_TEXT)})
    return _object(
        {
            "hosts": _TEXTS,
            "addresses": _TEXTS,
            "ports": _list(port),
            "location": _TEXT,
            "resolution": _TEXT,
            "endpoints": _list(endpoint),
            "exportTo": _TEXTS,
        }
    )


def _authorization_policy() -> Body:
    selector = _object({"matchLabels": _map(_TEXT)})
    return _object({"action": _TEXT, "selector": selector, "rules": _list(_object())})


def _http_route() -> Body:
    backend = _object(
        {"name": _TEXT, "namespace": _TEXT, "port": _INTEGER, "weight": _INTEGER}, "name"
    )
    rule = {
        "name": _TEXT,
        "matches": _list(_object()),
        "filters": _list(_object()),
        "backendRefs": _list(backend),
    }
    parent = _object({"name": _TEXT, "namespace": _TEXT, "sectionName": _TEXT}, "name")
    return _object(
        {"parentRefs": _list(parent), "hostnames": _TEXTS, "rules": _list(_object(rule))}
    )


def _column(name: str, path: str, kind: str = "string") -> Body:
    return {"name": name, "type": kind, "jsonPath": path}


_AGE = _column("Age", ".metadata.creationTimestamp", "date")


def _definition(kind: str, plural: str, group: str, spec: Body, **more: Any) -> Body:
    # As their owners serve them; the first is the one that is stored.
    versions = ["v1", "v1beta1", *(["v1alpha3"] if group == ISTIO else [])]
    schema = {
        "type": "object",
        "properties": {"spec": spec, "status": {"type": "object", _OPEN: True}},
    }
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "categories": more.get("categories", ["istio-io", group.replace(".", "-")]),
    }
    if more.get("short"):
        names["shortNames"] = more["short"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": index == 0,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [*more.get("columns", []), _AGE],
                }
                for index, version in enumerate(versions)
            ],
        },
    }


def crds() -> list[Body]:
    """The definitions, to be applied before anything of these kinds."""
    istio, security = ISTIO, "security.istio.io"
    hosts = _column("Hosts", ".spec.hosts")
    return [
        _definition(
            *("VirtualService", "virtualservices", istio, _virtual_service()),
            short=["vs"],
            columns=[_column("Gateways", ".spec.gateways"), hosts],
        ),
        _definition(
            *("DestinationRule", "destinationrules", istio, _destination_rule()),
            short=["dr"],
            columns=[_column("Host", ".spec.host")],
        ),
        _definition("Gateway", "gateways", istio, _gateway(), short=["gw"]),
        _definition(
            *("ServiceEntry", "serviceentries", istio, _service_entry()),
            short=["se"],
            columns=[
                hosts,
                _column("Location", ".spec.location"),
                _column("Resolution", ".spec.resolution"),
            ],
        ),
        _definition(
            *("AuthorizationPolicy", "authorizationpolicies", security, _authorization_policy()),
            short=["ap"],
            columns=[_column("Action", ".spec.action")],
        ),
        _definition(
            *("HTTPRoute", "httproutes", "gateway.networking.k8s.io", _http_route()),
            columns=[_column("Hostnames", ".spec.hostnames")],
            categories=["gateway-api"],
        ),
    ]
