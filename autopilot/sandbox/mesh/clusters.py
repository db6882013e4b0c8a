"""Services and DestinationRules as Envoy's clusters.

One cluster for each service, port and subset. Who answers is told apart by the *endpoint's*
metadata, not the cluster's: a plain Service may select the pods of several workloads, and its load
balancing and outlier detection are over all of them, as in Istio.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh.hosts import DOMAIN, plain
from autopilot.sandbox.mesh.values import Wrong, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autopilot.sandbox.mesh.model import Endpoint, Service

Body = dict[str, Any]

_UNLIMITED = 4_294_967_295
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_BALANCERS = {
    "": "LEAST_REQUEST",
    "UNSPECIFIED": "LEAST_REQUEST",
    "LEAST_REQUEST": "LEAST_REQUEST",
    "LEAST_CONN": "LEAST_REQUEST",
    "RANDOM": "RANDOM",
    "ROUND_ROBIN": "ROUND_ROBIN",
}
IDLE = "30s"
"""How long an unused connection to a pod is kept: shorter than any server's keep-alive, so that
a request never meets a connection that the pod is just closing."""


def cluster_name(namespace: str, service: str, port: int, subset: str = "") -> str:
    """The cluster of a destination; without dots."""
    return plain(f"out~{namespace}~{service}~{port}~{subset}")


def build(service: Service, port: int, subset: str = "", rule: Body | None = None) -> Body:
    """The cluster of one port of a service, or of one subset of it.

    Args:
        service: With its ready endpoints; with none, every request is answered 503, flag UH.
        port: One of the service's.
        subset: A subset's name in `rule`; empty for the whole service.
        rule: The service's DestinationRule.
    """
    spec = (rule or {}).get("spec") or {}
    policy = dict(spec.get("trafficPolicy") or {})
    chosen: Mapping[str, Any] = next(
        (s for s in spec.get("subsets") or () if subset and s.get("name") == subset), {}
    )
    policy.update(chosen.get("trafficPolicy") or {})
    labels = chosen.get("labels") or {}
    endpoints = [e for e in service.endpoints[port] if labels.items() <= e.labels.items()]
    name = cluster_name(service.namespace, service.name, port, subset)
    return {
        "name": name,
        "type": "STATIC",
        "metadata": _metadata(service.namespace, service.name),
        "common_lb_config": {"healthy_panic_threshold": {"value": _panic(policy)}},
        "load_assignment": {"cluster_name": name, "endpoints": _localities(endpoints)},
        **_policy(policy),
    }


def blackhole(host: str, name: str, namespace: str) -> Body:
    """The cluster of a destination that isn't there: every request is answered 503."""
    return {
        "name": name,
        "type": "STATIC",
        "metadata": _metadata(namespace, host.partition(".")[0], host),
        "load_assignment": {"cluster_name": name},
    }


def problems(rule: Body) -> list[str]:
    """Why a DestinationRule can't be carried out at all."""
    spec = rule.get("spec") or {}
    found = [] if spec.get("host") else ["spec.host: a DestinationRule has a host"]
    names = [subset.get("name") for subset in spec.get("subsets") or ()]
    if len(set(names)) != len(names) or not all(names):
        found.append("spec.subsets: each has a name of its own")
    for policy in [spec, *(spec.get("subsets") or ())]:
        try:
            _policy(policy.get("trafficPolicy") or {})
        except (Wrong, TypeError, ValueError, AttributeError) as error:
            found.append(f"trafficPolicy: {error}")
    return found


def _metadata(namespace: str, name: str, host: str = "") -> Body:
    labels = {
        "service": host or f"{name}.{namespace}.{DOMAIN}",
        "service_name": name,
        "namespace": namespace,
    }
    return {"filter_metadata": {"istio": labels}}


def _localities(endpoints: Iterable[Endpoint]) -> list[Body]:
    groups = []
    ordered = sorted(endpoints, key=lambda e: e.locality)
    for locality, members in groupby(ordered, key=lambda e: e.locality):
        group: Body = {"lb_endpoints": [_endpoint(member) for member in members]}
        if locality:
            names = ("region", "zone", "sub_zone")
            group["locality"] = dict(zip(names, locality.split("."), strict=False))
        groups.append(group)
    return groups


def _endpoint(endpoint: Endpoint) -> Body:
    workload = endpoint.workload
    labels = {
        "workload": workload.name,
        "namespace": workload.namespace,
        "app": workload.app,
        "version": workload.version,
    }
    address = {"address": endpoint.address, "port_value": endpoint.port}
    return {
        "endpoint": {"address": {"socket_address": address}},
        "metadata": {"filter_metadata": {"istio": {k: v for k, v in labels.items() if v}}},
    }


def _panic(policy: Body) -> float:
    return float((policy.get("outlierDetection") or {}).get("minHealthPercent") or 0)


def _policy(policy: Body) -> Body:
    pool = policy.get("connectionPool") or {}
    tcp, http = pool.get("tcp") or {}, pool.get("http") or {}
    limits = {
        "max_connections": int(tcp.get("maxConnections") or _UNLIMITED),
        "max_pending_requests": int(http.get("http1MaxPendingRequests") or _UNLIMITED),
        "max_requests": int(http.get("http2MaxRequests") or _UNLIMITED),
        # Envoy's own default of 3 concurrent retries fails half of the retried requests.
        "max_retries": int(http.get("maxRetries") or _UNLIMITED),
    }
    made: Body = {
        "connect_timeout": duration(tcp.get("connectTimeout") or "10s"),
        "circuit_breakers": {"thresholds": [limits]},
        "lb_policy": _balancer(policy),
        "typed_extension_protocol_options": {_HTTP_OPTIONS: _http_options(http)},
    }
    if "outlierDetection" in policy:
        made["outlier_detection"] = _outliers(policy["outlierDetection"] or {})
    return made


def _balancer(policy: Body) -> str:
    simple = (policy.get("loadBalancer") or {}).get("simple") or ""
    # PASSTHROUGH is named in an Event as not implemented.
    return _BALANCERS.get(simple, "LEAST_REQUEST")


def _http_options(http: Body) -> Body:
    common: Body = {"idle_timeout": duration(http.get("idleTimeout") or IDLE)}
    if http.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = int(http["maxRequestsPerConnection"])
    return {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "common_http_protocol_options": common,
        "explicit_http_config": {"http_protocol_options": {}},
    }


def _outliers(detection: Body) -> Body:
    """Istio's defaults: 5 errors, looked at each 10 s, out for 30 s, at most 10 % of the hosts."""
    made: Body = {
        "interval": duration(detection.get("interval") or "10s"),
        "base_ejection_time": duration(detection.get("baseEjectionTime") or "30s"),
        "max_ejection_percent": int(detection.get("maxEjectionPercent") or 10),
        "enforcing_success_rate": 0,
        "enforcing_consecutive_gateway_failure": 0,
    }
    errors = detection.get("consecutive5xxErrors", detection.get("consecutiveErrors"))
    if errors is not None:
        made["consecutive_5xx"] = int(errors) or 1
        made["enforcing_consecutive_5xx"] = 100 if int(errors) else 0
    gateway = detection.get("consecutiveGatewayErrors")
    if gateway:
        made["consecutive_gateway_failure"] = int(gateway)
        made["enforcing_consecutive_gateway_failure"] = 100
    if detection.get("splitExternalLocalOriginErrors"):
        made["split_external_local_origin_errors"] = True
        local = int(detection.get("consecutiveLocalOriginFailures") or 5)
        made["consecutive_local_origin_failure"] = local
    return made
