"""Requests answered at the callers' proxies, by an inserted route: pure.

All of them: a direct response. Some of them: a copy of the route with an abort, for Istio has no
direct response for a share. A route's response headers go with all of its answers: so `retry-after`
is sent with those that pass as well, where it means nothing unless they are 3xx or 503 (RFC 9110,
10.2.3); Istio has no condition by chance that could tell them apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autopilot.mesh.istio.faults import DISABLES, percent

if TYPE_CHECKING:
    from datetime import timedelta

    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Shed

RETRY_AFTER = "retry-after"


def shed_route(shed: Shed, source: Body) -> Body:
    """The inserted route, without name and match.

    Args:
        shed: What is wanted.
        source: What requests that aren't shed get.
    """
    made: Body = {"directResponse": {"status": shed.status}}
    if shed.share < 100:
        abort = {"httpStatus": shed.status, "percentage": percent(shed.share)}
        made = {**source, "fault": {"abort": abort}}
    if shed.retry_after is not None:
        made["headers"] = _marked(made.get("headers") or {}, shed.retry_after)
    return made


def _marked(headers: Body, after: timedelta) -> Body:
    """A route's headers, and `retry-after` in whole seconds."""
    response = headers.get("response") or {}
    others = {k: v for k, v in (response.get("set") or {}).items() if k.lower() != RETRY_AFTER}
    wanted = {**others, RETRY_AFTER: str(math.ceil(after.total_seconds()))}
    return {**headers, "response": {**response, "set": wanted}}


def words_of(shed: Shed, before: float) -> str:
    """For people."""
    now = f"{shed.share:g}%" if before == shed.share else f"{before:g}%→{shed.share:g}%"
    text = f"{now} answered {shed.status}"
    if shed.share >= 100:
        return text
    marked = "; answers that pass carry retry-after too" if shed.retry_after is not None else ""
    return f"{text} ({DISABLES}{marked})"


def share_of(route: Body | None) -> float:
    """Which share of its requests an inserted route sheds."""
    if route is None:
        return 0.0
    if "directResponse" in route:
        return 100.0
    abort = (route.get("fault") or {}).get("abort") or {}
    value = (abort.get("percentage") or {}).get("value", 0)
    return float(value) if isinstance(value, int | float) else 0.0
