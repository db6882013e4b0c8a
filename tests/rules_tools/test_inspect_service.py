"""`autopilot inspect service`: what a person sees of a service, from bodies alone and for real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools_kit import (
    HOLDER,
    NOW,
    autopilot,
    body,
    deployment,
    destination_rule,
    endpoints,
    rule,
    service,
    shifted,
    to,
    virtual_service,
)

from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.mesh.scaling import Mark
from autopilot.overlay.execute import Hands, Target, put
from autopilot.overlay.locate import Locator
from autopilot.overlay.record import Holder
from autopilot.overlay.wish import Wish
from autopilot.rules.inspect import Found, inspect

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient
    from autopilot.rules.inspect_model import Inspection

VIRTUAL, RULED = KNOWN["virtualservices"], KNOWN["destinationrules"]


def seen(
    name: str = "checkout", resources: tuple[Body, ...] = (), **bodies: list[Body]
) -> Inspection:
    listed = {KNOWN[plural]: found for plural, found in bodies.items()}
    return inspect(Found(service(name), listed, resources), NOW)


def test_endpoints_are_counted_by_zone_and_those_of_others_are_not() -> None:
    slices = [endpoints("checkout", "a", "a", "b", unready=1), endpoints("other", "a")]
    found = seen(endpointslices=slices).service
    assert (found.ready, found.endpoints, found.zones) == (3, 4, {"a": 2, "b": 1})


def test_a_service_of_both_address_families_has_each_endpoint_once() -> None:
    four = endpoints("checkout", "a", "b")
    six = {**four, "addressType": "IPv6", "metadata": {**four["metadata"], "name": "checkout-6"}}
    found = seen(endpointslices=[four, six]).service
    assert (found.ready, found.endpoints, found.zones) == (2, 2, {"a": 1, "b": 1})


def test_endpoints_that_nobody_could_read_are_unknown_and_not_none() -> None:
    assert seen().service.ready is None
    assert seen(endpointslices=[]).service.ready == 0


def test_the_split_is_that_of_the_route_that_takes_the_rest() -> None:
    routes = virtual_service(
        "checkout",
        {
            "match": [{"headers": {"x-beta": {"exact": "1"}}}],
            "route": [to("checkout", subset="v2")],
        },
        {"route": [to("checkout", 90), to("checkout-standby", 10)]},
    )
    found = seen(virtualservices=[routes])
    assert found.split == {"checkout": 90, "checkout-standby": 10}
    beta, main = found.routes[0].routes
    assert (beta.match, beta.to) == ("header x-beta 1", {"checkout/v2": 100})
    assert main.match == "all"


def test_a_service_without_a_route_gets_its_own_requests() -> None:
    assert seen(virtualservices=[]).split == {"checkout": 100}


def test_a_host_is_known_by_every_spelling_and_from_every_namespace() -> None:
    route = {"route": [to("checkout.shop.svc.cluster.local")]}
    spelt = ["checkout.shop", "checkout.shop.svc.cluster.local", "*.shop.svc.cluster.local"]
    bodies = [
        virtual_service(f"v{n}", route, hosts=[host], namespace="edge")
        for n, host in enumerate(spelt)
    ]
    found = seen(virtualservices=[*bodies, virtual_service("checkout", route, namespace="other")])
    assert [each.object for each in found.routes] == [
        f"VirtualService edge/v{n}" for n in range(len(spelt))
    ]


def test_what_a_route_does_besides_is_said_in_istios_own_meaning() -> None:
    route = {
        "route": [to("checkout")],
        "timeout": "1s",
        "retries": {"attempts": 3, "perTryTimeout": "300ms", "retryOn": "5xx"},
        "fault": {
            "abort": {"httpStatus": 503},
            "delay": {"fixedDelay": "2s", "percentage": {"value": 10}},
        },
        "mirror": {"host": "shadow"},
    }
    (only,) = seen(virtualservices=[virtual_service("checkout", route)]).routes[0].routes
    # No percentage: a fault is for none, a mirror for all.
    assert only.also == {
        "timeout": "1s",
        "retries": "3 attempts, 300ms each, on 5xx",
        "fault": "0 % aborted with 503",
        "delay": "10 % delayed by 2s",
        "mirror": "a copy of 100 % to shadow",
    }


def test_routes_of_other_hosts_and_mirrors_lead_to_a_service() -> None:
    other = virtual_service(
        "cart",
        {
            "name": "main",
            "route": [to("cart", 80), to("checkout", 20)],
            "mirrors": [{"destination": {"host": "checkout"}, "percentage": {"value": 5}}],
        },
    )
    found = seen(virtualservices=[other])
    assert [(lead.object, lead.route, lead.how) for lead in found.leads] == [
        ("VirtualService shop/cart", "main", "20 %"),
        ("VirtualService shop/cart", "main", "a copy of 5 %"),
    ]
    assert found.routes == ()


def test_a_route_for_its_own_calls_is_shown_where_the_caller_is_asked_for() -> None:
    only = {"name": "vip", "match": [{"sourceLabels": {"app": "checkout"}}], "route": [to("stock")]}
    found = seen(virtualservices=[virtual_service("stock", only)])
    assert found.calls == ("VirtualService shop/stock, route vip",)


def test_resources_are_about_a_service_by_what_they_name() -> None:
    canary = body("example.io/v1", "Canary", "c", {"deployment": "checkout"})
    stranger = body("example.io/v1", "Canary", "d", {"deployment": "cart"})
    elsewhere = rule("elsewhere")
    elsewhere["metadata"]["namespace"] = "other"
    watcher = rule(
        "watcher",
        {
            "mode": "observe",
            "target": {"service": "cart"},
            "signals": {"up": {"ready": "checkout"}, "p": {"backend": "checkout/v1"}},
            "phases": [
                {"name": "A", "actions": [{"split": {"weights": {"cart": 1, "checkout": 99}}}]}
            ],
        },
        wouldBe={"phase": "B"},
    )
    found = seen(
        resources=(canary, stranger, rule(), watcher, elsewhere),
        deployments=[deployment("checkout")],
    )
    assert {(each.kind, each.name): each.why for each in found.about} == {
        ("Rule", "checkout-failover"): ("targets it",),
        ("Rule", "watcher"): (
            "counts its ready endpoints",
            "reads its signals",
            "sends it a share",
        ),
        ("Canary", "c"): ("names its Deployment checkout",),
    }
    observing = next(each for each in found.about if each.name == "watcher")
    assert (observing.mode, observing.would_be) == ("observe", "B")


def test_a_standby_sees_the_rule_that_fails_over_to_it() -> None:
    found = seen("checkout-standby", resources=(rule(),))
    assert [each.why for each in found.about] == [("fails over to it",)]


def test_conditions_that_want_a_person_are_shown() -> None:
    conditions: list[Body] = [
        {"type": "Ready", "status": "False", "reason": "Retrying", "message": "no answer"},
        {"type": "Latched", "status": "True", "reason": "MaxTransitions", "message": "5 in 1h"},
        {"type": "Stalled", "status": "False"},
    ]
    (only,) = seen(resources=(rule(conditions=conditions),)).about
    assert only.troubles == ("not ready: no answer", "Latched: 5 in 1h")


def test_guards_and_a_halt_are_shown() -> None:
    marked = service("checkout", annotations={"autopilot.mesh/opt-out": "true"})
    space: Body = {
        "kind": "Namespace",
        "metadata": {"name": "shop", "annotations": {"autopilot.mesh/allow-from": "sre"}},
    }
    halt: Body = {
        "metadata": {"creationTimestamp": "2026-01-01T11:00:00Z"},
        "data": {"reason": "storm", "by": "ada"},
    }
    guards = inspect(Found(marked, namespace=space, halt=halt), NOW).guards
    assert guards.opted_out == ("Service checkout",)
    assert guards.allow_from == "sre"
    assert guards.halted.startswith("halted by ada")
    assert guards.halted.endswith("storm")
    elsewhere: Body = {**halt, "data": {"reason": "storm", "namespaces": "bank"}}
    assert inspect(Found(marked, halt=elsewhere), NOW).guards.halted == ""


def test_a_scaled_deployment_and_its_scaler_are_shown() -> None:
    mark = Mark(HOLDER, before=2, after=0, at="2026-01-01T11:00:00+00:00", seen=2)
    held = deployment("checkout", 0, annotations={"autopilot.mesh/scaled": mark.render()})
    hpa = body(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "auto",
        {"scaleTargetRef": {"kind": "Deployment", "name": "checkout"}, "maxReplicas": 9},
    )
    found = seen(deployments=[held, deployment("cart")], horizontalpodautoscalers=[hpa])
    (work,) = found.workloads
    assert (work.name, work.replicas, work.scalers) == ("checkout", 0, ("auto 1…9",))
    (hold,) = found.holds
    assert (hold.holder, hold.fields[0].before, hold.fields[0].after) == (str(HOLDER), "2", "0")


async def on(client: HttpKubeClient, kind: ResourceType, made: Body) -> Target:
    made = {**made, "metadata": {k: v for k, v in made["metadata"].items() if k != "uid"}}
    stored = await client.create(kind, made)
    return Target.of(kind, stored)


async def test_who_holds_what_is_read_from_the_marks_that_overlays_leave(
    client: HttpKubeClient, hands: Hands
) -> None:
    main = {"name": "main", "route": [to("checkout")], "timeout": "2s"}
    target = await on(client, VIRTUAL, virtual_service("checkout", main))
    await put(hands, target, shifted())
    slow = Holder("Rule", "shop", "slow", "uid-slow")
    by = Locator("/spec/http", "main")
    await put(hands, target, Wish(slow, "timeout", "protection", by, {"/timeout": "500ms"}))
    live = await client.get(VIRTUAL, "checkout", "shop")
    live["spec"]["http"][0]["timeout"] = "9s"
    found = seen(virtualservices=[live], resources=(rule(),))
    first, second = found.holds
    assert (first.holder, first.where) == ("Rule shop/checkout-failover", "route 'main'")
    (field,) = first.fields
    assert (field.before, field.after, field.stands) == (
        "checkout",
        "checkout 0, checkout-standby 100",
        True,
    )
    (field,) = second.fields
    assert (field.before, field.after, field.now, field.stands) == ("2s", "500ms", "9s", False)
    assert found.about[0].why == ("targets it", "holds VirtualService shop/checkout")


async def test_a_policys_hold_and_a_mark_that_makes_no_sense_are_shown(
    client: HttpKubeClient, hands: Hands
) -> None:
    target = await on(client, RULED, destination_rule("checkout", {}))
    wish = Wish(
        HOLDER,
        "outlierDetection",
        "protection",
        Locator(),
        {"/spec/trafficPolicy/outlierDetection": {"consecutive5xxErrors": 3}},
    )
    await put(hands, target, wish)
    live = await client.get(RULED, "checkout", "shop")
    live["metadata"]["annotations"]["autopilot.mesh/overlay.zz"] = "{"
    found = seen(destinationrules=[live])
    held, broken = found.holds
    assert held.fields[0].before == "nothing"
    assert found.policies[0].policy == {"outlierDetection": "consecutive5xxErrors:3"}
    assert "makes no sense" in broken.problem


async def test_a_hold_whose_holder_is_gone_says_how_it_is_given_back(
    client: HttpKubeClient, hands: Hands
) -> None:
    main = {"name": "main", "route": [to("checkout")]}
    target = await on(client, VIRTUAL, virtual_service("checkout", main))
    await put(hands, target, shifted())
    live = await client.get(VIRTUAL, "checkout", "shop")
    bodies = {VIRTUAL: [live]}
    problems = [
        inspect(Found(service("checkout"), bodies, resources, frozenset(kinds)), NOW)
        .holds[0]
        .problem
        for resources, kinds in (
            ([], ["Rule"]),
            ([], []),
            ([{**rule(), "metadata": {**rule()["metadata"], "uid": "uid-rule"}}], ["Rule"]),
        )
    ]
    assert "autopilot halt --restore Rule/shop/checkout-failover" in problems[0]
    assert problems[1:] == ["", ""]


async def _shop(client: HttpKubeClient, hands: Hands) -> None:
    for kind, made in (
        (KNOWN["services"], service("checkout")),
        (KNOWN["endpointslices"], endpoints("checkout", "a", "b")),
        (KNOWN["deployments"], deployment("checkout")),
    ):
        await on(client, kind, made)
    route = {"name": "main", "route": [to("checkout")]}
    target = await on(client, VIRTUAL, virtual_service("checkout", route))
    await put(hands, target, shifted())


async def _json(tmp_path: Path, kubeconfig: str, *more: str) -> Any:
    done = await autopilot(
        "inspect", "service", "checkout", "-n", "shop", "-o", "json", "--kubeconfig", kubeconfig,
        *more, cwd=tmp_path,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


async def test_the_command_shows_a_service_and_says_what_it_could_not_ask(
    client: HttpKubeClient, hands: Hands, kubeconfig: str, tmp_path: Path
) -> None:
    await _shop(client, hands)
    found = await _json(tmp_path, kubeconfig)
    assert found["split"] == {"checkout": 0, "checkout-standby": 100}
    assert found["holds"][0]["holder"] == str(HOLDER)
    assert list(found["unknown"]) == ["signals"]
    down = await _json(tmp_path, kubeconfig, "--metrics-server", "http://127.0.0.1:9")
    assert {each["value"] for each in down["signals"]} == {None}
    assert all("source down" in each["why"] for each in down["signals"])


async def test_the_command_prints_for_people(
    client: HttpKubeClient, hands: Hands, kubeconfig: str, tmp_path: Path
) -> None:
    await _shop(client, hands)
    arguments = ("inspect", "service", "checkout", "-n", "shop", "--kubeconfig", kubeconfig)
    done = await autopilot(*arguments, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    for said in (
        "2 of 2 ready (a 1, b 1)",
        "to checkout 0 %, checkout-standby 100 %",
        "protection failover of Rule shop/checkout-failover",
        "checkout → checkout 0, checkout-standby 100",
        "no metrics server is named",
    ):
        assert said in done.out


async def test_what_is_not_there_or_not_reachable_ends_with_one_plain_line(
    client: HttpKubeClient, kubeconfig: str, tmp_path: Path
) -> None:
    del client
    arguments = ("inspect", "service", "nope", "-n", "shop", "--kubeconfig")
    missing = await autopilot(*arguments, kubeconfig, cwd=tmp_path)
    assert (missing.code, missing.err) == (1, "error: there is no Service shop/nope\n")
    wrong = await autopilot(*arguments, str(tmp_path / "none"), cwd=tmp_path)
    assert wrong.code == 2
    assert "there is no such kubeconfig" in wrong.err


async def test_a_cluster_that_is_gone_ends_with_one_plain_line(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "gone").write_text(json.dumps(config))
    done = await autopilot(
        "inspect", "service", "web", "--kubeconfig", str(tmp_path / "gone"), cwd=tmp_path
    )
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
