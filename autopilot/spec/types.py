"""Field types for what people write, each with the schema that Kubernetes checks it by."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from autopilot.base import durations

__all__ = ["Duration", "GrpcStatus", "IntOrString"]


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return durations.parse(value)
    raise ValueError(f"{value!r} has no unit; write a number and a unit: 500ms, 5s, 1m30s")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(durations.render, return_type=str),
    WithJsonSchema({"type": "string", "pattern": durations.PATTERN}),
]
"""A span of time: a `timedelta` in Python, `500ms`, `5s` or `1m30s` on the wire."""

IntOrString = Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True})]
"""A number or a text such as a port's name or `25%`."""

GrpcStatus = Literal[
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]
"""A gRPC status that says a call went wrong."""
