"""What overlaid actions make of VirtualServices and DestinationRules."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mesh_kit import NOW, VIRTUAL_SERVICES, endpoints, owner, service, snapshot

from autopilot.mesh.actions import (
    Fault,
    Mirror,
    OutlierDetection,
    Retry,
    Shed,
    Shift,
    Timeout,
    Where,
)
from autopilot.mesh.errors import PastDeadline, TargetMissing, Unfeasible, WouldStarve
from autopilot.mesh.istio.destinations import divided
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.steps import MakeBase, Plan, PutOverlay
from autopilot.overlay.errors import Foreign
from autopilot.sandbox.mesh import check

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Overlaid

WEB = Where("web")


def to(host: str, weight: int | None = None, **more: Any) -> Body:
    entry: Body = {"destination": {"host": host, **more}}
    return entry if weight is None else {**entry, "weight": weight}


def routed(*routes: Body, name: str = "web", namespace: str = "demo", **spec: Any) -> Body:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
        },
        "spec": {"hosts": ["web"], "http": [*routes], **spec},
    }


def ruled(**spec: Any) -> Body:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": "demo", "uid": "uid-dr", "resourceVersion": "1"},
        "spec": {"host": "web", **spec},
    }


def world(*virtual: Body, rules: tuple[Body, ...] = (), ready: tuple[str, ...] = ()) -> Any:
    names = ("web", "web-standby", "shadow")
    return snapshot(
        virtualservices=[*virtual],
        destinationrules=[*rules],
        services=[service(name) for name in names],
        endpointslices=[endpoints(name, 2) for name in ready or names],
    )


def planned(seen: Any, *actions: Overlaid) -> Plan:
    return Istio().plan(owner(), actions, seen, NOW)


def after(seen: Any, *actions: Overlaid) -> Body:
    """The spec of the one object that the actions change."""
    assert not planned(seen, *actions).refused
    (one,) = Istio().preview(owner(), actions, seen, NOW)
    spec: Body = one.after["spec"]
    return spec


def routes(seen: Any, *actions: Overlaid) -> list[Body]:
    found: list[Body] = after(seen, *actions)["http"]
    return found


def shift(standby: int, where: Where = WEB, **more: Any) -> Shift:
    return Shift(where, {"web": 100 - standby, "web-standby": standby}, "web", **more)


def test_every_route_that_leads_to_the_host_is_shifted_and_no_other() -> None:
    seen = world(
        routed(
            {"name": "api", "match": [{"uri": {"prefix": "/api"}}], "route": [to("api")]},
            {"name": "old", "redirect": {"uri": "/new"}},
            {"name": "a", "match": [{"uri": {"prefix": "/a"}}], "route": [to("web")]},
            {"route": [to("web.demo.svc.cluster.local", subset="v1", port={"number": 8080})]},
        )
    )
    api, old, first, last = routes(seen, shift(100))
    assert (api, old) == ({**seen_route(seen, 0)}, {**seen_route(seen, 1)})
    assert first["route"] == [to("web", 0), to("web-standby", 100)]
    assert last["route"] == [
        {
            "destination": {
                "host": "web.demo.svc.cluster.local",
                "subset": "v1",
                "port": {"number": 8080},
            },
            "weight": 0,
        },
        to("web-standby", 100, port={"number": 80}),
    ]


def seen_route(seen: Any, index: int) -> Body:
    body: Body = next(iter(seen.objects(VIRTUAL_SERVICES)))
    route: Body = body["spec"]["http"][index]
    return route


def test_only_the_named_route_is_changed_when_one_is_named() -> None:
    seen = world(
        routed(
            {"name": "a", "match": [], "route": [to("web")]}, {"name": "b", "route": [to("web")]}
        )
    )
    first, second = routes(seen, Timeout(Where("web", route="b"), timedelta(seconds=2)))
    assert "timeout" not in first
    assert second["timeout"] == "2s"
    (error,) = planned(seen, Timeout(Where("web", route="c"), timedelta(seconds=2))).refused
    assert isinstance(error, TargetMissing)


def test_a_split_that_is_taken_over_keeps_its_proportions() -> None:
    seen = world(
        routed({"route": [to("web", 75, subset="v1"), to("web", 25, subset="v2")]}),
        rules=(ruled(subsets=[{"name": "v1"}, {"name": "v2"}]),),
    )
    (error,) = planned(seen, shift(50)).refused
    assert isinstance(error, Foreign)
    (route,) = routes(seen, shift(50, take_over=True))
    assert [entry["weight"] for entry in route["route"]] == [38, 12, 50]


@pytest.mark.parametrize(
    ("total", "by", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (1, [50, 50], [1, 0]),
        (10, [0, 0], [10, 0]),
        (0, [3, 4], [0, 0]),
    ],
)
def test_shares_are_whole_and_add_up(total: int, by: list[int], parts: list[int]) -> None:
    assert divided(total, by) == parts


def test_a_subset_must_be_defined() -> None:
    seen = world(routed({"route": [to("web")]}), rules=(ruled(subsets=[{"name": "v1"}]),))
    good = Shift(WEB, {"web": 50, "web/v1": 50}, "web")
    (route,) = routes(seen, good)
    assert route["route"] == [to("web", 50), to("web", 50, subset="v1")]
    (error,) = planned(seen, Shift(WEB, {"web": 50, "web/v9": 50}, "web")).refused
    assert isinstance(error, TargetMissing)


def test_no_shift_empties_the_last_healthy_destination() -> None:
    body = routed({"route": [to("web")]})
    (error,) = planned(world(body, ready=("web",)), shift(100)).refused
    assert isinstance(error, WouldStarve)
    assert not planned(world(body, ready=("web-standby",)), shift(100)).refused


def test_faults_and_mirrors_say_their_percentages_as_floats() -> None:
    fault = Fault(
        WEB, abort_status=503, abort_percentage=30, delay=timedelta(seconds=1.5), delay_percentage=5
    )
    (route,) = routes(
        world(routed({"route": [to("web")]})), fault, Mirror(WEB, "shadow", percentage=100)
    )
    assert route["fault"] == {
        "abort": {"httpStatus": 503, "percentage": {"value": 30.0}},
        "delay": {"fixedDelay": "1s500ms", "percentage": {"value": 5.0}},
    }
    assert route["mirrors"] == [
        {
            "destination": {"host": "shadow", "port": {"number": 80}},
            "percentage": {"value": 100.0},
        }
    ]
    shares = [route["fault"]["abort"], route["fault"]["delay"], route["mirrors"][0]]
    assert all(type(share["percentage"]["value"]) is float for share in shares)


def test_somebody_elses_fault_or_mirror_is_refused_unless_taken_over() -> None:
    foreign = {"delay": {"fixedDelay": "1s", "percentage": {"value": 1}}}
    seen = world(routed({"route": [to("web")], "fault": foreign, "mirror": {"host": "shadow"}}))
    refused = planned(seen, Fault(WEB, abort_status=500), Mirror(WEB, "shadow")).refused
    assert [type(error) for error in refused] == [Foreign, Foreign]
    (route,) = routes(
        seen,
        Fault(WEB, abort_status=500, take_over=True),
        Mirror(WEB, "shadow", take_over=True),
    )
    assert "delay" not in route["fault"]
    assert "mirror" not in route


def test_two_actions_of_one_holder_share_a_route() -> None:
    seen = world(routed({"route": [to("web")]}))
    (route,) = routes(
        seen,
        Retry(WEB, 3, timedelta(milliseconds=250), "5xx"),
        Timeout(WEB, timedelta(seconds=2)),
        shift(10),
    )
    assert route == {
        "route": [to("web", 90), to("web-standby", 10)],
        "timeout": "2s",
        "retries": {"attempts": 3, "perTryTimeout": "250ms", "retryOn": "5xx"},
    }
    (route,) = routes(seen, Retry(WEB, 0, timedelta(seconds=1), "5xx"))
    assert route["retries"] == {"attempts": 0}


def test_a_plan_says_that_a_fault_disables_time_outs_and_retries() -> None:
    seen = world(routed({"route": [to("web")]}))
    (step,) = planned(seen, Fault(WEB, abort_status=503)).steps
    assert "timeout and retries don't apply" in step.summary
    faulty = world(routed({"route": [to("web")], "fault": {"abort": {"httpStatus": 500}}}))
    (step,) = planned(faulty, Timeout(WEB, timedelta(seconds=1))).steps
    assert "without effect" in step.summary


def test_some_callers_get_a_route_of_their_own_before_the_one_that_it_copies() -> None:
    where = Where("web", callers=("cart", "search"))
    seen = world(
        routed(
            {"name": "other", "match": [{"uri": {"exact": "/x"}}], "route": [to("api")]},
            {
                "name": "main",
                "match": [{"uri": {"prefix": "/a"}}, {"sourceLabels": {"app": "cart"}}],
                "route": [to("web")],
                "rewrite": {"uri": "/"},
            },
        )
    )
    other, mine, main = routes(seen, Timeout(where, timedelta(seconds=1)), shift(30, where))
    assert other["name"] == "other"
    assert main == seen_route(seen, 1)
    assert mine.pop("name").startswith("autopilot-callers-")
    assert mine == {
        "match": [
            {"uri": {"prefix": "/a"}, "sourceLabels": {"app": "cart"}},
            {"uri": {"prefix": "/a"}, "sourceLabels": {"app": "search"}},
            {"sourceLabels": {"app": "cart"}},
        ],
        "route": [to("web", 70), to("web-standby", 30)],
        "rewrite": {"uri": "/"},
        "timeout": "1s",
    }


def test_a_hazard_for_some_callers_stands_before_what_protects_them() -> None:
    where = Where("web", callers=("cart",))
    seen = world(routed({"route": [to("web")]}))
    hazard, lasting, _ = routes(
        seen, Fault(where, abort_status=503), Timeout(where, timedelta(seconds=1))
    )
    assert hazard["name"].startswith("autopilot-callers-hazard-")
    assert hazard["timeout"] == lasting["timeout"] == "1s"
    assert "fault" in hazard
    assert "fault" not in lasting


def test_all_that_is_shed_is_answered_directly() -> None:
    seen = world(routed({"name": "main", "route": [to("web")]}))
    shed = Shed(WEB, {"x-priority": ("batch", "bot")}, status=429, retry_after=timedelta(seconds=9))
    mine, main = routes(seen, shed)
    assert main == seen_route(seen, 0)
    assert mine.pop("name").startswith("autopilot-shed-")
    assert mine == {
        "match": [
            {"headers": {"x-priority": {"exact": "batch"}}},
            {"headers": {"x-priority": {"exact": "bot"}}},
        ],
        "directResponse": {"status": 429},
        "headers": {"response": {"set": {"retry-after": "9"}}},
    }


def test_a_share_that_is_shed_follows_a_shift_of_the_route_that_it_copies_but_no_hazard() -> None:
    seen = world(routed({"name": "main", "route": [to("web")]}))
    shed = Shed(WEB, {"x-priority": ("batch",)}, share=25)
    mine, main = routes(seen, shed, shift(100), Mirror(WEB, "shadow"))
    assert mine["route"] == main["route"] == [to("web", 0), to("web-standby", 100)]
    assert mine["fault"] == {"abort": {"httpStatus": 503, "percentage": {"value": 25.0}}}
    assert "mirrors" in main
    assert "mirrors" not in mine
    assert planned(seen, Shed(WEB, share=0)).steps == ()


def test_a_share_that_is_shed_is_sent_retry_after_beside_the_routes_own_headers() -> None:
    theirs = {"request": {"add": {"a": "b"}}, "response": {"set": {"Retry-After": "1", "x": "y"}}}
    seen = world(routed({"name": "main", "headers": theirs, "route": [to("web")]}))
    shed = Shed(WEB, share=50, retry_after=timedelta(seconds=2.5))
    mine, main = routes(seen, shed)
    assert mine["headers"] == {
        "request": {"add": {"a": "b"}},
        "response": {"set": {"x": "y", "retry-after": "3"}},
    }
    assert main["headers"] == theirs
    (step,) = planned(seen, shed).steps
    assert "answers that pass carry retry-after too" in step.summary


@pytest.mark.parametrize("first", [(), (0,), (1,)], ids=["at once", "shed first", "callers first"])
def test_a_shed_of_all_requests_spares_none_that_have_a_route_of_their_own(
    first: tuple[int, ...],
) -> None:
    seen = world(routed({"name": "main", "route": [to("web")]}))
    both = (Shed(WEB, share=50), shift(100, Where("web", callers=("cart",))))
    if first:
        (one,) = Istio().preview(owner(), [both[n] for n in first], seen, NOW)
        seen = world({**one.after})
    some, mine, rest, main = routes(seen, *both)
    assert [each.get("match") for each in (some, mine, rest)] == [
        [{"sourceLabels": {"app": "cart"}}],
        [{"sourceLabels": {"app": "cart"}}],
        None,
    ]
    assert some["route"] == mine["route"] == [to("web", 0), to("web-standby", 100)]
    assert rest["route"] == main["route"] == [to("web")]
    assert some["fault"] == rest["fault"]
    assert "fault" not in mine


def test_an_abort_by_grpc_status_says_what_other_callers_are_answered() -> None:
    seen = world(routed({"name": "main", "route": [to("web")]}))
    (step,) = planned(seen, Fault(WEB, abort_grpc="UNAVAILABLE", abort_percentage=5)).steps
    assert "abort 5% with UNAVAILABLE (for gRPC; plain HTTP callers are answered 200)" in (
        step.summary
    )


def test_headers_that_a_route_asks_for_itself_narrow_what_is_shed() -> None:
    route = {"match": [{"headers": {"X-Tier": {"prefix": "b"}}}], "route": [to("web")]}
    mine, _ = routes(world(routed(route)), Shed(WEB, {"x-tier": ("batch", "gold")}))
    assert mine["match"] == [{"headers": {"X-Tier": {"exact": "batch"}}}]
    none = planned(world(routed(route)), Shed(WEB, {"x-tier": ("gold",)}))
    assert (none.steps, none.refused) == ((), ())
    pattern = {"match": [{"headers": {"x-tier": {"regex": "(a+)+"}}}], "route": [to("web")]}
    (error,) = planned(world(routed(pattern)), Shed(WEB, {"x-tier": ("gold",)})).refused
    assert isinstance(error, Unfeasible)


def test_a_port_is_a_condition_only_where_the_service_has_several() -> None:
    one = world(routed({"route": [to("web")]}))
    assert len(routes(one, Timeout(Where("web", port=80), timedelta(seconds=1)))) == 1
    other = Where("web", port=8080)
    mine, _ = routes(one, Timeout(other, timedelta(seconds=1)))
    assert mine["match"] == [{"port": 8080}]
    bound = world(
        routed(
            {"match": [{"port": 8080}], "route": [to("web")]},
            {"match": [{"port": 9090}], "route": [to("web")]},
        )
    )
    first, second = routes(bound, Timeout(other, timedelta(seconds=1)))
    assert first["timeout"] == "1s"
    assert "timeout" not in second


def test_a_host_without_a_virtual_service_gets_a_neutral_one_first() -> None:
    plan = planned(world(), Timeout(WEB, timedelta(seconds=1)))
    made, put = plan.steps
    assert isinstance(made, MakeBase)
    assert isinstance(put, PutOverlay)
    assert made.body["spec"] == {
        "hosts": ["web"],
        "http": [{"name": "default", "route": [to("web")]}],
    }
    assert "ownerReferences" not in made.body["metadata"]
    elsewhere = routed({"route": [to("web")]}, exportTo=["."], namespace="other")
    elsewhere["spec"]["hosts"] = ["web.demo.svc.cluster.local"]
    targets = {
        p.target.namespace
        for p in Istio().preview(
            owner(), [Timeout(WEB, timedelta(seconds=1))], world(elsewhere), NOW
        )
    }
    assert targets == {"demo", "other"}


def test_one_for_gateways_alone_is_overlaid_and_callers_in_the_mesh_get_a_base() -> None:
    edge = routed({"route": [to("web")]}, name="edge", gateways=["shop/edge"])
    previews = Istio().preview(owner(), [shift(100)], world(edge), NOW)
    assert {each.target.name for each in previews} == {"edge", "autopilot-web"}


def test_the_sandbox_carries_out_all_that_is_written() -> None:
    seen = world(routed({"name": "main", "route": [to("web")]}), rules=(ruled(),))
    where = Where("web", callers=("cart",))
    everything = (
        shift(30),
        Timeout(WEB, timedelta(seconds=1)),
        Retry(where, 2, timedelta(milliseconds=100), "5xx"),
        Mirror(WEB, "shadow"),
        Fault(where, abort_status=503, delay=timedelta(seconds=1)),
        Shed(WEB, {"x": ("a",)}, retry_after=timedelta(seconds=1)),
        Shed(WEB, {"x": ("b",)}, share=10),
        OutlierDetection(WEB, max_connections=1, localities={"a": "b"}),
    )
    assert not planned(seen, *everything).refused
    previews = Istio().preview(owner(), everything, seen, NOW)
    assert [each.target.kind.kind for each in previews] == ["VirtualService", "DestinationRule"]
    for each in previews:
        assert check.problems(each.after) == []
        assert check.unsupported(each.after) == []


def test_a_shift_says_how_much_it_moves() -> None:
    seen = world(routed({"route": [to("web")]}))
    (step,) = planned(seen, shift(30)).steps
    assert isinstance(step, PutOverlay)
    assert (step.moves, step.moved) == ("forward", 30.0)


def test_nothing_is_made_for_a_service_that_is_not_there() -> None:
    (error,) = planned(world(), Timeout(Where("nobody"), timedelta(seconds=1))).refused
    assert isinstance(error, TargetMissing)


def test_outlier_detection_limits_and_localities_stand_beside_what_the_rule_has() -> None:
    rule = ruled(trafficPolicy={"connectionPool": {"tcp": {"connectTimeout": "1s"}}})
    action = OutlierDetection(
        WEB,
        max_connections=10,
        max_pending_requests=5,
        max_requests=50,
        localities={"eu/a": "us/a", "eu/b": "us/b"},
    )
    spec = after(world(rules=(rule,)), action)
    assert spec["trafficPolicy"] == {
        "connectionPool": {
            "tcp": {"connectTimeout": "1s", "maxConnections": 10},
            "http": {"http1MaxPendingRequests": 5, "http2MaxRequests": 50},
        },
        "outlierDetection": {
            "consecutive5xxErrors": 5,
            "interval": "10s",
            "baseEjectionTime": "30s",
            "maxEjectionPercent": 100,
        },
        "loadBalancer": {
            "localityLbSetting": {"enabled": True, "failover": [{"from": "eu", "to": "us"}]}
        },
    }
    base, _ = planned(world(), action).steps
    assert isinstance(base, MakeBase)
    assert base.body["spec"] == {"host": "web"}
    refused = [
        planned(world(), OutlierDetection(WEB, consecutive_5xx=None)).refused,
        planned(world(), OutlierDetection(WEB, None, localities={"a": "b"})).refused,
        planned(world(), OutlierDetection(WEB, localities={"a/1": "b", "a/2": "c"})).refused,
    ]
    assert [type(error) for (error,) in refused] == [Unfeasible] * 3


def test_a_subset_with_a_policy_of_its_own_is_named() -> None:
    rule = ruled(subsets=[{"name": "v1", "trafficPolicy": {"outlierDetection": {}}}])
    (step,) = planned(world(rules=(rule,)), OutlierDetection(WEB)).steps
    assert "not in force for subset v1" in step.summary


def test_callers_with_a_destination_rule_of_their_own_are_named() -> None:
    def elsewhere(namespace: str, host: str = "web.demo.svc.cluster.local", **spec: Any) -> Body:
        made = ruled(host=host, **spec)
        made["metadata"] |= {"name": "theirs", "namespace": namespace, "uid": f"uid-{namespace}"}
        return made

    others = (
        elsewhere("pay", "web.demo"),
        elsewhere("cart"),
        elsewhere("same", "web"),
        elsewhere("giver", exportTo=["demo"]),
    )
    (step,) = planned(world(rules=(ruled(), *others)), OutlierDetection(WEB)).steps
    assert step.summary.endswith(
        "not in force for callers in cart, pay, which go by DestinationRule cart/theirs, "
        "DestinationRule pay/theirs"
    )
    _, made = planned(world(rules=others), OutlierDetection(WEB)).steps
    assert "callers in cart, pay," in made.summary
    (alone,) = planned(world(rules=(ruled(),)), OutlierDetection(WEB)).steps
    assert "callers" not in alone.summary


def test_a_hazard_past_its_deadline_is_refused() -> None:
    seen = world(routed({"route": [to("web")]}))
    plan = planned(seen, Fault(WEB, abort_status=503, deadline=NOW))
    assert plan.steps == ()
    assert isinstance(plan.refused[0], PastDeadline)
    (step,) = planned(seen, Fault(WEB, abort_status=503, deadline=NOW + timedelta(1))).steps
    assert isinstance(step, PutOverlay)
    assert step.wish.deadline == NOW + timedelta(1)


def test_two_actions_of_a_kind_for_the_same_requests_are_refused() -> None:
    seen = world(routed({"route": [to("web")]}))
    once, twice = Timeout(WEB, timedelta(seconds=1)), Timeout(WEB, timedelta(seconds=2))
    plan = planned(seen, once, twice)
    assert isinstance(plan.refused[0], Unfeasible)
    assert len(plan.steps) == 1
