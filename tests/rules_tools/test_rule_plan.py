"""`autopilot rule plan`: what each phase would change, against bodies alone and for real."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml
from tools_kit import (
    HOLDER,
    NOW,
    RULES,
    autopilot,
    deployment,
    endpoints,
    rule,
    service,
    shifted,
    to,
    virtual_service,
)

from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.provider import Owner
from autopilot.overlay.apply import plan as overlay_plan
from autopilot.overlay.execute import Hands, Target, put
from autopilot.overlay.record import Holder
from autopilot.rules.compile import compile_rule
from autopilot.rules.planned import Observed, StepPlan, planned

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient

VIRTUAL, RULED = KNOWN["virtualservices"], KNOWN["destinationrules"]
MAIN = {"name": "main", "route": [to("checkout")], "timeout": "2s"}


def stored(made: Body) -> Body:
    return {**made, "metadata": {"resourceVersion": "1", **made["metadata"]}}


def world(**more: list[Body]) -> Observed:
    listed: dict[str, list[Body]] = {
        "virtualservices": [virtual_service("checkout", MAIN)],
        "destinationrules": [],
        "services": [service("checkout"), service("checkout-standby")],
        "endpointslices": [endpoints("checkout", "a"), endpoints("checkout-standby", "a", "b")],
        **more,
    }
    space: Body = {"kind": "Namespace", "metadata": {"name": "shop"}}
    bodies = {KNOWN[kind]: [stored(each) for each in found] for kind, found in listed.items()}
    return Observed({**bodies, NAMESPACES: [space]})


def plans(seen: Observed, body: Body | None = None) -> list[StepPlan]:
    program = compile_rule(body or rule())
    owner = Owner(RULES, program.namespace, program.name, "uid-rule", "rules")
    return planned(program, Istio(), owner, seen, NOW)


def test_each_phase_says_what_it_would_change_and_each_rung_what_comes_on_top() -> None:
    normal, standby, first, second, third = plans(world())
    assert (normal.actions, normal.objects) == ((), ())
    (routes,) = standby.objects
    assert (routes.object, routes.made, routes.marks) == ("VirtualService shop/checkout", False, 1)
    gained = [line for line in routes.diff if line.startswith("+")]
    assert gained == [
        "+    weight: 0",
        "+  - destination:",
        "+      host: checkout-standby",
        "+    weight: 100",
    ]
    assert (first.rung, first.of, first.actions) == (
        0,
        3,
        ("failover checkout: checkout 1 %, checkout-standby 99 %",),
    )
    changed = [line for line in second.objects[0].diff if line[0] in "+-"]
    assert changed == ["-    weight: 1", "+    weight: 10", "-    weight: 99", "+    weight: 90"]
    assert third.rung == 2
    assert all(not step.refused and not step.guardrails for step in plans(world()))


def test_where_no_object_is_there_a_neutral_one_would_be_made() -> None:
    (routes,) = plans(world(virtualservices=[]))[1].objects
    assert routes.made
    assert "+hosts:" in routes.diff


def test_a_standby_without_endpoints_refuses_the_step_and_says_so_once() -> None:
    standby = plans(world(endpointslices=[endpoints("checkout", "a")]))[1]
    assert standby.objects == ()
    (why,) = standby.refused
    assert "checkout-standby has no ready endpoint" in why


def test_another_rules_hold_is_named() -> None:
    other = Holder("Rule", "shop", "other", "uid-other")
    live = overlay_plan(stored(virtual_service("checkout", MAIN)), shifted(other), NOW).body
    standby = plans(world(virtualservices=[live]))[1]
    assert "Rule shop/other" in standby.refused[0]


def test_what_the_rule_holds_already_is_no_change_and_leaving_it_is_one() -> None:
    live = overlay_plan(stored(virtual_service("checkout", MAIN)), shifted(HOLDER), NOW).body
    normal, standby, *_ = plans(world(virtualservices=[live]))
    assert standby.objects == ()
    assert any(
        line.startswith("-") and "checkout-standby" in line for line in normal.objects[0].diff
    )


def long_form(**spec: Any) -> Body:
    way = {"to": "B", "when": "up < 1"}
    split = {"split": {"weights": {"checkout": 10, "checkout-standby": 90}, "stable": "checkout"}}
    return rule(
        spec={
            "target": {"service": "checkout"},
            "signals": {"up": {"ready": "checkout"}},
            "phases": [
                {"name": "A", "initial": True, "transitions": [way]},
                {
                    "name": "B",
                    "actions": [split],
                    "transitions": [{"to": "A", "when": "up >= 1", "after": "1m"}],
                },
            ],
            **spec,
        }
    )


def test_a_step_beyond_the_rules_own_guardrail_says_so() -> None:
    body = rule(
        spec={
            **long_form()["spec"],
            "guardrails": {"maxStep": "95%"},
        }
    )
    assert plans(world(), body)[1].guardrails == ()
    owner = Owner(RULES, "shop", "checkout-failover", "uid-rule", "rules")
    program = compile_rule(body)
    tight = type(program.limits)(None, program.limits.min_dwell, 50.0)
    found = planned(replace(program, limits=tight), Istio(), owner, world(), NOW)
    assert found[1].guardrails[0].startswith("MaxStep: ")


def test_a_service_that_opts_out_and_a_namespace_that_does_not_allow_hold_a_step_up() -> None:
    out = service("checkout", annotations={"autopilot.mesh/opt-out": "true"})
    held = plans(world(services=[out, service("checkout-standby")]))[1]
    assert held.guardrails[0].startswith("OptedOut: ")
    stranger = long_form(target={"service": "checkout", "namespace": "shop"})
    stranger["metadata"]["namespace"] = "sre"
    assert plans(world(), stranger)[1].guardrails[0].startswith("NotAllowed: ")


async def _shop(client: HttpKubeClient) -> None:
    for kind, made in (
        (KNOWN["services"], service("checkout")),
        (KNOWN["services"], service("checkout-standby")),
        (KNOWN["deployments"], deployment("checkout")),
        (KNOWN["endpointslices"], endpoints("checkout", "a")),
        (KNOWN["endpointslices"], endpoints("checkout-standby", "a", "b")),
        (VIRTUAL, virtual_service("checkout", MAIN)),
    ):
        meta = {key: value for key, value in made["metadata"].items() if key != "uid"}
        await client.create(kind, {**made, "metadata": meta})


def _file(tmp_path: Path, body: Body) -> str:
    path = tmp_path / "rule.yaml"
    meta = {"name": body["metadata"]["name"], "namespace": "shop"}
    path.write_text(yaml.safe_dump({**body, "metadata": meta}))
    return str(path)


async def test_the_command_plans_a_file_and_writes_nothing(
    client: HttpKubeClient, kubeconfig: str, tmp_path: Path
) -> None:
    await _shop(client)
    before = await client.list(VIRTUAL)
    done = await autopilot(
        "rule", "plan", _file(tmp_path, rule()), "--kubeconfig", kubeconfig, "--rps", "200",
        cwd=tmp_path,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "risks ≤ 60 requests at 200 rps" in done.out
    assert "+    weight: 100" in done.out
    assert "VirtualService shop/checkout" in done.out
    assert (await client.list(VIRTUAL)).resource_version == before.resource_version


async def test_an_unknown_rate_is_said_and_several_are_shown(
    client: HttpKubeClient, kubeconfig: str, tmp_path: Path
) -> None:
    await _shop(client)
    arguments = ("rule", "plan", _file(tmp_path, rule()), "--kubeconfig", kubeconfig)
    done = await autopilot(*arguments, cwd=tmp_path)
    assert done.code == 0
    assert "requests           unknown: no metrics server is named" in done.out
    told = json.loads((await autopilot(*arguments, "-o", "json", cwd=tmp_path)).out)
    (plan,) = told
    assert plan["rps"] is None
    trial = next(each for each in plan["phases"] if each["name"] == "Trial")
    assert [each["rps"] for each in trial["byRate"]] == [1.0, 10.0, 100.0, 1000.0]
    assert [each["errors"] for each in trial["byRate"][2]["detection"][0]["detections"]] == [
        0.05,
        0.2,
        1.0,
    ]


async def test_a_rule_in_the_cluster_is_planned_by_its_name_with_what_it_holds(
    client: HttpKubeClient, hands: Hands, kubeconfig: str, tmp_path: Path
) -> None:
    await _shop(client)
    made = rule()
    meta = {"name": made["metadata"]["name"], "namespace": "shop"}
    there = await client.create(RULES, {**made, "metadata": meta})
    holder = Holder("Rule", "shop", meta["name"], there["metadata"]["uid"])
    await put(hands, Target(VIRTUAL, "checkout", "shop"), shifted(holder))
    done = await autopilot(
        "rule", "plan", "rule/checkout-failover", "-n", "shop", "-o", "json",
        "--kubeconfig", kubeconfig, cwd=tmp_path,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    steps = {each["name"]: each["steps"][0] for each in json.loads(done.out)[0]["phases"]}
    assert steps["Standby"]["objects"] == []
    assert steps["Normal"]["objects"][0]["object"] == "VirtualService shop/checkout"


async def test_what_is_wrong_is_two_and_what_is_not_there_is_one(
    client: HttpKubeClient, kubeconfig: str, tmp_path: Path
) -> None:
    del client
    ends = ("-n", "shop", "--kubeconfig", kubeconfig)
    bad = _file(tmp_path, rule(spec={"target": {"service": "checkout"}, "phasez": []}))
    wrong = await autopilot("rule", "plan", bad, *ends, cwd=tmp_path)
    assert wrong.code == 2
    assert "phasez" in wrong.err
    missing = await autopilot("rule", "plan", "rule/nope", *ends, cwd=tmp_path)
    assert (missing.code, missing.err) == (1, "error: there is no Rule shop/nope\n")
    nowhere = await autopilot("rule", "plan", "nope.yaml", *ends, cwd=tmp_path)
    assert nowhere.code == 2
    assert nowhere.err.count("\n") == 1
