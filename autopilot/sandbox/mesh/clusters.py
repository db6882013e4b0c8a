"""Services and DestinationRules as Envoy's clusters.

One cluster for each service, port and subset. Who answers is told apart by the *endpoint's*
metadata, not the cluster's: a plain Service may select the pods of several workloads, and its load
balancing and outlier detection are over all of them, as in Istio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh import locality
from autopilot.sandbox.mesh.hosts import DOMAIN, plain
from autopilot.sandbox.mesh.values import Wrong, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True, slots=True)
class Target:
    """What a cluster is for.

    Attributes:
        service: With its ready endpoints; with none, every request is answered 503, flag UH.
        port: One of the service's.
        subset: A subset's name in the DestinationRule; empty for the whole service.
        place: The callers' locality, where the DestinationRule makes it matter; else empty.
        standing: The callers' labels likewise; see `locality.standing`.
    """

    service: Service
    port: int
    subset: str = ""
    place: str = ""
    standing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The cluster's; without dots."""
        service = self.service
        name = f"out~{service.namespace}~{service.name}~{self.port}~{self.subset}"
        told = [part for part in (self.place, "+".join(self.standing)) if part]
        return plain("~".join([name, *told]))


def policy_of(rule: Body | None, subset: str = "") -> Body:
    """The traffic policy in force; a subset's replaces the service's part by part."""
    spec = (rule or {}).get("spec") or {}
    policy = dict(spec.get("trafficPolicy") or {})
    policy.update(_subset(rule, subset).get("trafficPolicy") or {})
    return policy


def build(target: Target, rule: Body | None = None) -> Body:
    """The cluster of a target, under the service's DestinationRule."""
    service, policy = target.service, policy_of(rule, target.subset)
    labels = _subset(rule, target.subset).get("labels") or {}
    endpoints = [e for e in service.endpoints[target.port] if labels.items() <= e.labels.items()]
    groups = [_filled(g) for g in locality.group(endpoints, policy, target.standing)]
    groups = locality.prefer(groups, policy, target.place)
    common: Body = {"healthy_panic_threshold": {"value": _panic(policy)}}
    if target.place:
        common["locality_weighted_lb_config"] = {}
        for group in groups:
            group.setdefault("load_balancing_weight", len(group["lb_endpoints"]))
    name = target.name
    return {
        "name": name,
        "type": "STATIC",
        "metadata": _metadata(service.namespace, service.name),
        "common_lb_config": common,
        "load_assignment": {"cluster_name": name, "endpoints": groups},
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


def _subset(rule: Body | None, name: str) -> Mapping[str, Any]:
    subsets = ((rule or {}).get("spec") or {}).get("subsets") or ()
    return next((subset for subset in subsets if name and subset.get("name") == name), {})


def _metadata(namespace: str, name: str, host: str = "") -> Body:
    labels = {
        "service": host or f"{name}.{namespace}.{DOMAIN}",
        "service_name": name,
        "namespace": namespace,
    }
    return {"filter_metadata": {"istio": labels}}


def _filled(group: Body) -> Body:
    members = group.pop("members")
    return {**group, "lb_endpoints": [_endpoint(member) for member in members]}


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
