"""A caller's outbound listener, with the loggers that count under Istio's names.

The access log of the connection manager counts once per request, `reporter="source"`; the router's
upstream log once per try, mirrored requests included, `reporter="destination"`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh.hosts import plain

if TYPE_CHECKING:
    from autopilot.sandbox.mesh.model import Source

Body = dict[str, Any]

_TYPES = "type.googleapis.com/envoy.extensions"
BUCKETS = [0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750]
BUCKETS += [1000, 2500, 5000, 10000, 30000]
"""Milliseconds; finer than Istio's own, so that a p99 between 50 and 1,000 ms means something."""

UNKNOWN = "unknown"


def _or_host(key: str) -> str:
    """The cluster's own word, else the Host header as it was sent.

    A request that no cluster was chosen for, because its route answers it directly or it has no
    route, is counted under that header: source, Istio's own filter.
    """
    operators = [
        {"command": "METADATA", "param": f"CLUSTER:istio:{key}"},
        {"command": "REQ", "param": ":authority"},
    ]
    return f"%COALESCE({json.dumps({'operators': operators})})%"


_DESTINATION = {
    # An endpoint's metadata exists once one was chosen: a request that a fault aborted, or that
    # found no endpoint, has no known workload, in Istio as well.
    "destination_workload": "%METADATA(UPSTREAM_HOST:istio:workload)%",
    "destination_workload_namespace": "%METADATA(UPSTREAM_HOST:istio:namespace)%",
    "destination_app": "%METADATA(UPSTREAM_HOST:istio:app)%",
    "destination_version": "%METADATA(UPSTREAM_HOST:istio:version)%",
    "destination_service": _or_host("service"),
    "destination_service_name": _or_host("service_name"),
    "destination_service_namespace": "%METADATA(CLUSTER:istio:namespace)%",
    "request_protocol": "http",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "grpc_response_status": "%GRPC_STATUS_NUMBER%",
    "connection_security_policy": "none",
}


def listener_name(source: Source) -> str:
    """The listener of a caller, which is also its route configuration's name; without dots."""
    return plain(f"out~{source.workload.namespace}~{source.workload.name}")


def build(source: Source, routes: str) -> Body:
    """A caller's listener, on a port that Envoy chooses and keeps.

    Args:
        source: The caller, whose labels are constants of its telemetry.
        routes: The file of its route configuration.
    """
    name = listener_name(source)
    manager: Body = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "normalize_path": True,
        "rds": {"route_config_name": name, "config_source": path_source(routes)},
        "access_log": [_logger("source", source)],
        "http_filters": [
            {
                "name": "envoy.filters.http.fault",
                "typed_config": {"@type": f"{_TYPES}.filters.http.fault.v3.HTTPFault"},
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_TYPES}.filters.http.router.v3.Router",
                    "upstream_log": [_logger("destination", source)],
                },
            },
        ],
    }
    manager_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager,
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        # With it, a second Envoy of the same user would share the port without an error.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [manager_filter]}],
    }


def path_source(path: str) -> Body:
    """A file as a source of configuration; each needs a directory of its own."""
    directory = path.rpartition("/")[0]
    source = {"path": path, "watched_directory": {"path": directory}}
    return {"resource_api_version": "V3", "path_config_source": source}


def _logger(reporter: str, source: Source) -> Body:
    caller = source.workload
    tags = {
        "reporter": reporter,
        "source_workload": caller.name,
        "source_workload_namespace": caller.namespace,
        "source_app": caller.app or UNKNOWN,
        "source_version": caller.version or UNKNOWN,
        **_DESTINATION,
    }
    listed = [{"name": name, "value_format": value} for name, value in tags.items()]
    made: Body = {
        "name": "envoy.access_loggers.stats",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.stats.v3.Config",
            "stats_scope": {"prefix": "istio"},
            "counters": [{"value_fixed": 1, "stat": {"name": "requests_total", "tags": listed}}],
            "histograms": [
                {
                    "unit": "Milliseconds",
                    "value_format": "%DURATION%",
                    "stat": {"name": "request_duration_milliseconds", "tags": listed},
                }
            ],
        },
    }
    if reporter == "destination":
        # A connection that failed has code 0 there: nobody answered.
        answered = {"default_value": 100, "runtime_key": "sandbox.min_status"}
        made["filter"] = {"status_code_filter": {"comparison": {"op": "GE", "value": answered}}}
    return made
