"""From declared objects to Envoy's resources: pure."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from conftest_mesh import destination_rule, pod, service, to, virtual_service
from hypothesis import given
from hypothesis import strategies as st

from autopilot.sandbox.mesh.model import INGRESS, Source, World, build, workload_of
from autopilot.sandbox.mesh.translate import Notice, Snapshot, Translator

Body = dict[str, Any]

PODS = [
    pod("shop-v1", 9001, app="shop", version="v1"),
    pod("shop-v2", 9002, app="shop", version="v2"),
    pod("front", 9003, version="v1", env={"UPSTREAMS": "http://shop/"}),
]
SERVICES = [service("shop"), service("front"), service("two", {"app": "shop"}, ports=(8080, 9090))]
WORLD = build(SERVICES, PODS)
LOADGEN, FRONT = "out~istio-system~loadgen", "out~default~front"
SHOP = "out~default~shop~80~"


def translate(*rules: Body, world: World = WORLD) -> tuple[Snapshot, list[Notice]]:
    return Translator(
        world,
        [rule for rule in rules if rule["kind"] == "VirtualService"],
        [rule for rule in rules if rule["kind"] == "DestinationRule"],
    ).run()


def host(snapshot: Snapshot, name: str, caller: str = LOADGEN) -> Body:
    """The virtual host that answers to a name, by Envoy's rules for exact names."""
    hosts = snapshot.routes[caller]["virtual_hosts"]
    found: Body = next(h for h in hosts if name in h["domains"])
    return found


def routes(*rules: Body, name: str = "shop", caller: str = LOADGEN) -> list[Body]:
    found: list[Body] = host(translate(*rules)[0], name, caller)["routes"]
    return found


def route(**fields: Any) -> Body:
    """The only route of shop, for one given in Istio's words."""
    (found,) = routes(virtual_service("shop", {"route": [to("shop")], **fields}))
    return found


def reasons(*rules: Body) -> dict[str, str]:
    return {notice.reason: notice.message for notice in translate(*rules)[1]}


# -- the model ----------------------------------------------------------------------------------


def endpoints(snapshot: Snapshot, cluster: str) -> list[int]:
    groups = snapshot.clusters[cluster]["load_assignment"]["endpoints"]
    return [
        e["endpoint"]["address"]["socket_address"]["port_value"]
        for group in groups
        for e in group["lb_endpoints"]
    ]


def test_a_workload_is_its_deployment() -> None:
    assert workload_of(PODS[0]).name == "shop-v1"


def test_a_pod_without_an_owner_is_its_own_workload() -> None:
    body = pod("alone", 1)
    del body["metadata"]["ownerReferences"]
    assert workload_of(body).name == "alone-abc12-x"


