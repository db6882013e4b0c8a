"""Faults and mirrors as fields of a route: pure.

Istio takes a fault's percentage that is left out for none, and a mirror's for all: so both are
always written, and as floats, which is how the API stores them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.durations import render
from autopilot.mesh.istio.change import Change, Site
from autopilot.mesh.istio.destinations import Destination
from autopilot.mesh.istio.readiness import ports_of
from autopilot.overlay.foreign import a_fault, a_mirror
from autopilot.overlay.values import ABSENT

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Fault, Mirror

FAULT = "/fault"
DISABLES = "while it stands, the route's own timeout and retries don't apply"
"""Istio enables neither on a route with a fault."""
PLAIN = "for gRPC; plain HTTP callers are answered 200"
"""What Envoy makes of an abort by gRPC status."""


def fault_of(fault: Fault) -> Change:
    """The fault of one route."""
    made: Body = {}
    words = []
    if fault.abort_status is not None or fault.abort_grpc is not None:
        how: Body = (
            {"grpcStatus": fault.abort_grpc}
            if fault.abort_status is None
            else {"httpStatus": fault.abort_status}
        )
        made["abort"] = {**how, "percentage": percent(fault.abort_percentage)}
        words.append(f"abort {fault.abort_percentage:g}% with {next(iter(how.values()))}")
        if fault.abort_status is None:
            words[-1] += f" ({PLAIN})"
    if fault.delay is not None:
        delay = render(fault.delay)
        made["delay"] = {"fixedDelay": delay, "percentage": percent(fault.delay_percentage)}
        words.append(f"delay {fault.delay_percentage:g}% by {delay}")
    return Change({FAULT: made}, f"{', '.join(words)} ({DISABLES})", foreign={FAULT: a_fault})


def mirror_of(mirror: Mirror, site: Site) -> Change:
    """The mirror of one route; Istio allows `mirror` or `mirrors`, never both."""
    where = Destination.parse(mirror.to, site.home)
    port = None
    if len(found := [*(ports_of(site.world, *where.service) or ())]) == 1:
        port = found[0]
    entry = {
        "destination": where.body(site.namespace, port),
        "percentage": percent(mirror.percentage),
    }
    old = ("/mirror", "/mirrorPercentage", "/mirrorPercent", "/mirror_percent")
    return Change(
        {"/mirrors": [entry], **dict.fromkeys(old, ABSENT)},
        f"{mirror.percentage:g}% copied to {mirror.to}",
        foreign={"/mirrors": a_mirror, "/mirror": a_mirror},
    )


def percent(share: float) -> dict[str, Any]:
    """A percentage as Istio spells it."""
    return {"value": float(share)}
