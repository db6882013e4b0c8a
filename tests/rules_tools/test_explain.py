"""`autopilot explain`: what a person reads of a rule at 2 a.m., from bodies alone and for real."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tools_kit import (
    NOW,
    RULES,
    autopilot,
    endpoints,
    rule,
    shifted,
    to,
    virtual_service,
)

from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, ResourceType
from autopilot.overlay.execute import Hands, Target, put
from autopilot.overlay.record import Holder
from autopilot.rules.compile import compile_rule
from autopilot.rules.explained import Explanation, Stored, report
from autopilot.verdict.transition import Reading

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient

VIRTUAL = KNOWN["virtualservices"]


def stamp(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


def status(phase: str, seconds: float = 0, why: str = "", **more: Any) -> dict[str, Any]:
    history = [{"phase": phase, "at": stamp(seconds), "message": why}]
    return {"phase": phase, "phaseSince": stamp(seconds), "phaseHistory": history, **more}


def told(body: Body, why: dict[str, str] | None = None, **values: float | None) -> Explanation:
    program = compile_rule(body)
    at = NOW.timestamp() - 3
    readings = {name: Reading(value, at) for name, value in values.items()}
    return report(program, Stored.of(body, program), readings, why or {}, NOW)


def test_a_rule_that_never_ran_is_explained_from_its_initial_phase() -> None:
    found = told(rule(), errors=0.01, p99=100.0, standby_ready=2.0)
    assert (found.phase, found.since) == ("Normal", None)
    (way,) = found.ways
    assert (way.to, way.verdict, way.ready, way.holds) == ("Standby", "false", False, "for: 10s")
    assert "    errors 1 % > 5 % is false" in way.lines


def test_each_signal_has_its_value_and_age_or_why_it_is_unknown() -> None:
    found = told(rule(), {"p99": "12 requests, 20 are needed"}, errors=0.062, p99=None)
    signals = {each.name: each for each in found.signals}
    assert (signals["errors"].value, signals["errors"].age) == ("6.2 %", 3.0)
    assert (signals["p99"].value, signals["p99"].why) == ("unknown", "12 requests, 20 are needed")
    assert signals["errors"].read
    assert not signals["primary_errors"].read


def test_a_true_condition_says_how_long_it_must_still_last_and_what_comes_then() -> None:
    kept = {"phase": "Normal", "progress": {}}
    program = compile_rule(rule())
    (way,) = program.phases["Normal"].judged.transitions
    kept["progress"] = {way.key: {"seconds": 4.0, "running": True}}
    body = rule(**status("Normal", 3600, machine=kept))
    found = told(body, errors=0.2, p99=100.0, standby_ready=2.0)
    assert found.ways[0].lacks == ("6s more of for: 10s",)
    assert found.next == ("to Standby within 6s, on these values",)


def test_unknown_opens_nothing_and_the_next_line_says_what_is_unknown() -> None:
    found = told(rule(), errors=None, p99=None, standby_ready=2.0)
    assert found.ways[0].verdict == "unknown"
    assert "unknown" in found.next[0]


def test_time_in_phase_counts_by_the_wall_clock_and_failed_visits_double_it() -> None:
    machine = {"phase": "Standby", "failed": {"Standby>Trial": 2}}
    body = rule(**status("Standby", 200, "errors 7 % > 5 %", machine=machine))
    found = told(body, primary_ready=2.0)
    assert found.why == "errors 7 % > 5 %"
    assert found.failed == ("2 failed visits: Standby → Trial waits longer",)
    # 1 min, doubled twice, is 4 min; 200 s of them are over.
    assert found.ways[0].lacks == ("40s more of after: 4m",)
    assert found.next == ("to Trial within 40s, on these values",)
    assert found.wants == ("failover checkout: checkout-standby 100 %",)


def test_the_ladder_says_its_rung_what_is_left_of_the_dwell_and_what_comes_then() -> None:
    machine = {"phase": "Trial", "rung": 1, "dwelt": {"seconds": 12.0, "running": True}}
    body = rule(**status("Trial", 60, machine=machine))
    found = told(body, primary_errors=0.001, primary_p99=80.0, primary_ready=2.0)
    ladder = found.ladder
    assert ladder is not None
    assert (ladder.rung, ladder.of, ladder.dwell_left, ladder.climbs) == (2, 3, 18.0, "true")
    assert ladder.then == ("failover checkout: checkout 50 %, checkout-standby 50 %",)
    assert "the ladder climbs to rung 3 within 18s, on these values" in found.next
    assert any(text.startswith("to Standby when blind for") for text in found.exits)


def test_a_failing_trial_goes_back_at_the_next_look() -> None:
    body = rule(**status("Trial", 60, machine={"phase": "Trial"}))
    found = told(body, primary_errors=0.3, primary_p99=80.0, primary_ready=2.0)
    assert found.ways[0].ready
    assert found.next[0].startswith("to Standby at the next look")


def manual() -> Body:
    body = rule()
    body["spec"]["failover"]["return"] = "manual"
    body["spec"]["failover"]["when"] = "errors > 5%"
    return body


def test_a_gate_names_the_command_that_opens_it_until_somebody_has() -> None:
    body = {**manual(), "status": status("Standby", 3600, machine={"phase": "Standby"})}
    shut = told(body, primary_ready=2.0)
    assert shut.ways[0].lacks == ("approval",)
    assert "autopilot approve rule/checkout-failover Trial" in shut.next[0]
    body["metadata"] = {**body["metadata"], "annotations": {"autopilot.mesh/approve": "Trial"}}
    (way,) = told(body, primary_ready=2.0).ways
    assert way.ready
    assert "approve: given" in way.holds


def test_a_rule_that_observes_is_explained_by_the_phase_that_it_would_be_in() -> None:
    body = rule(
        wouldBe={"phase": "Standby", "since": stamp(30), "why": "errors 9 % > 5 %"},
        **status("Normal", 3600),
    )
    body["spec"]["mode"] = "observe"
    found = told(body, primary_ready=2.0)
    assert (found.virtual, found.phase, found.why) == (True, "Standby", "errors 9 % > 5 %")


def test_a_phase_that_an_edit_took_away_is_explained_as_the_initial_one() -> None:
    assert told(rule(**status("Gone", 5)), errors=0.0).phase == "Normal"


async def _apply(client: HttpKubeClient, kind: ResourceType, made: Body) -> Body:
    meta = {key: value for key, value in made["metadata"].items() if key != "uid"}
    return await client.create(kind, {**made, "metadata": meta})


async def _running(client: HttpKubeClient, hands: Hands) -> None:
    history = [{"phase": "Standby", "at": "2026-01-01T00:00:00Z", "message": "errors 7 % > 5 %"}]
    conditions = [
        {"type": "Ready", "status": "False", "message": "6 transitions in 1h"},
        {"type": "Stalled", "status": "True", "message": "6 transitions in 1h"},
        {"type": "Latched", "status": "True", "message": "6 transitions in 1h"},
    ]
    made = await _apply(
        client,
        RULES,
        rule(
            phase="Standby",
            phaseSince="2026-01-01T00:00:00Z",
            phaseHistory=history,
            conditions=conditions,
            machine={"phase": "Standby"},
        ),
    )
    holder = Holder("Rule", "shop", "checkout-failover", made["metadata"]["uid"])
    await _apply(
        client, VIRTUAL, virtual_service("checkout", {"name": "main", "route": [to("checkout")]})
    )
    await put(hands, Target(VIRTUAL, "checkout", "shop"), shifted(holder))
    await _apply(client, KNOWN["endpointslices"], endpoints("checkout", "a"))


async def test_the_command_explains_a_rule(
    client: HttpKubeClient, hands: Hands, kubeconfig: str, tmp_path: Path
) -> None:
    await _running(client, hands)
    halt: Body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "autopilot-halt", "namespace": "autopilot-system"},
        "data": {"reason": "storm", "by": "ada"},
    }
    await client.create(KNOWN["configmaps"], halt)
    ends = ("-n", "shop", "--kubeconfig", kubeconfig)
    done = await autopilot("explain", "rule/checkout-failover", *ends, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    for said in (
        "Standby",
        "errors 7 % > 5 %",
        "halted by ada: storm",
        "Latched: 6 transitions in 1h",
        "once nothing stops it",
        "primary_ready 1 >= 1 is true",
        "protection failover of Rule shop/checkout-failover",
        "no metrics server is named",
    ):
        assert said in done.out
    assert done.out.count("6 transitions in 1h") == 1, "three conditions, one reason"
    found = json.loads(
        (
            await autopilot("explain", "rule/checkout-failover", *ends, "-o", "json", cwd=tmp_path)
        ).out
    )
    assert found["explanation"]["ways"][0]["to"] == "Trial"
    assert found["holds"][0]["fields"][0]["after"] == "checkout 0, checkout-standby 100"


async def test_a_source_that_a_rule_names_itself_is_not_followed_from_here(
    client: HttpKubeClient, kubeconfig: str, tmp_path: Path
) -> None:
    spec = {**rule()["spec"], "source": {"url": "http://127.0.0.1:9"}}
    await _apply(client, RULES, rule(spec=spec))
    ends = ("-n", "shop", "--kubeconfig", kubeconfig)
    done = await autopilot("explain", "rule/checkout-failover", *ends, cwd=tmp_path)
    assert done.code == 0
    assert "http://127.0.0.1:9 isn't asked from here" in done.out
    assert "source down" not in done.out
    # The server that is named is asked in its place: here it is none, and that is what is said.
    there = {"METRICS_SERVER": "http://127.0.0.1:1"}
    done = await autopilot("explain", "rule/checkout-failover", *ends, cwd=tmp_path, **there)
    assert "http://127.0.0.1:1 is, whose values may be others" in done.out
    assert "isn't read here" not in done.out


async def test_a_rule_that_does_not_compile_says_why_and_what_it_holds(
    client: HttpKubeClient, kubeconfig: str, tmp_path: Path
) -> None:
    await _apply(client, RULES, rule(spec={"target": {"service": "checkout"}, "phasez": []}))
    done = await autopilot(
        "explain", "rule/checkout-failover", "-n", "shop", "--kubeconfig", kubeconfig, cwd=tmp_path
    )
    assert done.code == 0
    assert "doesn't compile, so nothing moves" in done.out
    assert "phasez" in done.out


CANARIES = ResourceType("example.io", "v1", "canaries", "Canary")


async def _canary(client: HttpKubeClient) -> None:
    fields = {name: {"x-kubernetes-preserve-unknown-fields": True} for name in
              ("phase", "phaseSince", "phaseHistory", "conditions")}  # fmt: skip
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "status": {"type": "object", "properties": fields},
        },
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "canaries", "singular": "canary", "kind": "Canary", "listKind": "CanaryList"}
    definition: Body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "canaries.example.io"},
        "spec": {
            "group": "example.io",
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }
    await client.create(CUSTOM_RESOURCE_DEFINITIONS, definition)
    made: Body = {
        "apiVersion": "example.io/v1",
        "kind": "Canary",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"deployment": "web"},
        "status": {
            "phase": "Progressing",
            "phaseSince": "2026-01-01T00:00:00Z",
            "phaseHistory": [
                {"phase": "Progressing", "at": "2026-01-01T00:00:00Z", "reason": "New"}
            ],
            "conditions": [{"type": "Ready", "status": "True", "message": "step 2 of 5"}],
        },
    }
    await client.create(CANARIES, made)


async def test_a_canary_is_explained_by_phase_conditions_history_and_what_it_holds(
    client: HttpKubeClient, hands: Hands, kubeconfig: str, tmp_path: Path
) -> None:
    await _canary(client)
    canary = await client.get(CANARIES, "web", "shop")
    await _apply(
        client, VIRTUAL, virtual_service("checkout", {"name": "main", "route": [to("checkout")]})
    )
    holder = Holder("Canary", "shop", "web", canary["metadata"]["uid"])
    await put(hands, Target(VIRTUAL, "checkout", "shop"), shifted(holder))
    ends = ("-n", "shop", "--kubeconfig", kubeconfig)
    done = await autopilot("explain", "canary/web", *ends, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    for said in (
        "Progressing",
        "Ready True: step 2 of 5",
        "protection failover of Canary shop/web",
        "New",
    ):
        assert said in done.out


async def test_what_is_not_there_is_one_plain_line(
    client: HttpKubeClient, kubeconfig: str, tmp_path: Path
) -> None:
    del client
    ends = ("-n", "shop", "--kubeconfig", kubeconfig)
    missing = await autopilot("explain", "rule/nope", *ends, cwd=tmp_path)
    assert (missing.code, missing.err) == (1, "error: there is no Rule shop/nope\n")
    kind = await autopilot("explain", "canary/web", *ends, cwd=tmp_path)
    assert kind.code == 1
    assert kind.err == "error: no kind 'canary' is worked on by autopilot here; there is rule\n"
    form = await autopilot("explain", "nope", *ends, cwd=tmp_path)
    assert form.code == 2
