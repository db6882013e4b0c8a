"""Files in the format of the original Autopilot load unchanged."""

from __future__ import annotations

from autopilot.project.load import parse
from autopilot.project.python_files import queries_of
from autopilot.spec.operator_config import OperatorConfig
from autopilot.spec.positions import read
from autopilot.spec.problems import validated

ORIGINAL = """\
apiVersion: traffic.example.org/v1
kind: Drain
operatorName: drain-operator
enableFinalizer: true
phases:
  - name: Pending
    description: A drain was asked for
    initial: true
    inputs:
      - deployments
      - upstreams
    outputs:
      - virtualservices
  - name: Draining
    description: Sending fewer and fewer requests
    inputs:
      - metrics
      - pods
    outputs:
      - virtualservices
      - upstreams
  - name: Drained
    final: true
customParameters:
  - lowerName: upstreams
    singleName: Upstream
    pluralName: Upstreams
    importPrefix: gloov1
    package: example.org/projects/gloo/pkg/api/v1
    apiGroup: gloo.example.org
    isCrd: true
queries:
  - name: drained-share
    parameters:
      - Name
      - Namespace
      - Interval
    queryTemplate: |
      sum(rate(envoy_cluster_upstream_rq{
          kubernetes_namespace="{{ .Namespace }}",
          kubernetes_pod_name=~"{{ .Name }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"
      }[{{ .Interval }}]))
"""

ORIGINAL_CONFIG = """\
version: 0.0.1
meshProvider: Istio
controlPlaneNs: istio-system
workInterval: 5s
metricsAddr: :9091
enableLeaderElection: true
watchNamespace: ""
leaderElectionNamespace: ""
logLevel: 1
"""


def test_a_project_in_the_originals_format_loads_unchanged() -> None:
    parsed = parse(ORIGINAL, "autopilot.yaml")
    assert parsed.problems == ()
    (operator,) = parsed.operators
    assert [phase.name for phase in operator.phases] == ["Pending", "Draining", "Drained"]
    assert operator.enable_finalizer
    assert operator.phases[0].transitions is None


def test_the_go_only_fields_are_noted_once() -> None:
    parsed = parse(ORIGINAL, "autopilot.yaml")
    assert parsed.notes == (
        "autopilot.yaml:25: importPrefix and package are for Go; they are ignored",
    )


def test_gos_placeholders_are_filled_in_and_escaped() -> None:
    (operator,) = parse(ORIGINAL, "autopilot.yaml").operators
    query = queries_of(operator)["drained-share"]
    promql = query.bind({"name": 'we"b', "namespace": "shop", "interval": "1m"}).promql
    assert 'kubernetes_namespace="shop"' in promql
    assert r'kubernetes_pod_name=~"we\x22b-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"' in promql
    assert promql.endswith("}[1m]))")


def test_the_originals_configuration_loads_and_is_all_defaults() -> None:
    (document,) = read(ORIGINAL_CONFIG, "autopilot-operator.yaml")
    config, problems = validated(OperatorConfig, document)
    assert problems == []
    assert config == OperatorConfig()


def test_a_parameter_that_no_query_uses_is_accepted_as_by_the_original_and_noted() -> None:
    parsed = parse(
        "kind: Canary\napiVersion: example.io/v1\noperatorName: canary\n"
        "phases:\n- name: Waiting\n  initial: true\n"
        "queries:\n- name: load\n  parameters:\n  - Name\n  queryTemplate: up\n",
        "f",
    )
    assert parsed.problems == ()
    assert parsed.notes == ("f:10: query load doesn't use 'Name'",)
