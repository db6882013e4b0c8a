"""Requests answered at the callers' proxies, by an inserted route: pure.

All of them: a direct response. Some of them: a copy of the route with an abort, for Istio has no
direct response for a share; Envoy's abort sends no header of ours along.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autopilot.mesh.istio.faults import DISABLES, percent

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Shed


def shed_route(shed: Shed, source: Body) -> Body:
    """The inserted route, without name and match.

    Args:
        shed: What is wanted.
        source: What requests that aren't shed get.
    """
    if shed.share < 100:
        abort = {"httpStatus": shed.status, "percentage": percent(shed.share)}
        return {**source, "fault": {"abort": abort}}
    made: Body = {"directResponse": {"status": shed.status}}
    if shed.retry_after is not None:
        seconds = math.ceil(shed.retry_after.total_seconds())
        made["headers"] = {"response": {"set": {"retry-after": str(seconds)}}}
    return made


def words_of(shed: Shed, before: float) -> str:
    """For people."""
    now = f"{shed.share:g}%" if before == shed.share else f"{before:g}%→{shed.share:g}%"
    text = f"{now} answered {shed.status}"
    if shed.share >= 100:
        return text
    plain = " and no retry-after is sent" if shed.retry_after is not None else ""
    return f"{text} ({DISABLES}{plain})"


def share_of(route: Body | None) -> float:
    """Which share of its requests an inserted route sheds."""
    if route is None:
        return 0.0
    if "directResponse" in route:
        return 100.0
    abort = (route.get("fault") or {}).get("abort") or {}
    value = (abort.get("percentage") or {}).get("value", 0)
    return float(value) if isinstance(value, int | float) else 0.0
