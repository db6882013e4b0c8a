"""What goes, what stays, and who decides: finalizers, owners, namespaces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from apiserver_kit import MAPS, MERGE, WIDGETS, config_map, widget

from autopilot.base.clock import SystemClock
from autopilot.sandbox.apiserver.store import Store

if TYPE_CHECKING:
    from apiserver_kit import Api

SPACES = "/api/v1/namespaces"
PODS = "/api/v1/namespaces/default/pods"


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }


def owned(name: str, owner: dict[str, Any], **more: Any) -> dict[str, Any]:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **more,
    }
    body = config_map(name)
    body["metadata"]["ownerReferences"] = [reference]
    return body


def exists(api: Api, name: str, resource: str = "configmaps", namespace: str = "default") -> bool:
    return api.store.find(resource, name, namespace) is not None


async def test_deleting_answers_with_who_it_was(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map())
    status = await api.ok("DELETE", f"{MAPS}/a")
    assert status["status"] == "Success"
    assert status["details"]["uid"] == made["metadata"]["uid"]
    assert (await api.call("DELETE", f"{MAPS}/a")).status == 404


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: Api) -> None:
    body = config_map()
    body["metadata"]["finalizers"] = ["example.io/hold"]
    await api.ok("POST", MAPS, body)
    async with api.watch(f"{MAPS}?resourceVersion={api.store.version}") as watch:
        held = await api.ok("DELETE", f"{MAPS}/a")
        assert held["metadata"]["deletionTimestamp"]
        again = await api.ok("DELETE", f"{MAPS}/a")
        assert again["metadata"]["resourceVersion"] == held["metadata"]["resourceVersion"]
        late = {"metadata": {"finalizers": ["example.io/hold", "example.io/late"]}}
        answer = await api.call("PATCH", f"{MAPS}/a", late, media=MERGE)
        assert answer.status == 422
        assert "no new finalizers can be added if the object is being deleted" in answer.message
        await api.merge(f"{MAPS}/a", {"metadata": {"finalizers": None}})
        assert await watch.take(2) == [("MODIFIED", "a"), ("DELETED", "a")]
    assert not exists(api, "a")


async def test_deletion_counts_as_a_change_of_the_desired_state(widgets: Api) -> None:
    body = widget()
    body["metadata"]["finalizers"] = ["example.io/hold"]
    await widgets.ok("POST", WIDGETS, body)
    held = await widgets.ok("DELETE", f"{WIDGETS}/w")
    assert held["metadata"]["generation"] == 2


@pytest.mark.parametrize("condition", ["uid", "resourceVersion"])
async def test_a_delete_can_insist_on_the_object_it_has_seen(api: Api, condition: str) -> None:
    made = await api.ok("POST", MAPS, config_map())
    answer = await api.call("DELETE", f"{MAPS}/a", {"preconditions": {condition: "x"}})
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    right = {"preconditions": {condition: made["metadata"][condition]}}
    await api.ok("DELETE", f"{MAPS}/a", right)


async def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {})):
        await api.ok("POST", MAPS, {"metadata": {"name": name, "labels": labels}})
    gone = await api.ok("DELETE", f"{MAPS}?labelSelector=x=1")
    assert [one["metadata"]["name"] for one in gone["items"]] == ["a", "b"]
    assert [exists(api, name) for name in "abc"] == [False, False, True]


async def test_dependents_follow_their_owner(api: Api) -> None:
    owner = await api.ok("POST", MAPS, config_map("owner"))
    child = await api.ok("POST", MAPS, owned("child", owner))
    await api.ok("POST", MAPS, owned("grandchild", child))
    await api.ok("DELETE", f"{MAPS}/owner")
    await api.until(lambda: not exists(api, "child") and not exists(api, "grandchild"))


async def test_one_of_two_owners_is_enough_to_stay(api: Api) -> None:
    first = await api.ok("POST", MAPS, config_map("first"))
    second = await api.ok("POST", MAPS, config_map("second"))
    body = owned("child", first)
    body["metadata"]["ownerReferences"] += owned("", second)["metadata"]["ownerReferences"]
    await api.ok("POST", MAPS, body)
    await api.ok("DELETE", f"{MAPS}/first")

    def owners() -> list[str]:
        found = api.store.get("configmaps", "child", "default")
        return [one["name"] for one in found["metadata"]["ownerReferences"]]

    await api.until(lambda: owners() == ["second"])


async def test_an_owner_that_never_was_takes_its_dependents_along(api: Api) -> None:
    owner = await api.ok("POST", MAPS, config_map("owner"))
    owner["metadata"]["uid"] = "11111111-1111-1111-1111-111111111111"
    await api.ok("POST", MAPS, owned("child", owner))
    await api.until(lambda: not exists(api, "child"))
    assert exists(api, "owner")


async def test_in_the_foreground_the_owner_goes_last(api: Api) -> None:
    owner = await api.ok("POST", MAPS, config_map("owner"))
    body = owned("child", owner, blockOwnerDeletion=True)
    body["metadata"]["finalizers"] = ["example.io/hold"]
    await api.ok("POST", MAPS, body)
    held = await api.ok("DELETE", f"{MAPS}/owner?propagationPolicy=Foreground")
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    child = api.store.get("configmaps", "child", "default")
    await api.until(
        lambda: "deletionTimestamp" in api.store.get("configmaps", "child", "default")["metadata"]
    )
    assert child["metadata"]["name"] == "child"
    assert exists(api, "owner")
    await api.merge(f"{MAPS}/child", {"metadata": {"finalizers": None}})
    await api.until(lambda: not exists(api, "owner"))


async def test_orphans_stay_and_forget_their_owner(api: Api) -> None:
    owner = await api.ok("POST", MAPS, config_map("owner"))
    await api.ok("POST", MAPS, owned("child", owner))
    await api.ok("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Orphan"})
    await api.until(lambda: not exists(api, "owner"))
    assert "ownerReferences" not in api.store.get("configmaps", "child", "default")["metadata"]


async def test_nothing_is_made_in_a_namespace_that_is_not_there(api: Api) -> None:
    answer = await api.call("POST", f"{SPACES}/nowhere/configmaps", config_map())
    assert (answer.status, answer.message) == (404, 'namespaces "nowhere" not found')


async def test_a_namespace_goes_with_all_that_is_in_it(api: Api) -> None:
    await api.ok("POST", SPACES, {"metadata": {"name": "team"}})
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.io/hold"]
    await api.ok("POST", f"{SPACES}/team/configmaps", held)
    await api.ok("POST", f"{SPACES}/team/secrets", {"metadata": {"name": "s"}})
    ending = await api.ok("DELETE", f"{SPACES}/team")
    assert ending["status"]["phase"] == "Terminating"
    await api.until(lambda: not exists(api, "s", "secrets", "team"))
    refused = await api.call("POST", f"{SPACES}/team/configmaps", config_map())
    assert refused.status == 403
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert exists(api, "team", "namespaces", "")
    await api.merge(f"{SPACES}/team/configmaps/held", {"metadata": {"finalizers": None}})
    await api.until(lambda: not exists(api, "team", "namespaces", ""))


async def test_the_namespaces_of_a_fresh_cluster_are_there_and_stay(api: Api) -> None:
    listed = await api.ok("GET", SPACES)
    names = {one["metadata"]["name"] for one in listed["items"]}
    assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert (await api.call("DELETE", f"{SPACES}/default")).status == 403


async def test_a_pod_on_a_node_waits_for_its_node_and_others_do_not(api: Api) -> None:
    await api.ok("POST", PODS, pod("waiting", nodeName="n1"))
    await api.ok("POST", PODS, pod("pending"))
    ending = await api.ok("DELETE", f"{PODS}/waiting")
    assert ending["metadata"]["deletionGracePeriodSeconds"] == 30
    await api.ok("DELETE", f"{PODS}/pending")
    assert not exists(api, "pending", "pods")
    assert exists(api, "waiting", "pods")
    await api.ok("DELETE", f"{PODS}/waiting?gracePeriodSeconds=0")
    assert not exists(api, "waiting", "pods")


async def test_an_eviction_heeds_the_disruption_budget(api: Api) -> None:
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    for name in ("p1", "p2"):
        await api.ok("POST", PODS, pod(name))
        await api.merge(f"{PODS}/{name}/status", ready)
    budget = {
        "metadata": {"name": "b"},
        "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}},
    }
    await api.ok("POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p1"}}
    assert (await api.call("POST", f"{PODS}/p1/eviction", eviction)).status == 201
    refused = await api.call("POST", f"{PODS}/p2/eviction", eviction)
    assert (refused.status, refused.body["reason"]) == (429, "TooManyRequests")
    assert refused.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert exists(api, "p2", "pods")


async def test_logs_come_from_whoever_runs_the_pods(api: Api) -> None:
    await api.ok("POST", PODS, pod())
    assert (await api.call("GET", f"{PODS}/p/log")).status == 404
    api.server.set_log_source(lambda body, query: f"{body['metadata']['name']} {query}")
    answer = await api.call("GET", f"{PODS}/p/log?tailLines=5")
    assert answer.text == "p {'tailLines': '5'}"


async def test_a_namespace_held_by_a_finalizer_of_its_own_waits_for_it(api: Api) -> None:
    body = {"metadata": {"name": "team", "finalizers": ["example.io/hold"]}}
    await api.ok("POST", SPACES, body)
    await api.ok("DELETE", f"{SPACES}/team")
    await api.until(lambda: "finalizers" not in api.store.get("namespaces", "team")["spec"])
    version = api.store.version
    await asyncio.sleep(0.05)
    assert api.store.version == version, "the sweep writes only where there is something to do"
    await api.merge(f"{SPACES}/team", {"metadata": {"finalizers": None}})
    assert not exists(api, "team", "namespaces", "")


async def test_dependents_go_with_an_owner_whose_kind_goes_too(widgets: Api) -> None:
    owner = await widgets.ok("POST", WIDGETS, widget())
    await widgets.ok("POST", MAPS, owned("child", owner))
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await widgets.ok("DELETE", f"{definitions}/widgets.example.io")
    await widgets.until(lambda: not exists(widgets, "child"))


async def test_without_a_loop_the_work_that_follows_is_done_on_demand() -> None:
    def work() -> list[str]:
        store = Store(SystemClock())
        owner = store.create(config_map("owner"))
        store.create(owned("child", owner))
        store.delete("configmaps", "owner", "default")
        store.settle()
        return [one["metadata"]["name"] for one in store.list("configmaps")]

    assert await asyncio.to_thread(work) == []
