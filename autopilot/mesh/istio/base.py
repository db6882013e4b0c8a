"""Neutral objects for hosts that have none: pure.

They say what Istio does anyway; requests to a service of several ports keep the port that the
caller addressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.kinds import KNOWN
from autopilot.overlay.base import base

if TYPE_CHECKING:
    from autopilot.kube.client import Body

VIRTUAL_SERVICES = KNOWN["virtualservices"]
DESTINATION_RULES = KNOWN["destinationrules"]
ROUTE = "default"
"""The name of the one route."""


def base_virtual_service(namespace: str, service: str) -> Body:
    """Every request to the service."""
    route = {"name": ROUTE, "route": [{"destination": {"host": service}}]}
    spec = {"hosts": [service], "http": [route]}
    return base(VIRTUAL_SERVICES, f"autopilot-{service}", namespace, spec)


def base_destination_rule(namespace: str, service: str) -> Body:
    """No policy of its own."""
    return base(DESTINATION_RULES, f"autopilot-{service}", namespace, {"host": service})