def test_pods_that_terminate_or_are_not_ready_are_left_out() -> None:
    leaving = pod("shop-v1", 9010, app="shop", suffix="leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    unready = pod("shop-v1", 9011, app="shop", suffix="unready", ready=False)
    world = build(SERVICES, [*PODS, leaving, unready])
    assert endpoints(translate(world=world)[0], SHOP) == [9001, 9002]


def test_pods_without_known_ports_are_left_out() -> None:
    stranger = pod("shop-v1", 1, app="shop", annotations={"sandbox.autopilot.mesh/ports": "{"})
    assert endpoints(translate(world=build(SERVICES, [stranger]))[0], SHOP) == []


def test_a_named_target_port_is_looked_up() -> None:
    body = service("shop")
    body["spec"]["ports"][0]["targetPort"] = "http"
    assert endpoints(translate(world=build([body], PODS))[0], SHOP) == [9001, 9002]


def test_a_service_without_a_selector_has_no_endpoints() -> None:
    body = service("shop")
    body["spec"]["selector"] = None
    assert endpoints(translate(world=build([body], PODS))[0], SHOP) == []


def test_callers_are_the_load_client_and_whoever_declares_upstreams() -> None:
    annotated = pod("asked", 1, annotations={"sandbox.autopilot.mesh/outbound": "true"})
    world = build(SERVICES, [*PODS, annotated])
    assert [source.key for source in world.sources] == [
        "default/asked",
        "default/front",
        "istio-system/loadgen",
    ]


def test_the_same_objects_in_another_order_give_the_same_configuration() -> None:
    rules = [
        virtual_service("shop", {"route": [to("shop", 1, subset="v1"), to("front", 2)]}),
        destination_rule("shop", "v1", "v2"),
    ]
    one = translate(*rules)[0]
    other = translate(*rules[::-1], world=build(SERVICES[::-1], PODS[::-1]))[0]
    assert json.dumps(one.routes, sort_keys=True) == json.dumps(other.routes, sort_keys=True)
    assert one == other


# -- clusters -----------------------------------------------------------------------------------


def test_an_endpoint_says_which_workload_it_is() -> None:
    snapshot, _ = translate()
    (group,) = snapshot.clusters[SHOP]["load_assignment"]["endpoints"]
    assert [e["metadata"]["filter_metadata"]["istio"] for e in group["lb_endpoints"]] == [
        {"workload": "shop-v1", "namespace": "default", "app": "shop", "version": "v1"},
        {"workload": "shop-v2", "namespace": "default", "app": "shop", "version": "v2"},
    ]


def test_a_cluster_says_which_service_it_is() -> None:
    metadata = translate()[0].clusters[SHOP]["metadata"]["filter_metadata"]["istio"]
    assert metadata == {
        "service": "shop.default.svc.cluster.local",
        "service_name": "shop",
        "namespace": "default",
    }


def test_a_subset_holds_the_pods_with_its_labels() -> None:
    snapshot, _ = translate(destination_rule("shop", "v1", "v2", "v3"))
    assert endpoints(snapshot, SHOP + "v1") == [9001]
    assert endpoints(snapshot, SHOP + "v2") == [9002]
    assert endpoints(snapshot, SHOP + "v3") == []
    assert endpoints(snapshot, SHOP) == [9001, 9002]


def test_no_name_has_a_dot() -> None:
    rule = destination_rule("shop")
    rule["spec"]["subsets"] = [{"name": "v1.2", "labels": {"version": "v1"}}]
    body = virtual_service("shop", {"route": [to("shop", subset="v1.2")]}, hosts=["x.example.com"])
    snapshot, _ = translate(rule, body)
    assert not [name for name in [*snapshot.clusters, *snapshot.listeners] if "." in name]


def test_localities_are_grouped() -> None:
    pods = [
        pod("shop", 1, labels={"istio-locality": "eu.a.1"}),
        pod("shop", 2, labels={"istio-locality": "us"}, suffix="y"),
    ]
    groups = translate(world=build(SERVICES, pods))[0].clusters[SHOP]["load_assignment"]
    assert [group["locality"] for group in groups["endpoints"]] == [
        {"region": "eu", "zone": "a", "sub_zone": "1"},
        {"region": "us"},
    ]


def test_the_traffic_policy_becomes_limits_balancing_and_outlier_detection() -> None:
    policy = {
        "connectionPool": {
            "tcp": {"maxConnections": 7, "connectTimeout": "250ms"},
            "http": {"http1MaxPendingRequests": 3, "http2MaxRequests": 4, "maxRetries": 5},
        },
        "loadBalancer": {"simple": "ROUND_ROBIN"},
        "outlierDetection": {"consecutive5xxErrors": 2, "interval": "1s", "minHealthPercent": 40},
    }
    snapshot, notices = translate(destination_rule("shop", trafficPolicy=policy))
    cluster = snapshot.clusters[SHOP]
    assert not notices
    assert cluster["connect_timeout"] == "0.25s"
    assert cluster["circuit_breakers"]["thresholds"] == [
        {"max_connections": 7, "max_pending_requests": 3, "max_requests": 4, "max_retries": 5}
    ]
    assert cluster["lb_policy"] == "ROUND_ROBIN"
    assert cluster["outlier_detection"] == {
        "interval": "1s",
        "base_ejection_time": "30s",
        "max_ejection_percent": 10,
        "enforcing_success_rate": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "consecutive_5xx": 2,
        "enforcing_consecutive_5xx": 100,
    }
    assert cluster["common_lb_config"] == {"healthy_panic_threshold": {"value": 40.0}}


def test_a_subsets_policy_replaces_the_services_part_by_part() -> None:
    rule = destination_rule(
        "shop",
        "v1",
        trafficPolicy={
            "loadBalancer": {"simple": "RANDOM"},
            "connectionPool": {"tcp": {"maxConnections": 1}},
        },
    )
    rule["spec"]["subsets"][0]["trafficPolicy"] = {"loadBalancer": {"simple": "ROUND_ROBIN"}}
    clusters = translate(rule)[0].clusters
    assert clusters[SHOP]["lb_policy"] == "RANDOM"
    assert clusters[SHOP + "v1"]["lb_policy"] == "ROUND_ROBIN"
    limits = clusters[SHOP + "v1"]["circuit_breakers"]["thresholds"][0]
    assert limits["max_connections"] == 1


def test_retries_are_never_cut_at_envoys_three() -> None:
    limits = translate()[0].clusters[SHOP]["circuit_breakers"]["thresholds"][0]
    assert limits["max_retries"] > 1000


# -- virtual hosts ------------------------------------------------------------------------------


def test_a_service_answers_to_all_its_names_with_and_without_port() -> None:
    assert host(translate()[0], "shop", FRONT)["domains"] == [
        "shop.default.svc.cluster.local:80",
        "shop.default.svc:80",
        "shop.default:80",
        "shop:80",
        "shop.default.svc.cluster.local",
        "shop.default.svc",
        "shop.default",
        "shop",
        "shop.default.svc.cluster.local:*",
        "shop.default.svc:*",
        "shop.default:*",
        "shop:*",
    ]


def test_each_port_of_a_service_has_its_own_routes() -> None:
    body = virtual_service(
        "two", {"match": [{"port": 9090}], "route": [to("shop")]}, {"route": [to("two")]}
    )
    first, second = routes(body, name="two:8080"), routes(body, name="two:9090")
    assert [r["route"]["cluster"] for r in first] == ["out~default~two~8080~"]
    assert [r["route"]["cluster"] for r in second] == [SHOP, "out~default~two~9090~"]


def test_a_short_name_belongs_to_the_callers_namespace() -> None:
    other = service("shop")
    other["metadata"]["namespace"] = "other"
    snapshot, _ = translate(world=build([*SERVICES, other], PODS))
    for caller in (FRONT, LOADGEN):
        assert host(snapshot, "shop", caller)["name"] == "default~shop~80"
    assert host(snapshot, "shop.other")["name"] == "other~shop~80"


def test_a_short_destination_belongs_to_the_virtual_services_namespace() -> None:
    body = virtual_service(
        "shop", {"route": [to("shop")]}, hosts=["front.default.svc.cluster.local"]
    )
    body["metadata"]["namespace"] = "elsewhere"
    snapshot, notices = translate(body)
    assert [n.reason for n in notices] == ["DestinationNotFound"]
    (made,) = host(snapshot, "front")["routes"]
    assert made["route"]["cluster"] == "missing~shop_elsewhere_svc_cluster_local~0~"
    assert made["route"]["cluster"] in snapshot.clusters


def test_domains_are_never_given_twice() -> None:
    snapshot, _ = translate(
        virtual_service("public", {"route": [to("front")]}, hosts=["*"], gateways=["gw"]),
        virtual_service("shop", {"route": [to("front")]}, gateways=["gw", "mesh"]),
        virtual_service("b", {"route": [to("front")]}, hosts=["x.example.com", "*.example.com"]),
    )
    for configuration in snapshot.routes.values():
        domains = [d for h in configuration["virtual_hosts"] for d in h["domains"]]
        assert len(domains) == len(set(domains))


def test_a_gateways_routes_are_for_the_ingress_alone() -> None:
    body = virtual_service("shop", {"route": [to("front")]}, gateways=["gw"])
    assert routes(body)[0]["route"]["cluster"] == "out~default~front~80~"
    assert routes(body, caller=FRONT)[0]["route"]["cluster"] == SHOP


def test_a_match_may_be_for_a_gateway_or_the_mesh_alone() -> None:
    body = virtual_service(
        "shop",
        {"match": [{"gateways": ["gw"]}], "route": [to("front")]},
        {"route": [to("shop")]},
        gateways=["gw", "mesh"],
    )
    assert len(routes(body)) == 2
    assert len(routes(body, caller=FRONT)) == 1


def test_several_virtual_services_of_a_gateways_host_are_joined_with_catch_alls_last() -> None:
    snapshot, _ = translate(
        virtual_service("a", {"route": [to("shop")]}, hosts=["x.com"], gateways=["gw"]),
        virtual_service(
            "b",
            {"match": [{"uri": {"prefix": "/b"}}], "route": [to("front")]},
            hosts=["x.com"],
            gateways=["gw"],
        ),
    )
    assert [r["match"]["prefix"] for r in host(snapshot, "x.com")["routes"]] == ["/b", "/"]


def test_a_wildcard_host_covers_services_unless_one_is_named() -> None:
    rules = [
        virtual_service("all", {"route": [to("front")]}, hosts=["*.default.svc.cluster.local"]),
        virtual_service("shop", {"route": [to("two")]}),
    ]
    assert routes(*rules)[0]["route"]["cluster"] == "out~default~two~8080~"
    assert routes(*rules, name="front")[0]["route"]["cluster"] == "out~default~front~80~"


def test_export_to_hides_it_from_other_namespaces() -> None:
    body = virtual_service("shop", {"route": [to("front")]}, exportTo=["."])
    assert routes(body, caller=FRONT)[0]["route"]["cluster"] == "out~default~front~80~"
    assert routes(body)[0]["route"]["cluster"] == SHOP


def test_sources_are_told_apart_by_labels_and_namespace() -> None:
    body = virtual_service(
        "shop",
        {"match": [{"sourceLabels": {"app": "front"}}], "name": "front", "route": [to("shop")]},
        {"match": [{"sourceNamespace": "istio-system"}], "name": "in", "route": [to("shop")]},
    )
    assert [r["name"] for r in routes(body, caller=FRONT)] == ["front"]
    assert [r["name"] for r in routes(body)] == ["in"]


# -- routes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "envoy"),
    [
        ({"uri": {"exact": "/a"}}, {"path": "/a"}),
        ({"uri": {"prefix": "/a"}}, {"prefix": "/a"}),
        ({"uri": {"regex": "/a.*"}}, {"safe_regex": {"regex": "/a.*"}}),
        ({"uri": {"prefix": "/A"}, "ignoreUriCase": True},
         {"prefix": "/A", "case_sensitive": False}),
        ({"method": {"exact": "GET"}},
         {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}),
        ({"authority": {"prefix": "a"}},
         {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"prefix": "a"}}]}),
        ({"headers": {"x": {"regex": "a+"}}},
         {"prefix": "/", "headers": [
             {"name": "x", "string_match": {"safe_regex": {"regex": "a+"}}}]}),
        ({"headers": {"x": {}}},
         {"prefix": "/", "headers": [{"name": "x", "present_match": True}]}),
        ({"withoutHeaders": {"x": {}}},
         {"prefix": "/", "headers": [
             {"name": "x", "present_match": True, "invert_match": True}]}),
        ({"queryParams": {"q": {"exact": "1"}}},
         {"prefix": "/", "query_parameters": [{"name": "q", "string_match": {"exact": "1"}}]}),
        ({}, {"prefix": "/"}),
    ],
)  # fmt: skip
def test_a_match(match: Body, envoy: Body) -> None:
    assert route(match=[match])["match"] == envoy


