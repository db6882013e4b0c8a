"""Plans, guards and hosts: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_kit import NOW, deployment, endpoints, foreign, owner, snapshot

from autopilot.kube.ownership import NotOurs
from autopilot.mesh.actions import OVERLAID, Scale, Split
from autopilot.mesh.errors import HostTaken, WouldStarve
from autopilot.mesh.guard import guard_split, split_moves
from autopilot.mesh.istio.hosts import for_host, qualify, service_of
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.istio.split import virtual_service, weights_of
from autopilot.mesh.providers import provider
from autopilot.mesh.steps import ApplyOwned, DeleteOwned, HoldReplicas, ReleaseReplicas


def split(canary: int, host: str = "web", stable: str = "p") -> Split:
    return Split(host, {"p": 100 - canary, "c": canary}, stable)


@pytest.mark.parametrize(
    "host", ["web", "web.demo", "web.demo.svc", "web.demo.svc.cluster.local", "Web.demo."]
)
def test_all_spellings_of_a_service_are_one(host: str) -> None:
    assert qualify(host, "demo") == "web.demo.svc.cluster.local"
    assert service_of(host, "demo") == ("demo", "web")


def test_an_outside_host_is_left_as_it_is() -> None:
    assert qualify("api.shop.example.com", "demo") == "api.shop.example.com"


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        (foreign("a", ["web"]), True),
        (foreign("a", ["web.demo"]), True),
        (foreign("a", ["other", "web.demo.svc.cluster.local"]), True),
        (foreign("a", ["web"], gateways=["public"]), True),
        (foreign("a", ["web"], namespace="shop"), False),
        (foreign("a", ["web.demo"], namespace="shop"), True),
        (foreign("a", ["web.demo"], namespace="shop", exportTo=["*"]), True),
        (foreign("a", ["web.demo"], namespace="shop", exportTo=["demo"]), True),
        (foreign("a", ["web.demo"], namespace="shop", exportTo=["."]), False),
        (foreign("a", ["web"], exportTo=["."]), True),
        (foreign("a", ["*"]), False),
        (foreign("a", ["webby"]), False),
        ({"metadata": {"name": "a", "namespace": "demo"}, "spec": {}}, False),
    ],
)
def test_whether_a_virtual_service_routes_our_host(body: dict, taken: bool) -> None:
    assert bool([*for_host([body], "web", "demo")]) is taken
    plan = Istio().plan(owner(), [split(10)], snapshot(virtualservices=[body]), NOW)
    assert [type(error) for error in plan.refused] == ([HostTaken] if taken else [])
    assert bool(plan.steps) is not taken


def test_an_object_of_the_name_that_routes_something_else_is_not_taken_over() -> None:
    world = snapshot(virtualservices=[foreign("web", ["shop"])])
    plan = Istio().plan(owner(), [split(10)], world, NOW)
    assert [type(error) for error in plan.refused] == [NotOurs]
    assert not plan.steps


def test_what_an_owner_of_the_same_name_left_is_waited_for_not_refused() -> None:
    left = virtual_service(owner(uid="gone"), split(10))
    plan = Istio().plan(owner(), [split(10)], snapshot(virtualservices=[left]), NOW)
    assert not plan.refused
    assert isinstance(plan.steps[0], ApplyOwned)


def test_the_weights_are_read_from_whatever_somebody_made_of_it() -> None:
    assert weights_of({}) == {}
    assert weights_of(foreign("web", ["web"])) == {"web": 100}
    assert weights_of(virtual_service(owner(), split(25))) == {"p": 75, "c": 25}
    odd = {"spec": {"http": [{"route": [{"destination": {}}, {"weight": "x"}]}]}}
    assert weights_of(odd) == {}


@pytest.mark.parametrize(
    ("before", "wanted", "moves"),
    [
        (None, split(0), "neutral"),
        (None, split(10), "forward"),
        ({"p": 90, "c": 10}, split(25), "forward"),
        ({"p": 90, "c": 10}, split(0), "back"),
        ({"p": 90, "c": 10}, split(10), "neutral"),
        ({"old": 100}, split(0), "back"),
        ({}, split(0), "back"),
    ],
)
def test_whither_a_split_moves(before: dict | None, wanted: Split, moves: str) -> None:
    assert split_moves(before, wanted) == moves


@pytest.mark.parametrize(
    ("before", "wanted", "ready", "stopped"),
    [
        (None, split(0), {"p": 0, "c": 1}, True),
        (None, split(0), {"p": 1, "c": 0}, False),
        (None, split(10), {"p": 1, "c": 0}, True),
        (None, split(10), {}, False),
        ({"p": 90, "c": 10}, split(25), {"p": 2, "c": 0}, True),
        ({"p": 90, "c": 10}, split(25), {"p": 0, "c": 2}, False),
        ({"p": 90, "c": 10}, split(10), {"p": 0, "c": 0}, False),
        ({"p": 90, "c": 10}, split(0), {"p": 2, "c": 0}, False),
        ({"p": 90, "c": 10}, split(0), {"p": 0, "c": 0}, False),
        ({"p": 90, "c": 10}, split(0), {"p": 0, "c": 2}, True),
        ({"p": 50, "c": 50}, split(40), {"p": 0, "c": 2}, True),
        ({"p": 50, "c": 50}, split(40), {"p": 0, "c": 0}, False),
        ({"old": 100}, split(0), {"p": 0, "old": 2}, True),
    ],
)
def test_the_last_healthy_destination_is_never_emptied(
    before: dict | None, wanted: Split, ready: dict, stopped: bool
) -> None:
    assert bool(guard_split(wanted, ready, before)) is stopped


@given(
    before=st.none() | st.integers(0, 100),
    wanted=st.integers(0, 100),
    primary=st.integers(0, 2),
    canary=st.integers(0, 2),
)
def test_no_allowed_move_leaves_all_requests_without_an_endpoint_while_there_is_one(
    before: int | None, wanted: int, primary: int, canary: int
) -> None:
    ready = {"p": primary, "c": canary}
    stood = None if before is None else {"p": 100 - before, "c": before}
    if guard_split(split(wanted), ready, stood) is None and before != wanted:
        reached = sum(ready[name] > 0 for name, weight in split(wanted).weights.items() if weight)
        assert reached or (primary == canary == 0)
        if before is not None and wanted > before:
            assert canary > 0


def test_capacity_goes_up_before_routes_and_down_after_them() -> None:
    old = virtual_service(owner(), split(0, host="old"))
    old["metadata"]["uid"] = "u"
    held = {
        "autopilot.mesh/scaled": (
            '{"kind": "Canary", "namespace": "demo", "name": "web", "uid": "uid-1",'
            ' "before": 4, "after": 1}'
        )
    }
    bodies = [deployment("web", 3), deployment("up", 1), deployment("back", 1)]
    bodies[2]["metadata"]["annotations"] = held
    for body in bodies:
        body["metadata"] |= {"resourceVersion": "1", "uid": body["metadata"]["name"]}
    world = snapshot(deployments=bodies, virtualservices=[old])
    plan = Istio().plan(owner(), [Scale("web", 0), split(0), Scale("up", 2)], world, NOW)
    assert not plan.refused
    assert [type(step) for step in plan.steps] == [
        HoldReplicas, ReleaseReplicas, ApplyOwned, HoldReplicas, DeleteOwned,
    ]  # fmt: skip
    assert [step.summary for step in plan.steps] == [
        "Deployment demo/up: replicas 1→2",
        "Deployment demo/back: replicas 1→4",
        "VirtualService demo/web: p 100, c 0",
        "Deployment demo/web: replicas 3→0",
        "VirtualService demo/old: deleted",
    ]
    assert [step.moves for step in plan.steps] == ["neutral", "back", "neutral", "forward", "back"]


def test_a_route_to_a_service_that_is_gone_is_not_in_the_way_of_a_deletion() -> None:
    mine = virtual_service(owner(), split(0))
    mine["metadata"]["uid"] = "u"
    slices = [endpoints("p", 1)]
    kept = Istio().plan(owner(), [], snapshot(virtualservices=[mine], endpointslices=slices), NOW)
    assert isinstance(kept.refused[0], WouldStarve)
    gone = snapshot(virtualservices=[mine], endpointslices=slices, services=[])
    assert isinstance(Istio().plan(owner(), [], gone, NOW).steps[0], DeleteOwned)


def test_a_mark_that_makes_no_sense_is_nobodys() -> None:
    body = deployment("web", 3, **{"autopilot.mesh/scaled": "{broken"})
    body["metadata"]["resourceVersion"] = "1"
    assert not Istio().plan(owner(), [], snapshot(deployments=[body]), NOW).steps


def test_what_actions_need() -> None:
    needs = {need.kind.qualified: need for need in Istio().needs(["split", "scale"])}
    assert set(needs) == {
        "virtualservices.networking.istio.io",
        "endpointslices.discovery.k8s.io",
        "services",
        "deployments.apps",
    }
    assert needs["deployments.apps"].subresources == {"scale": ("get", "update", "patch")}
    assert Istio().needs([]) == ()
    with pytest.raises(ValueError, match="isolate"):
        Istio().needs(["isolate"])


def test_overlays_need_both_kinds_that_they_may_stand_on_and_see_beyond_their_namespace() -> None:
    write = {"create", "patch", "delete"}
    for action in OVERLAID:
        needs = {need.kind.plural: need for need in Istio().needs([action.name])}
        assert set(needs) == {
            "virtualservices",
            "destinationrules",
            "endpointslices",
            "services",
            "namespaces",
        }
        for plural in ("virtualservices", "destinationrules"):
            assert write < set(needs[plural].verbs)
            assert needs[plural].everywhere
        assert not write & set(needs["namespaces"].verbs)


def test_providers_are_found_by_name() -> None:
    assert provider("istio").name == "Istio"
    assert provider("Istio").prometheus_address("istio-system").endswith("istio-system:9090")
    with pytest.raises(ValueError, match="there is Istio"):
        provider("linkerd9")
