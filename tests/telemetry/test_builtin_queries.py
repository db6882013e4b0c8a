"""The exact PromQL of every built-in, and how arguments bind."""

from __future__ import annotations

import pytest

from autopilot.telemetry.queries import ArgumentError, QuerySet, QueryTemplate, python_name
from autopilot.telemetry.query import Target

QUERIES = QuerySet()
W = "destination_workload_namespace, destination_workload"
SEL = 'reporter="source",destination_workload_namespace="demo",destination_workload="web-canary"'
ALL = f"istio_requests_total{{{SEL}}}"
RATE = f"sum by ({W}) (rate({ALL}[5s]))"
ERRORS = (
    f'(sum by ({W}) (rate(istio_requests_total{{{SEL},response_code=~"5.."}}[5s])'
    f' or rate(istio_requests_total{{{SEL},grpc_response_status=~"[1-9][0-9]*"}}[5s]))'
    f" or {RATE} * 0) / {RATE}"
)
BUCKETS = f"sum by ({W}, le) (rate(istio_request_duration_milliseconds_bucket{{{SEL}}}[5s]))"
TAIL = (
    f' or label_replace(sum by ({W}) (increase({ALL}[5s])), "part", "requests", "", "")'
    f' or label_replace(max by ({W}) (timestamp({ALL})), "part", "at", "", "")'
)
POD = 'kubernetes_namespace="demo",kubernetes_pod_name=~"web-canary-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"'
ENVOY = f"envoy_cluster_upstream_rq{{{POD}}}"
ENVOY_TAIL = (
    f' or label_replace(sum(increase({ENVOY}[5s])), "part", "requests", "", "")'
    f' or label_replace(max(timestamp({ENVOY})), "part", "at", "", "")'
)
GOLDEN = {
    "error-rate": f'label_replace({ERRORS}, "part", "value", "", ""){TAIL}',
    "istio-success-rate": f'label_replace((1 - ({ERRORS})) * 100, "part", "value", "", ""){TAIL}',
    "request-rate": f'label_replace({RATE}, "part", "value", "", ""){TAIL}',
    "latency": (
        f'label_replace(histogram_quantile(0.99, {BUCKETS}), "part", "value", "", ""){TAIL}'
    ),
    "istio-request-duration": (
        f'label_replace(histogram_quantile(0.99, {BUCKETS}), "part", "value", "", ""){TAIL}'
    ),
    "envoy-success-rate": (
        "label_replace((1 - (sum(rate(envoy_cluster_upstream_rq"
        f'{{{POD},envoy_response_code=~"5.."}}[5s])) or sum(rate({ENVOY}[5s])) * 0)'
        f' / sum(rate({ENVOY}[5s]))) * 100, "part", "value", "", ""){ENVOY_TAIL}'
    ),
    "envoy-request-duration": (
        "label_replace(histogram_quantile(0.99, sum by (le)"
        f" (rate(envoy_cluster_upstream_rq_time_bucket{{{POD}}}[5s])))"
        f', "part", "value", "", ""){ENVOY_TAIL}'
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_promql_of_a_built_in(name: str) -> None:
    bound = QUERIES[name].bind({"Namespace": "demo", "Name": "web-canary", "Interval": "5s"})
    assert bound.promql == GOLDEN[name]
    assert bound.arguments == (("Interval", "5s"), ("Name", "web-canary"), ("Namespace", "demo"))


def test_every_built_in_is_pinned() -> None:
    assert {python_name(name) for name in GOLDEN} == set(QUERIES)


def test_a_route_adds_the_requests_of_all_its_services() -> None:
    bound = QUERIES["error-rate"].bind(
        {"namespace": "demo", "name": "web-canary", "interval": "5s", "route": ["web", "b.shop"]}
    )
    of = (
        'istio_requests_total{reporter="source",destination_service_namespace=~"demo|shop",'
        'destination_service_name=~"b|web"}'
    )
    s = "destination_service_namespace, destination_service_name"
    assert bound.promql == GOLDEN["error-rate"] + (
        f' or label_replace(sum by ({s}) (increase({of}[5s])), "part", "of", "", "")'
        f' or label_replace(max by ({s}) (timestamp({of})), "part", "of_at", "", "")'
    )


def test_many_targets_share_a_query_and_names_are_no_patterns() -> None:
    queries = [
        QUERIES["request-rate"].bind({"namespace": space, "name": name, "interval": "5s"})
        for space, name in [("demo", "a.b"), ("demo", "c"), ("shop", "c")]
    ]
    assert len({query.family for query in queries}) == 1
    text = queries[0].family.promql([query.target for query in queries])
    assert 'destination_workload_namespace=~"demo|shop",destination_workload=~"a\\\\.b|c"' in text


def test_a_window_is_thirty_seconds_unless_told_and_takes_any_spelling() -> None:
    assert "[30s]" in QUERIES["error-rate"].bind({"namespace": "d", "name": "n"}).promql
    for given, written in [("5s", "[5s]"), ("1.5s", "[1s500ms]"), ("1m30s", "[1m30s]")]:
        bound = QUERIES["error-rate"].bind({"namespace": "d", "name": "n", "interval": given})
        assert written in bound.promql


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"namespace": "d"}, "Name is missing"),
        ({}, "Namespace is missing; Name is missing"),
        ({"namespace": "d", "name": "n", "nmae": "x"}, "no parameter 'nmae'"),
        ({"namespace": "d", "name": "n", "Name": "x"}, "Name is given twice"),
        ({"namespace": "d", "name": "n", "interval": "5"}, "no duration"),
        ({"namespace": "d", "name": "n", "interval": "0s"}, "no length"),
        ({"namespace": "d", "name": "n", "interval": "5s]) or vector(1"}, "no duration"),
        ({"namespace": "d", "name": "n", "quantile": 2}, "between 0 and 1"),
        ({"namespace": "d", "name": "n", "quantile": "nan"}, "between 0 and 1"),
        ({"namespace": "d", "name": "n", "reporter": "me"}, "source or destination"),
        ({"namespace": "d", "name": "n", "route": [1]}, "list of service names"),
        ({"namespace": None, "name": "n"}, "neither text nor number"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match="latency") as caught:
        QUERIES["latency"].bind(arguments)
    assert message in str(caught.value)
    assert "it takes (Namespace, Name, Interval=30s" in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_a_declared_query_takes_the_place_of_a_built_in_of_its_name() -> None:
    mine = QueryTemplate("error-rate", (), "vector(1)")
    assert QuerySet([mine])["error_rate"] is mine
    assert len(QuerySet([mine])) == len(QUERIES)


def test_names_become_python() -> None:
    assert python_name("istio-success-rate") == "istio_success_rate"
    assert python_name("class") == "class_"
    assert python_name("2xx.rate") == "q_2xx_rate"
    assert python_name("_private").isidentifier()
    assert not python_name("_private").startswith("_")


def test_two_queries_of_one_python_name_are_a_problem() -> None:
    twice = QuerySet([QueryTemplate("a-b", (), "up"), QueryTemplate("a_b", (), "up")])
    assert twice.problems() == ["a_b: the name is taken by a-b"]


def test_the_family_of_envoy_asks_one_at_a_time() -> None:
    family = QUERIES["envoy-success-rate"].bind({"namespace": "d", "name": "n"}).family
    assert family.batch == 1
    with pytest.raises(ValueError, match="unpack"):
        family.promql([Target("a", "b"), Target("c", "d")])