def test_several_matches_are_alternatives() -> None:
    matches = [{"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}, "name": "b"}]
    body = virtual_service("shop", {"name": "x", "match": matches, "route": [to("shop")]})
    assert [(r["match"]["path"], r["name"]) for r in routes(body)] == [("/a", "x"), ("/b", "x.b")]


def test_istios_defaults_are_two_retries_and_no_timeout() -> None:
    for made in (route(), routes()[0]):
        action = made["route"]
        assert action["timeout"] == "0s"
        policy = action["retry_policy"]
        assert policy["num_retries"] == 2
        assert policy["retriable_status_codes"] == [503]
        assert policy["retry_on"] == (
            "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
        )


def test_codes_in_retry_on_become_status_codes() -> None:
    policy = route(retries={"attempts": 3, "retryOn": "gateway-error, 418"})["route"]
    assert policy["retry_policy"]["retry_on"] == "gateway-error,retriable-status-codes"
    assert policy["retry_policy"]["retriable_status_codes"] == [418]


def test_a_fault_takes_the_timeout_and_the_retries_away() -> None:
    made = route(
        timeout="1m30s",
        retries={"attempts": 3},
        fault={"abort": {"httpStatus": 500, "percentage": {"value": 0.1}}},
    )
    assert made["route"]["timeout"] == "0s"
    assert "retry_policy" not in made["route"]
    fault = made["typed_per_filter_config"]["envoy.filters.http.fault"]
    assert fault["abort"] == {
        "http_status": 500,
        "percentage": {"numerator": 1000, "denominator": "MILLION"},
    }


@pytest.mark.parametrize(
    ("text", "envoy"), [("1m30s", "90s"), ("250ms", "0.25s"), ("0.5s", "0.5s"), ("1h", "3600s")]
)
def test_a_timeout(text: str, envoy: str) -> None:
    assert route(timeout=text)["route"]["timeout"] == envoy


def test_a_faults_percentage_left_out_is_none_and_a_mirrors_is_all() -> None:
    made = route(fault={"delay": {"fixedDelay": "1s"}}, mirror={"host": "front"})
    fault = made["typed_per_filter_config"]["envoy.filters.http.fault"]
    assert fault["delay"]["percentage"]["numerator"] == 0
    (mirror,) = made["route"]["request_mirror_policies"]
    assert mirror == {
        "cluster": "out~default~front~80~",
        "runtime_fraction": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
    }


def test_a_redirect_and_a_direct_response_have_no_destination() -> None:
    redirect = {"authority": "new", "port": 81, "scheme": "http", "redirectCode": 308}
    body = virtual_service(
        "shop",
        {"match": [{"uri": {"prefix": "/r"}}], "redirect": redirect},
        {"directResponse": {"status": 204}},
    )
    first, second = routes(body)
    assert first["redirect"] == {
        "response_code": "PERMANENT_REDIRECT",
        "host_redirect": "new",
        "port_redirect": 81,
        "scheme_redirect": "http",
    }
    assert second["direct_response"] == {"status": 204}


def test_a_host_header_is_rewritten_not_set() -> None:
    made = route(headers={"request": {"set": {"Host": "other", "x-a": "1"}}})
    assert made["route"]["host_rewrite_literal"] == "other"
    assert [h["header"]["key"] for h in made["request_headers_to_add"]] == ["x-a"]


# -- notices ------------------------------------------------------------------------------------


def test_what_is_carried_out_needs_no_notice() -> None:
    body = virtual_service("shop", {"route": [to("shop")]})
    assert reasons(body, destination_rule("shop", "v1")) == {}


def test_what_is_not_carried_out_is_named() -> None:
    body = virtual_service("shop", {"route": [to("shop")], "delegate": {"name": "x"}}, tls=[])
    rule = destination_rule("shop", trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}})
    told = [notice.message for notice in translate(body, rule)[1]]
    assert sorted(told) == [
        "ignored: spec.http[0].delegate, spec.tls",
        "ignored: spec.trafficPolicy.tls",
    ]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"route": [to("a", 0), to("b", 0)]}, "add up to more than 0"),
        ({"route": [to("a", -1), to("b", 2)]}, "never negative"),
        ({"route": []}, "exactly one of"),
        ({"route": [to("a")], "redirect": {"uri": "/"}}, "exactly one of"),
        ({"route": [to("a")], "timeout": "5"}, "no duration"),
        ({"route": [to("a")], "fault": {"delay": {"fixedDelay": "x"}}}, "no duration"),
        ({"route": [to("a")], "mirror": {"host": "b"}, "mirrorPercentage": {"value": 101}},
         "between 0 and 100"),
        ({"redirect": {"redirectCode": 200}}, "redirectCode"),
        ({"route": [{"weight": 1}]}, "has a host"),
    ],
)  # fmt: skip
def test_what_is_wrong_as_a_whole_is_left_out_and_named(fields: Body, wrong: str) -> None:
    body = virtual_service("shop", fields)
    assert wrong in reasons(body)["Invalid"]
    assert routes(body)[0]["route"]["cluster"] == SHOP


