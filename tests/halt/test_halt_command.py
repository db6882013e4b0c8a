"""`autopilot halt` without any operator: the marks on the objects are all that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halt_kit import endpoints, holder, plain, scaled

from autopilot.sandbox.apiserver.faults import Fault

if TYPE_CHECKING:
    from halt_kit import Cluster

VS = "virtualservices.networking.istio.io"


async def test_hazards_go_and_protections_are_listed_with_holder_and_age(cluster: Cluster) -> None:
    await cluster.service("web")
    await cluster.service("pay")
    before = plain(await cluster.get("pay"))
    await cluster.failover("web", holder("failover"))
    await cluster.fault("web", holder("chaos"))
    await cluster.fault("pay", holder("chaos"))
    cluster.server.store.create(scaled("web", holder("canary")))
    answer = await cluster.halt("--reason", "checkout is down", "-o", "json")
    assert answer.code == 0, answer.err
    data = answer.data
    assert data["order"]["reason"] == "checkout is down"
    assert [(one["action"], one["object"]) for one in data["removed"]] == [
        ("fault", "VirtualService shop/pay"),
        ("fault", "VirtualService shop/web"),
    ]
    held = {one["object"]: one for one in data["protections"]}
    assert set(held) == {"VirtualService shop/web", "Deployment shop/web"}
    web = held["VirtualService shop/web"]
    assert (web["action"], web["holder"]["name"]) == ("failover", "failover")
    assert 0 <= web["ageSeconds"] < 60
    assert held["Deployment shop/web"]["detail"] == "0 replicas, 3 before"
    assert (data["failed"], data["hazards"]) == ([], [])
    assert plain(await cluster.get("pay")) == before
    web_now = (await cluster.get("web"))["spec"]["http"][0]
    assert "fault" not in web_now
    assert web_now["route"][1]["weight"] == 100
    order = cluster.server.store.get("configmaps", "autopilot-halt", "autopilot-system")
    assert order["data"]["reason"] == "checkout is down"


async def test_it_may_be_run_again_and_the_first_reason_stands(cluster: Cluster) -> None:
    await cluster.service("web")
    first = await cluster.halt("--reason", "one", "-o", "json")
    await cluster.fault("web", holder("chaos"))
    second = await cluster.halt("--reason", "two", "-o", "json")
    assert (first.code, second.code) == (0, 0)
    assert second.data["order"]["reason"] == "one"
    assert len(second.data["removed"]) == 1
    third = await cluster.halt("--reason", "three")
    assert third.code == 0
    assert "frozen: nothing" in third.out


async def test_status_tells_and_resume_lets_go(cluster: Cluster) -> None:
    await cluster.service("web")
    await cluster.failover("web", holder("failover"))
    await cluster.fault("web", holder("chaos"))
    status = await cluster.halt("status")
    assert status.code == 0
    assert "operators are not halted" in status.out
    assert "hazards in force" in status.out and "Rule shop/chaos" in status.out
    await cluster.halt("--reason", "drill")
    told = await cluster.halt("status", "-o", "json")
    assert told.data["halted"] is True
    assert [one["action"] for one in told.data["protections"]] == ["failover"]
    gone = await cluster.halt("resume")
    assert gone.code == 0 and "drill" in gone.out
    again = await cluster.halt("resume", "-o", "json")
    assert again.code == 0
    assert again.data == {"halted": False, "was": None}


async def test_a_rule_that_was_force_deleted_and_a_crd_that_is_gone_change_nothing(
    cluster: Cluster,
) -> None:
    store = cluster.server.store
    made = store.create(
        {
            "apiVersion": "autopilot.mesh/v1alpha1",
            "kind": "Rule",
            "metadata": {
                "name": "chaos",
                "namespace": "shop",
                "finalizers": ["autopilot.mesh/finalizer"],
            },
            "spec": {"target": {"service": "web"}, "phases": [{"name": "A", "initial": True}]},
        }
    )
    await cluster.service("web")
    await cluster.service("pay")
    who = holder("chaos", made["metadata"]["uid"])
    await cluster.fault("web", who)
    await cluster.failover("pay", who)
    store.merge("rules.autopilot.mesh", "chaos", {"metadata": {"finalizers": None}}, "shop")
    store.delete("rules.autopilot.mesh", "chaos", "shop")
    store.delete("customresourcedefinitions.apiextensions.k8s.io", "rules.autopilot.mesh")
    answer = await cluster.halt("--reason", "gone", "-o", "json")
    assert answer.code == 0, answer.err
    assert [one["object"] for one in answer.data["removed"]] == ["VirtualService shop/web"]
    assert [one["object"] for one in answer.data["protections"]] == ["VirtualService shop/pay"]
    assert "fault" not in (await cluster.get("web"))["spec"]["http"][0]


async def test_what_is_left_undone_is_said_loudly_and_done_by_the_next_run(
    cluster: Cluster,
) -> None:
    for name in ("web", "pay"):
        await cluster.service(name)
        await cluster.fault(name, holder("chaos"))
    cluster.server.faults.add(Fault("status", verb="patch", resource=VS, name="web", status=403))
    answer = await cluster.halt("--reason", "drill", "-o", "json")
    assert answer.code == 1
    assert "FAILED" in answer.err and "VirtualService shop/web" in answer.err
    assert [one["what"] for one in answer.data["failed"]] == ["VirtualService shop/web"]
    assert [one["object"] for one in answer.data["hazards"]] == ["VirtualService shop/web"]
    assert "fault" not in (await cluster.get("pay"))["spec"]["http"][0]
    cluster.server.faults.clear()
    again = await cluster.halt("--reason", "drill", "-o", "json")
    assert again.code == 0
    assert "fault" not in (await cluster.get("web"))["spec"]["http"][0]


async def test_without_the_right_to_write_the_order_hazards_go_nevertheless(
    cluster: Cluster,
) -> None:
    await cluster.service("web")
    await cluster.fault("web", holder("chaos"))
    cluster.server.faults.add(Fault("status", verb="create", resource="configmaps", status=403))
    answer = await cluster.halt("--reason", "drill", "-o", "json")
    assert answer.code == 1
    assert "NOT halted" in answer.err
    assert answer.data["halted"] is False
    assert "fault" not in (await cluster.get("web"))["spec"]["http"][0]


async def test_what_can_not_be_listed_and_marks_that_make_no_sense_are_failures(
    cluster: Cluster,
) -> None:
    await cluster.service("web")
    cluster.server.store.merge(
        VS,
        "web",
        {
            "metadata": {
                "labels": {"autopilot.mesh/overlaid": "true"},
                "annotations": {"autopilot.mesh/overlay.abc": "{not json"},
            }
        },
        "shop",
    )
    cluster.server.faults.add(Fault("status", verb="list", resource="deployments.apps", status=403))
    answer = await cluster.halt("--reason", "drill", "-o", "json")
    assert answer.code == 1
    assert {one["what"] for one in answer.data["failed"]} == {
        "VirtualService shop/web",
        "deployments.apps",
    }


async def test_only_some_namespaces_may_be_halted(cluster: Cluster) -> None:
    await cluster.service("web")
    await cluster.fault("web", holder("chaos"))
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    cluster.server.store.create(space)
    other = await cluster.halt("--reason", "drill", "-n", "other", "-o", "json")
    assert other.data["removed"] == []
    assert other.data["order"]["namespaces"] == ["other"]
    here = await cluster.halt("--reason", "drill", "-n", "shop", "-o", "json")
    assert len(here.data["removed"]) == 1
    assert here.data["order"]["namespaces"] == ["other", "shop"]
    everywhere = await cluster.halt("--reason", "drill", "-o", "json")
    assert everywhere.data["order"]["namespaces"] == []


async def test_a_namespace_that_is_not_there_is_no_quiet_success(cluster: Cluster) -> None:
    await cluster.service("web")
    await cluster.fault("web", holder("chaos"))
    answer = await cluster.halt("--reason", "drill", "-n", "shpo", "-n", "shop")
    assert answer.code == 1
    assert "namespace shpo: there is none: this stops nobody" in answer.err
    assert "removed:" in answer.out


async def test_what_one_holder_holds_is_given_back_on_a_persons_word(cluster: Cluster) -> None:
    await cluster.service("web")
    before = plain(await cluster.get("web"))
    await cluster.service("pay")
    await cluster.failover("web", holder("one"))
    await cluster.failover("pay", holder("two"))
    cluster.server.store.create(scaled("web", holder("one")))
    await cluster.halt("--reason", "drill")
    answer = await cluster.halt("--restore", "rule/shop/one", "-o", "json")
    assert answer.code == 0, answer.err
    assert {one["object"] for one in answer.data["removed"]} == {
        "VirtualService shop/web",
        "Deployment shop/web",
    }
    assert plain(await cluster.get("web")) == before
    web = cluster.server.store.get("deployments.apps", "web", "shop")
    assert web["spec"]["replicas"] == 3
    assert (await cluster.get("pay"))["spec"]["http"][0]["route"][1]["weight"] == 100


async def test_traffic_is_not_given_back_to_where_nobody_is_ready(cluster: Cluster) -> None:
    await cluster.service("web")
    await cluster.failover("web", holder("one"))
    cluster.server.store.merge(
        "endpointslices.discovery.k8s.io",
        "web",
        {"endpoints": endpoints("web", 0)["endpoints"]},
        "shop",
    )
    answer = await cluster.halt("--restore", "one")
    assert answer.code == 1
    assert "no ready endpoint" in answer.err
    assert (await cluster.get("web"))["spec"]["http"][0]["route"][1]["weight"] == 100


async def test_a_holder_that_is_not_there_or_not_the_only_one_is_a_usage_error(
    cluster: Cluster,
) -> None:
    await cluster.service("web")
    await cluster.failover("web", holder("one"))
    answer = await cluster.halt("--restore", "nobody")
    assert answer.code == 2
    assert "Rule shop/one" in answer.err
    assert (await cluster.halt()).code == 2
    assert (await cluster.halt("--reason", "x", "--restore", "one")).code == 2


async def test_a_latch_is_let_go_of_whatever_the_kind(cluster: Cluster) -> None:
    names = {"plural": "ramps", "singular": "ramp", "kind": "Ramp", "listKind": "RampList"}
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": free}}
    spec = {"group": "test.io", "names": names, "scope": "Namespaced", "versions": [version]}
    cluster.server.store.create(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "ramps.test.io"},
            "spec": spec,
        }
    )
    meta = {"name": "r", "namespace": "shop"}
    latched = {"conditions": [{"type": "Latched", "status": "True"}]}
    ramp = {"apiVersion": "test.io/v1", "kind": "Ramp", "metadata": meta, "status": latched}
    cluster.server.store.create(ramp)
    answer = await cluster.run("approve", "ramps.test.io/r", "-n", "shop", "--latch")
    assert answer.code == 0, answer.err
    made = cluster.server.store.get("ramps.test.io", "r", "shop")
    assert made["metadata"]["annotations"] == {"autopilot.mesh/unlatch": "true"}
    missing = await cluster.run("approve", "gone.test.io/r", "-n", "shop", "--latch")
    assert missing.code == 2
    assert "gone.test.io" in missing.err


async def test_an_api_that_is_away_is_an_error_and_no_all_clear(cluster: Cluster) -> None:
    cluster.server.faults.add(Fault("status", status=503))
    answer = await cluster.halt("--reason", "drill")
    assert answer.code == 1
    assert "NOT halted" in answer.err
    answer = await cluster.halt("status")
    assert answer.code == 1
    assert "whether operators are halted can't be told" in answer.out
    assert "held: nothing that could be seen" in answer.out
