"""Time-outs and retries as fields of a route: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.base.durations import render
from autopilot.mesh.istio.change import Change

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Retry, Timeout

IDLE = "without effect as long as the route has a fault"
"""Istio enables neither on a route with a fault."""


def timeout_of(timeout: Timeout, route: Body) -> Change:
    """The time-out of one route."""
    wanted = render(timeout.timeout)
    stood = route.get("timeout", "none")
    words = f"timeout {wanted}" if stood == wanted else f"timeout {stood}→{wanted}"
    return Change({"/timeout": wanted}, words + _idle(route))


def retry_of(retry: Retry, route: Body) -> Change:
    """The retries of one route; Istio refuses any detail beside no attempts at all."""
    made: Body = {"attempts": retry.attempts}
    words = f"{retry.attempts} retries"
    if retry.attempts and retry.per_try_timeout is not None:
        made["perTryTimeout"] = render(retry.per_try_timeout)
        words += f", {made['perTryTimeout']} each"
    if retry.attempts and retry.retry_on:
        made["retryOn"] = retry.retry_on
        words += f", on {retry.retry_on}"
    return Change({"/retries": made}, words + _idle(route))


def _idle(route: Body) -> str:
    return f" ({IDLE})" if route.get("fault") else ""
