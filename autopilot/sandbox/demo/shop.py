"""What the failover demo puts into its sandbox: two shops alike, and a Rule for one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.kube.kinds import ResourceType
from autopilot.sandbox.demo import manifests
from autopilot.sandbox.demo.manifests import NAMESPACE, Release

if TYPE_CHECKING:
    from autopilot.kube.client import Body

RULES = ResourceType("autopilot.mesh", "v1alpha1", "rules", "Rule")
RULE = "checkout-failover"

GOOD = Release("v1", {})
BAD = Release("v2", {"ERROR_RATE": "0.5", "ERROR_CODE": "500"})
MENDED = Release("v3", {})
REPLICAS = 2

PHASES = ("Normal", "Standby", "Trial", "Standby", "Trial", "Normal")
"""The way that the rule should go."""

RULE_YAML = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Rule
metadata: {name: checkout-failover, namespace: shop}
spec:
  target: {service: checkout}
  interval: 500ms
  minRequests: 10
  signals:                   # windows of a demo: 30s is the default
    errors: {builtin: errorRate, window: 4s}
    p99: {builtin: latency, quantile: 0.99, window: 4s}
    primary_errors: {builtin: errorRate, backend: checkout, window: 4s}
  failover:
    to: checkout-standby
    when: errors > 5% || p99 > 2s
    for: 1s
    needs: standby_ready >= 2
    return:
      {trial: [5%, 25%, 50%], dwell: 3s, good: primary_errors < 10%, backoff: 5s..1m}
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A service with a standby.

    Attributes:
        primary: The service that callers address; it breaks.
        standby: Answers as well, and never breaks.
    """

    primary: str
    standby: str

    @property
    def host(self) -> str:
        """As the load client addresses it."""
        return f"{self.primary}.{NAMESPACE}"

    def bodies(self) -> tuple[Body, ...]:
        """The Deployments and Services."""
        names = (self.primary, self.standby)
        return tuple(
            body
            for name in names
            for body in (
                manifests.deployment(GOOD, name=name, replicas=REPLICAS),
                manifests.service(name),
            )
        )

    def virtual_service(self) -> Body:
        """The user's own route: everything to the primary."""
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {
                "name": self.primary,
                "namespace": NAMESPACE,
                "labels": {"app": self.primary, "team": "payments"},
                "annotations": {"example.com/contact": "payments@example.com"},
            },
            "spec": {
                "hosts": [self.primary],
                "http": [
                    {
                        "name": "all",
                        "route": [{"destination": {"host": self.primary}}],
                        "timeout": "2s",
                    }
                ],
            },
        }

    def standby_share(self, virtual_service: Body) -> int | None:
        """Percent of the requests that a VirtualService sends to the standby."""
        for route in virtual_service.get("spec", {}).get("http", []):
            destinations = route.get("route", [])
            for item in destinations:
                host = str(item.get("destination", {}).get("host", ""))
                if host.partition(".")[0] == self.standby:
                    alone = len(destinations) == 1
                    return 100 if alone else int(item.get("weight", 0))
        return 0 if virtual_service else None


AIDED = Pair("checkout", "checkout-standby")
ALONE = Pair("cart", "cart-standby")
