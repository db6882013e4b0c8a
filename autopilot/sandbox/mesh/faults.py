"""Istio's fault injection as Envoy's fault filter, for one route.

The filter answers an aborted request in the caller's proxy; the route's response headers are added
to that answer, as to every other one of the route. What was aborted is never retried.
"""

from __future__ import annotations

from typing import Any

from autopilot.sandbox.mesh.values import Wrong, duration, percent

Body = dict[str, Any]

FILTER = "envoy.filters.http.fault"
TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_GRPC = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
"""Names of gRPC's status codes; each stands at its number."""


def per_route(fault: Body) -> Body:
    """`fault` of a route, as a field of Envoy's route; empty where nothing is injected.

    Raises:
        Wrong: A value that Istio's own validation refuses.
    """
    made: Body = {}
    delay, abort = fault.get("delay"), fault.get("abort")
    if delay and delay.get("fixedDelay"):
        made["delay"] = {
            "fixed_delay": duration(delay["fixedDelay"]),
            "percentage": percent(_share(delay)),
        }
    if abort and (answer := _answer(abort)):
        made["abort"] = {**answer, "percentage": percent(abort.get("percentage"))}
    return {"typed_per_filter_config": {FILTER: {"@type": TYPE, **made}}} if made else {}


def _answer(abort: Body) -> Body:
    if abort.get("httpStatus") and abort.get("grpcStatus"):
        raise Wrong("an abort has httpStatus or grpcStatus, not both")
    if abort.get("httpStatus"):
        return {"http_status": int(abort["httpStatus"])}
    name = abort.get("grpcStatus")
    if not name:
        return {}
    if name not in _GRPC:
        raise Wrong(f"grpcStatus is a name like UNAVAILABLE, not {name!r}")
    return {"grpc_status": _GRPC.index(name)}


def _share(delay: Body) -> Body | None:
    """The percentage; `percent` is its old spelling."""
    if "percentage" not in delay and "percent" in delay:
        return {"value": delay["percent"]}
    share: Body | None = delay.get("percentage")
    return share
