"""What the chaos demo puts into its sandbox: a page, what it is made of, and a checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.kube.kinds import ResourceType
from autopilot.sandbox.demo import manifests
from autopilot.sandbox.demo.manifests import NAMESPACE, Release

if TYPE_CHECKING:
    from autopilot.kube.client import Body

EXPERIMENTS = ResourceType("autopilot.mesh", "v1alpha1", "experiments", "Experiment")
REPORTS = ResourceType("autopilot.mesh", "v1alpha1", "reports", "Report")

PAGE, CHECKOUT = f"productpage.{NAMESPACE}", f"checkout.{NAMESPACE}"
"""As the load clients address them."""

OPT_IN = {"autopilot.mesh/chaos": "enabled"}
"""The annotation by which a namespace agrees to experiments."""

RULE = "checkout-failover"
RULE_YAML = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Rule
metadata: {name: checkout-failover, namespace: shop}
spec:
  target: {service: checkout}
  interval: 500ms
  minRequests: 10
  signals:
    errors: {builtin: errorRate, window: 4s}
    p99: {builtin: latency, quantile: 0.99, window: 4s}
    primary_p99: {builtin: latency, quantile: 0.99, backend: checkout, window: 4s}
  failover:
    to: checkout-standby
    when: errors > 5% || p99 > 500ms
    for: 1s
    needs: standby_ready >= 1
    return: {trial: [50%], dwell: 2s, good: primary_p99 < 400ms, backoff: 14s..1m}
"""

RATINGS_DOWN = "ratings-down"
RATINGS_YAML = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Experiment
metadata: {name: ratings-down, namespace: shop}
spec:
  target: {service: ratings}
  faults: [{abort: {httpStatus: 500, percentage: 100}}]
  failureConditions:
  - name: page-answers       # what should cope is what calls: the fault itself isn't judged
    trigger: {successRate: {service: productpage, window: 4s}}
    threshold: 80%
    forPolls: 2
  duration: 15s
  pollInterval: 500ms
"""

PAYMENTS_SLOW = "payments-slow"
PAYMENTS_YAML = """\
apiVersion: autopilot.mesh/v1alpha1
kind: Experiment
metadata: {name: payments-slow, namespace: shop}
spec:
  target: {service: payments}
  from: [checkout]           # the primary only: the standby's payments are left alone
  faults: [{delay: {duration: 1s, percentage: 100}}]
  failureConditions:
  - name: checkout-answers
    trigger:
      promql: |
        sum(rate(istio_requests_total{reporter="source", response_code!~"5..",
          destination_service_name=~"checkout.*"}[4s]))
        / sum(rate(istio_requests_total{reporter="source",
          destination_service_name=~"checkout.*"}[4s]))
    threshold: 0.9
  duration: 12s
  pollInterval: 500ms
  expects:
  - {rule: checkout-failover, phase: Standby, within: 10s}
"""

WORKLOADS = (
    "productpage",
    "reviews-v3",
    "reviews-v4",
    "ratings",
    "checkout",
    "checkout-standby",
    "payments",
)

MEASURED = ("productpage", "reviews", "ratings", "checkout", "payments")
"""Services that have traffic from the beginning."""


def namespace() -> Body:
    """Where the shop lives; it agrees to experiments."""
    body = manifests.namespace()
    return {**body, "metadata": {**body["metadata"], "annotations": OPT_IN}}


def bodies() -> list[Body]:
    """Deployments, Services and the owner's routes; reviews begins with v4."""
    asks = "http://{}." + NAMESPACE + "/"
    plain = {"LATENCY_MS": "2"}
    pages = {**plain, "UPSTREAMS": asks.format("reviews"), "UPSTREAM_FAILURE": "pass"}
    pays = {**plain, "UPSTREAMS": asks.format("payments"), "UPSTREAM_FAILURE": "pass"}
    return [
        *_app("productpage", Release("v1", pages)),
        _reviews("v3", "cope"),
        _reviews("v4", "pass"),
        manifests.service("reviews"),
        *_app("ratings", Release("v1", plain)),
        *_app("checkout", Release("v1", pays)),
        *_app("checkout-standby", Release("v1", pays)),
        *_app("payments", Release("v1", plain)),
        subsets(),
        reviews_route("v4"),
        *(route(name) for name in ("ratings", "checkout", "payments")),
    ]


def route(name: str, **fields: Any) -> Body:
    """The owner's own VirtualService of a service."""
    way = {"name": "all", "route": [{"destination": {"host": name}}], **fields}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app": name, "team": "books"},
            "annotations": {"example.com/contact": "books@example.com"},
        },
        "spec": {"hosts": [name], "http": [way]},
    }


def reviews_route(version: str) -> Body:
    """Everything to one version of reviews."""
    return route("reviews", route=[{"destination": {"host": "reviews", "subset": version}}])


def subsets() -> Body:
    """The versions of reviews that a route may name."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "reviews", "namespace": NAMESPACE},
        "spec": {
            "host": "reviews",
            "subsets": [{"name": each, "labels": {"version": each}} for each in ("v3", "v4")],
        },
    }


def _reviews(version: str, failure: str) -> Body:
    env = {
        "LATENCY_MS": "2",
        "UPSTREAMS": f"http://ratings.{NAMESPACE}/",
        "UPSTREAM_FAILURE": failure,
    }
    name = f"reviews-{version}"
    return manifests.deployment(Release(version, env), name=name, app="reviews", replicas=1)


def _app(name: str, release: Release) -> tuple[Body, Body]:
    return manifests.deployment(release, name=name, replicas=1), manifests.service(name)