def test_the_oldest_virtual_service_of_a_host_wins() -> None:
    old, young = (virtual_service(n, {"route": [to("front")]}, hosts=["shop"]) for n in "zy")
    old["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    young["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    young["spec"]["http"] = [{"route": [to("two")]}]
    assert "VirtualService default/z is older" in reasons(young, old)["HostConflict"]
    assert routes(young, old)[0]["route"]["cluster"] == "out~default~front~80~"


def test_the_oldest_destination_rule_of_a_host_wins() -> None:
    one, other = destination_rule("shop", "v1"), destination_rule("shop", "v2")
    other["metadata"]["name"] = "zz"
    assert "DestinationRule default/shop is older" in reasons(one, other)["HostConflict"]
    assert SHOP + "v1" in translate(one, other)[0].clusters


def test_a_host_that_people_take_for_a_service_is_named() -> None:
    body = virtual_service("shop", {"route": [to("front")]}, hosts=["shop.default"])
    assert "shop.default.svc.cluster.local is one" in reasons(body)["HostNotFound"]
    assert routes(body)[0]["route"]["cluster"] == SHOP


def test_a_missing_subset_or_port_is_named_and_its_share_has_a_cluster() -> None:
    body = virtual_service(
        "shop", {"route": [to("shop", 1, subset="v7"), to("shop", 1, port={"number": 81})]}
    )
    snapshot, notices = translate(body)
    assert sorted(n.reason for n in notices) == ["DestinationNotFound", "SubsetNotFound"]
    entries = host(snapshot, "shop")["routes"][0]["route"]["weighted_clusters"]["clusters"]
    for entry in entries:
        assert "endpoints" not in snapshot.clusters[entry["name"]]["load_assignment"]


# -- listeners ----------------------------------------------------------------------------------


def test_a_listener_has_constants_for_its_caller_and_never_shares_its_port() -> None:
    listener = translate()[0].listeners[FRONT]
    assert listener["enable_reuse_port"] is False
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (logger,) = manager["access_log"]
    tags = {
        tag["name"]: tag["value_format"]
        for tag in logger["typed_config"]["counters"][0]["stat"]["tags"]
    }
    assert tags["reporter"] == "source"
    assert tags["source_workload"] == "front"
    assert tags["source_version"] == "v1"
    assert tags["source_workload_namespace"] == "default"


def test_every_cluster_that_a_route_names_exists() -> None:
    snapshot, _ = translate(
        virtual_service(
            "shop",
            {"route": [to("shop", 1, subset="v1"), to("gone", 1)], "mirror": {"host": "lost"}},
        ),
        destination_rule("shop", "v1"),
    )
    named = {
        value
        for text in [json.dumps(snapshot.routes)]
        for value in [part.split('"')[0] for part in text.split('"cluster": "')[1:]]
    }
    assert named <= set(snapshot.clusters)
    assert all(r["validate_clusters"] for r in snapshot.routes.values())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["shop", "front", "two", "gone"]),
            st.sampled_from(["", "v1", "v9"]),
            st.none() | st.integers(0, 10_000),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_weights_keep_their_proportion(items: list[tuple[str, str, int | None]]) -> None:
    destinations = [
        to(name, weight, **({"subset": subset} if subset else {})) for name, subset, weight in items
    ]
    body = virtual_service("shop", {"route": destinations})
    snapshot, notices = translate(body, destination_rule("shop", "v1"))
    total = sum(weight or 0 for _, _, weight in items)
    (made,) = host(snapshot, "shop")["routes"]
    if len(items) == 1:
        assert made["route"]["cluster"] in snapshot.clusters
        return
    if not total:
        assert [n.reason for n in notices] == ["Invalid"]
        return
    entries = made["route"]["weighted_clusters"]["clusters"]
    envoys = sum(entry["weight"] for entry in entries)
    assert [Fraction(entry["weight"], envoys) for entry in entries] == [
        Fraction(weight or 0, total) for _, _, weight in items
    ]
    assert all(entry["name"] in snapshot.clusters for entry in entries)


def test_the_load_client_is_always_there() -> None:
    snapshot, _ = translate(world=build([], []))
    assert list(snapshot.listeners) == [LOADGEN]
    assert isinstance(INGRESS, Source)
    assert INGRESS.key == "istio-system/loadgen"
