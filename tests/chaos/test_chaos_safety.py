"""What must never be left behind, nor begun."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from chaos_kit import (
    endpoints,
    experiment,
    faults,
    namespace,
    phase,
    phases,
    pristine,
    reports,
    route,
    service,
    status,
    verdict,
    world,
)

from autopilot.kube.kinds import KNOWN
from autopilot.spec.guardrails import Guardrails, MaxTransitions

Fly = Any

VS = KNOWN["virtualservices"].qualified


def annotated(**notes: str) -> dict[str, Any]:
    body = experiment()
    body["metadata"]["annotations"] = {
        f"autopilot.mesh/{key}": value for key, value in notes.items()
    }
    return body


async def test_a_restart_during_the_run_finishes_it(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("20s")
        await f.restart()
        await f.advance("39s")
        assert phase(f) == "Running"
        await f.advance("3s")
        assert phase(f) == "Succeeded"
        assert faults(f) == []
        assert reports(f) == ["ratings-down-1"]


async def test_an_operator_that_was_down_past_the_end_leaves_no_fault(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("20s")
        await f._kill()
        await f.clock.advance(300)
        assert len(faults(f)) == 1
        await f._start()
        await f.advance("5s")
        assert faults(f) == []
        assert verdict(f)[0] in {"Aborted", "Inconclusive"}
        assert phase(f) == verdict(f)[0]


async def test_one_deleted_while_it_runs_takes_its_fault_along(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        before = pristine(f.get("VirtualService", "ratings", "shop"))
        f.apply(experiment())
        await f.advance("10s")
        f.delete("Experiment", "ratings-down", "shop")
        await f.advance("2s")
        assert f.get("Experiment", "ratings-down", "shop") is None
        assert faults(f) == []
        assert pristine(f.get("VirtualService", "ratings", "shop")) == before
        report = f.get("Report", "ratings-down-1", "shop")
        assert report.at("spec.verdict") == "Aborted"


async def test_one_deleted_while_the_operator_is_down_takes_its_fault_along(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        await f._kill()
        f.delete("Experiment", "ratings-down", "shop")
        assert f.get("Experiment", "ratings-down", "shop") is not None
        await f._start()
        await f.advance("2s")
        assert f.get("Experiment", "ratings-down", "shop") is None
        assert faults(f) == []


async def test_a_namespace_that_goes_is_not_held_up(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        f.delete("Namespace", "shop", "")
        f.delete("Experiment", "ratings-down", "shop")
        await f.advance("10s")
        assert f.get("Experiment", "ratings-down", "shop") is None


async def test_the_route_deleted_meanwhile_ends_the_run_and_counts_as_recovered(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        f.delete("VirtualService", "ratings", "shop")
        await f.advance("2s")
        assert phase(f) == "Aborted"
        assert "VirtualService shop/ratings, which carried the fault, is gone" in verdict(f)[1]
        assert f.list("VirtualService", "shop") == []
        f.delete("Experiment", "ratings-down", "shop")
        await f.advance("1s")
        assert f.get("Experiment", "ratings-down", "shop") is None


async def test_another_route_edited_meanwhile_survives(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        live = f.get("VirtualService", "ratings", "shop").thaw()
        http = live["spec"]["http"]
        http[0] = {**http[0], "match": [{"uri": {"prefix": "/gamma"}}]}
        f.apply({**live, "metadata": {"name": "ratings", "namespace": "shop"}})
        await f.advance("70s")
        assert phase(f) == "Succeeded"
        beta, main = f.get("VirtualService", "ratings", "shop").thaw()["spec"]["http"]
        assert beta["match"] == [{"uri": {"prefix": "/gamma"}}]
        assert "fault" not in main


async def test_somebodys_own_fault_is_refused_and_left_alone(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        theirs = {"delay": {"fixedDelay": "1s", "percentage": {"value": 5.0}}}
        f.apply(route(fault=theirs))
        f.apply(experiment())
        await f.advance("2s")
        assert phase(f) == "Error"
        assert "fault" in verdict(f)[1]
        assert faults(f) == [theirs]


async def test_somebodys_own_fault_is_put_back_where_it_may_be_displaced(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        theirs = {"delay": {"fixedDelay": "1s", "percentage": {"value": 5.0}}}
        f.apply(route(fault=theirs))
        f.samples.set("aborted-rate", 0.5)
        f.apply(experiment(takeOver=True, effect={"verify": True}))
        await f.advance("5s")
        assert "abort" in faults(f)[0]
        # Afterwards requests carry the flag of the fault that was put back.
        await f.advance("70s")
        assert phase(f) == "Succeeded"
        assert faults(f) == [theirs]


async def test_of_two_on_one_target_the_second_waits(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment("one"), experiment("two"))
        await f.advance("10s")
        assert sorted([phase(f, "one"), phase(f, "two")]) == ["Pending", "Running"]
        first = "one" if phase(f, "one") == "Running" else "two"
        second = "two" if first == "one" else "one"
        assert f"shop/{first}" in status(f, second)["waits"]
        assert len(faults(f)) == 1
        await f.advance("60s")
        assert phase(f, first) == "Succeeded"
        await f.advance("6s")
        assert phase(f, second) == "Running"
        await f.advance("70s")
        assert phase(f, second) == "Succeeded"
        assert faults(f) == []


async def test_two_on_different_targets_run_at_once(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(service("carts"), endpoints("carts"))
        f.apply(experiment("one"), experiment("two", target={"service": "carts"}))
        await f.advance("10s")
        assert (phase(f, "one"), phase(f, "two")) == ("Running", "Running")
        assert len(faults(f)) == 2
        await f.advance("60s")
        assert (phase(f, "one"), phase(f, "two")) == ("Succeeded", "Succeeded")
        assert faults(f) == []
        # What was made for a host that had no route is gone with the fault.
        assert [one.name for one in f.list("VirtualService", "shop")] == ["ratings"]


async def test_no_more_run_at_once_than_the_installation_allows(fly: Fly) -> None:
    async with fly(config={"chaos": {"maxAtOnce": 1}}) as f:
        world(f)
        f.apply(service("carts"), endpoints("carts"))
        f.apply(experiment("one"), experiment("two", target={"service": "carts"}))
        await f.advance("10s")
        assert sorted([phase(f, "one"), phase(f, "two")]) == ["Pending", "Running"]
        assert len(faults(f)) == 1


@pytest.mark.parametrize(
    ("config", "spec", "told"),
    [
        ({"maxPercentage": 50}, {}, "50 % is the most"),
        ({"maxDuration": "30s"}, {}, "30s is the longest"),
        ({"refusedNamespaces": ["shop"]}, {}, "never experimented on"),
    ],
)
async def test_what_the_installation_does_not_allow_is_refused(
    fly: Fly, config: Any, spec: Any, told: str
) -> None:
    async with fly(config={"chaos": config}) as f:
        world(f)
        f.apply(experiment(**spec))
        await f.advance("2s")
        assert phase(f) == "Error"
        assert told in verdict(f)[1]
        assert "Injecting" not in phases(f)


async def test_a_namespace_has_to_opt_in(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(namespace(**{"autopilot.mesh/chaos": "no"}))
        f.apply(experiment())
        await f.advance("2s")
        assert phase(f) == "Error"
        assert "autopilot.mesh/chaos: enabled" in verdict(f)[1]
        assert faults(f) == []


@pytest.mark.parametrize("home", ["kube-system", "istio-system", "autopilot-system"])
async def test_the_systems_namespaces_are_refused_whatever_they_say(fly: Fly, home: str) -> None:
    async with fly() as f:
        world(f)
        f.apply(namespace(home, **{"autopilot.mesh/allow-from": "*"}))
        f.apply(service("ratings", home), endpoints("ratings", home=home))
        f.apply(experiment(target={"service": "ratings", "namespace": home}))
        await f.advance("2s")
        assert phase(f) == "Error"
        assert "the system's" in verdict(f)[1]


async def test_another_namespace_has_to_let_it_in(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(namespace("bank"), service("ratings", "bank"), endpoints("ratings", home="bank"))
        f.apply(experiment(target={"service": "ratings", "namespace": "bank"}))
        await f.advance("2s")
        assert phase(f) == "Error"
        assert "autopilot.mesh/allow-from: shop" in verdict(f)[1]


async def test_a_service_that_opts_out_is_refused(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        body = service("ratings")
        body["metadata"]["annotations"] = {"autopilot.mesh/opt-out": "true"}
        f.apply(body, experiment())
        await f.advance("5s")
        assert phase(f) == "Error"
        assert "opts out" in verdict(f)[1]
        assert faults(f) == []


async def test_an_empty_target_is_an_error(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment("nobody", target={"service": "nobody"}))
        f.apply(endpoints("ratings", ready=0), experiment())
        await f.advance("2s")
        assert verdict(f, "nobody")[1] == "the target is empty: there is no Service shop/nobody"
        assert verdict(f)[1] == "the target is empty: Service shop/ratings has no ready pods"
        assert (phase(f), phase(f, "nobody")) == ("Error", "Error")


async def test_an_invalid_one_does_not_touch_a_good_one(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        bad = experiment("bad", failureConditions=[])
        f.apply(bad, experiment())
        await f.advance("2s")
        assert phase(f, "bad") == "Error"
        assert "nobody watches" in verdict(f, "bad")[1]
        assert phase(f) == "Running"
        await f.advance("70s")
        assert phase(f) == "Succeeded"
        assert reports(f) == ["bad-1", "ratings-down-1"]


async def test_another_run_has_a_report_of_its_own(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("70s")
        assert phase(f) == "Succeeded"
        f.apply(annotated(rerun="please"))
        await f.settle()
        assert phase(f) == "Running"
        f.samples.set("error-rate", 1.0)
        await f.advance("8s")
        assert phase(f) == "Failed"
        assert reports(f) == ["ratings-down-1", "ratings-down-2"]
        one, two = (f.get("Report", name, "shop") for name in reports(f))
        assert (one.at("spec.verdict"), two.at("spec.verdict")) == ("Succeeded", "Failed")
        assert all(point["value"] == 0 for point in one.at("spec.conditions.0.samples"))
        assert one.at("metadata.ownerReferences") is None
        made = f.get("Experiment", "ratings-down", "shop")
        assert "autopilot.mesh/rerun" not in (made.at("metadata.annotations") or {})


async def test_an_order_to_halt_removes_the_fault_and_begins_no_other(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(service("carts"), endpoints("carts"), experiment())
        await f.advance("10s")
        f.apply(namespace("autopilot-system"))
        order = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "autopilot-halt", "namespace": "autopilot-system"},
            "data": {"reason": "drill", "by": "somebody", "at": "2026-01-01T00:00:00Z"},
        }
        f.apply(order)
        await f.advance("5s")
        assert faults(f) == []
        f.apply(experiment("two", target={"service": "carts"}))
        await f.advance("20s")
        assert faults(f) == []
        f.delete("ConfigMap", "autopilot-halt", "autopilot-system")
        await f.advance("2s")
        assert phase(f) == "Aborted"
        assert "removed from VirtualService shop/ratings by somebody else" in verdict(f)[1]
        assert phase(f, "two") == "Running"


async def test_a_namespace_that_no_longer_opts_in_ends_the_run(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        f.apply(namespace(**{"autopilot.mesh/chaos": "disabled"}))
        await f.advance("20s")
        assert phase(f) == "Aborted"
        assert "doesn't opt in" in verdict(f)[1]
        assert faults(f) == []


async def test_a_fault_that_somebody_changes_again_and_again_is_given_up(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        before = pristine(f.get("VirtualService", "ratings", "shop"))
        f.apply(experiment(duration="3m"))
        await f.advance("5s")
        for _ in range(8):
            live = f.get("VirtualService", "ratings", "shop").thaw()
            for one in live["spec"]["http"]:
                one.pop("fault", None)
            f.apply({**live, "metadata": {"name": "ratings", "namespace": "shop"}})
            await f.advance("4s")
        await f.advance("30s")
        assert phase(f) == "Aborted"
        assert "again and again" in verdict(f)[1]
        assert faults(f) == []
        assert pristine(f.get("VirtualService", "ratings", "shop")) == before


async def test_a_fault_whose_mark_was_taken_away_is_told_until_its_owner_removes_it(
    fly: Fly,
) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("5s")
        store, kind = f.server.store, "virtualservices.networking.istio.io"
        store.merge(kind, "ratings", {"metadata": {"annotations": None}}, "shop")
        await f.advance("65s")
        assert phase(f) == "RecoveryFailed"
        f.delete("Experiment", "ratings-down", "shop")
        await f.advance("20s")
        assert f.get("Experiment", "ratings-down", "shop") is not None
        f.apply(route())
        await f.advance("20s")
        assert f.get("Experiment", "ratings-down", "shop") is None
        assert faults(f) == []


async def test_no_status_makes_a_run_longer_than_its_spec(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("5s")
        late = {"status": {"deadline": "2999-01-01T00:00:00Z"}}
        kind = "experiments.autopilot.mesh"
        f.server.store.merge(kind, "ratings-down", late, "shop", subresource="status")
        await f.advance("57s")
        assert faults(f) == []
        assert phase(f) == "Succeeded"


async def test_another_namespace_that_lets_it_in_is_experimented_on(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(
            namespace("bank", **{"autopilot.mesh/allow-from": "shop"}),
            service("loans", "bank"),
            endpoints("loans", home="bank"),
            route("loans", "bank"),
        )
        f.apply(experiment(target={"service": "loans", "namespace": "bank"}))
        await f.advance("10s")
        assert phase(f) == "Running"
        assert len(faults(f)) == 1
        await f.advance("60s")
        assert (phase(f), faults(f)) == ("Succeeded", [])
        assert reports(f) == ["ratings-down-1"]


async def test_an_experiment_in_a_namespace_that_goes_leaves_no_fault_in_another(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(
            namespace("bank", **{"autopilot.mesh/allow-from": "*"}),
            service("loans", "bank"),
            endpoints("loans", home="bank"),
            route("loans", "bank"),
        )
        f.apply(experiment(target={"service": "loans", "namespace": "bank"}))
        await f.advance("10s")
        assert len(faults(f)) == 1
        f.delete("Namespace", "shop", "")
        f.delete("Experiment", "ratings-down", "shop")
        await f.advance("40s")
        assert f.get("Experiment", "ratings-down", "shop") is None
        assert faults(f) == []


async def test_experiments_that_are_over_do_not_count_as_off_their_initial_phase(
    fly: Fly,
) -> None:
    async with fly(guardrails=Guardrails(max_off_initial=1)) as f:
        world(f)
        for name in ("one", "two"):
            f.apply(experiment(name))
            await f.advance("70s")
            assert phase(f, name) == "Succeeded"


async def test_a_service_that_a_rule_holds_is_not_fought_over(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        # Another kind of holder, by the mark on the object itself.
        live = f.get("VirtualService", "ratings", "shop").thaw()
        notes = {
            key: text.replace('"Experiment"', '"Rule"')
            for key, text in live["metadata"]["annotations"].items()
        }
        await f._kill()
        f.delete("Experiment", "ratings-down", "shop")
        store = f.server.store
        store.merge(
            "experiments.autopilot.mesh",
            "ratings-down",
            {"metadata": {"finalizers": None}},
            "shop",
        )
        f.apply(
            {**live, "metadata": {"name": "ratings", "namespace": "shop", "annotations": notes}}
        )
        f.apply(experiment("second"))
        await f._start()
        await f.advance("3s")
        assert phase(f, "second") == "Error"
        assert "Rule shop/ratings-down" in verdict(f, "second")[1]


async def test_the_installations_transitions_bound_how_often_it_is_injected(fly: Fly) -> None:
    rails = Guardrails(max_transitions=MaxTransitions(count=3, per=timedelta(hours=1)))
    async with fly(guardrails=rails) as f:
        world(f)
        f.samples.set("aborted-rate", 0.5)
        f.apply(experiment(effect={"verify": True}))
        await f.advance("30s")
        assert phase(f) == "Running"
        await f.advance("40s")
        f.samples.set("aborted-rate", 0.0)
        await f.advance("5s")
        assert phase(f) == "Succeeded"
        f.apply(annotated(rerun="again"))
        await f.advance("30s")
        assert phase(f) == "Pending"
        assert f.resource("ratings-down", "shop").reason == "MaxTransitions"
        assert faults(f) == []
