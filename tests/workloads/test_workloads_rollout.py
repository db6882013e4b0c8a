"""Deployments and ReplicaSets against a real API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from workloads_kit import NAMESPACE, ask, deployment, is_ready, real_port, refuses, until

from autopilot.kube.kinds import KNOWN
from autopilot.sandbox.workloads import templates

if TYPE_CHECKING:
    from workloads_kit import Cluster

Body = dict[str, Any]


def conditions(body: Body) -> dict[str, tuple[str, str]]:
    return {
        one["type"]: (one["status"], one["reason"])
        for one in (body.get("status") or {}).get("conditions") or ()
    }


def revision(body: Body) -> str:
    return str(body["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


async def test_a_deployment_becomes_pods_that_answer(cluster: Cluster) -> None:
    await cluster.deploy("web", 2, VERSION="v1")
    await cluster.rolled_out()
    for pod in await cluster.pods():
        name = pod["metadata"]["name"]
        status, headers, body = await ask(real_port(pod))
        assert status == 200
        assert headers["x-pod"] == name
        assert body == {"version": "v1", "pod": name, "workload": "web", "path": "/"}


async def test_a_pod_tells_all_that_kubectl_shows(cluster: Cluster) -> None:
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    [pod] = await cluster.pods()
    status = pod["status"]
    assert (status["phase"], status["podIP"], pod["spec"]["nodeName"]) == (
        "Running", "127.0.0.1", "sandbox",
    )  # fmt: skip
    assert {one["type"] for one in status["conditions"] if one["status"] == "True"} == {
        "PodScheduled", "Initialized", "ContainersReady", "Ready",
    }  # fmt: skip
    [container] = status["containerStatuses"]
    assert container["ready"]
    assert container["restartCount"] == 0
    assert "running" in container["state"]


async def test_a_rollout_ends_with_the_conditions_that_rollout_status_reads(
    cluster: Cluster,
) -> None:
    await cluster.deploy("web", 3)
    body = await cluster.rolled_out()
    status = body["status"]
    assert [status[name] for name in ("replicas", "updatedReplicas", "readyReplicas")] == [3, 3, 3]
    assert (status["availableReplicas"], status["unavailableReplicas"]) == (3, 0)
    assert conditions(body) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert revision(body) == "1"


async def test_a_changed_environment_is_a_new_replica_set(cluster: Cluster) -> None:
    await cluster.deploy("web", 2, VERSION="v1")
    await cluster.rolled_out()
    await cluster.set_env("web", VERSION="v2")
    body = await cluster.rolled_out()
    assert revision(body) == "2"
    sets = await cluster.list("replicasets")
    assert sorted(one["spec"]["replicas"] for one in sets) == [0, 2]
    for pod in await cluster.ready_pods():
        if not pod["metadata"].get("deletionTimestamp"):
            assert (await ask(real_port(pod)))[2]["version"] == "v2"


async def test_what_is_no_part_of_the_template_rolls_nothing(cluster: Cluster) -> None:
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    before = {pod["metadata"]["uid"] for pod in await cluster.pods()}
    patch = {"metadata": {"annotations": {"note": "hello"}, "labels": {"team": "a"}}}
    await cluster.client.patch(KNOWN["deployments"], "web", NAMESPACE, patch)
    [one] = await until(lambda: _annotated(cluster))
    assert revision(one) == "1"
    assert {pod["metadata"]["uid"] for pod in await cluster.pods()} == before


async def _annotated(cluster: Cluster) -> list[Body]:
    sets = await cluster.list("replicasets")
    return [one for one in sets if one["metadata"]["annotations"].get("note") == "hello"]


async def test_a_rolling_update_never_has_too_many_pods_nor_too_few_ready(cluster: Cluster) -> None:
    await cluster.deploy("web", 4, VERSION="v1")
    await cluster.rolled_out()
    await cluster.set_env("web", VERSION="v2", START_DELAY_MS="60")
    done = asyncio.create_task(cluster.rolled_out())
    looked = 0
    while not done.done():
        pods = [p for p in await cluster.pods() if not p["metadata"].get("deletionTimestamp")]
        assert len(pods) <= 5
        assert sum(is_ready(pod) for pod in pods) >= 3
        looked += 1
    await done
    assert looked > 3


async def test_recreate_ends_the_old_before_it_makes_the_new(cluster: Cluster) -> None:
    body = deployment("web", 2, VERSION="v1")
    body["spec"]["strategy"] = {"type": "Recreate"}
    body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    await cluster.client.create(KNOWN["deployments"], body, NAMESPACE)
    await cluster.rolled_out()
    old = {pod["metadata"]["uid"] for pod in await cluster.pods()}
    await cluster.set_env("web", VERSION="v2")
    done = asyncio.create_task(cluster.rolled_out())
    while not done.done():
        present = {pod["metadata"]["uid"] for pod in await cluster.pods()}
        assert not (present & old and present - old)
    await done


async def test_scaling_changes_pods_and_makes_no_revision(cluster: Cluster) -> None:
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    await cluster.scale("web", 5)
    body = await cluster.rolled_out()
    assert len(await cluster.ready_pods()) == 5
    assert revision(body) == "1"
    assert conditions(body)["Progressing"] == ("True", "NewReplicaSetAvailable")
    await cluster.scale("web", 0)
    await cluster.rolled_out()
    await until(lambda: _none(cluster, "pods"))


async def _none(cluster: Cluster, kind: str) -> bool:
    return not await cluster.list(kind)


async def test_a_rollout_that_never_gets_ready_keeps_the_old_pods_and_says_so(
    cluster: Cluster,
) -> None:
    body = deployment("web", 2, VERSION="v1")
    body["spec"]["progressDeadlineSeconds"] = 1
    await cluster.client.create(KNOWN["deployments"], body, NAMESPACE)
    await cluster.rolled_out()
    await cluster.set_env("web", VERSION="v2", READY="false")

    async def stuck() -> Body | None:
        found = await cluster.get("deployments", "web")
        reason = conditions(found).get("Progressing")
        return found if reason == ("False", "ProgressDeadlineExceeded") else None

    found = await until(stuck)
    assert found["status"]["availableReplicas"] == 2
    assert len(await cluster.ready_pods()) == 2
    await cluster.set_env("web", VERSION="v1")
    again = await cluster.rolled_out()
    assert conditions(again)["Progressing"] == ("True", "NewReplicaSetAvailable")
    assert revision(again) == "3"


async def test_going_back_takes_the_old_replica_set_and_a_new_revision(cluster: Cluster) -> None:
    await cluster.deploy("web", 1, VERSION="v1")
    await cluster.rolled_out()
    [first] = await cluster.list("replicasets")
    await cluster.set_env("web", VERSION="v2")
    await cluster.rolled_out()
    await cluster.set_env("web", VERSION="v1")
    body = await cluster.rolled_out()
    assert revision(body) == "3"
    assert len(await cluster.list("replicasets")) == 2
    found = await cluster.get("replicasets", first["metadata"]["name"])
    assert revision(found) == "3"
    history = found["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"]
    assert history == "1"


async def test_a_paused_deployment_scales_but_does_not_roll(cluster: Cluster) -> None:
    await cluster.deploy("web", 1, VERSION="v1")
    await cluster.rolled_out()
    patch = {"spec": {"paused": True, "replicas": 2}}
    await cluster.client.patch(KNOWN["deployments"], "web", NAMESPACE, patch)
    await cluster.set_env("web", VERSION="v2")

    async def scaled() -> list[Body] | None:
        pods = await cluster.ready_pods()
        return pods if len(pods) == 2 else None

    for pod in await until(scaled):
        assert (await ask(real_port(pod)))[2]["version"] == "v1"
    assert len(await cluster.list("replicasets")) == 1
    patch = {"spec": {"paused": None}}
    await cluster.client.patch(KNOWN["deployments"], "web", NAMESPACE, patch)
    await cluster.rolled_out()
    assert len(await cluster.list("replicasets")) == 2


async def test_only_so_many_old_replica_sets_are_kept(cluster: Cluster) -> None:
    body = deployment("web", 1, VERSION="v0")
    body["spec"]["revisionHistoryLimit"] = 1
    body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    await cluster.client.create(KNOWN["deployments"], body, NAMESPACE)
    await cluster.rolled_out()
    for version in ("v1", "v2", "v3"):
        await cluster.set_env("web", VERSION=version)
        await cluster.rolled_out()

    async def kept() -> bool:
        return sorted(revision(one) for one in await cluster.list("replicasets")) == ["3", "4"]

    await until(kept)


async def test_deleting_a_deployment_takes_everything_with_it(cluster: Cluster) -> None:
    await cluster.deploy("web", 2)
    await cluster.rolled_out()
    ports = [real_port(pod) for pod in await cluster.pods()]
    await cluster.client.delete(KNOWN["deployments"], "web", NAMESPACE)
    await until(lambda: _none(cluster, "replicasets"))
    await until(lambda: _none(cluster, "pods"))
    assert all([await refuses(port) for port in ports])


async def test_a_lost_pod_is_replaced(cluster: Cluster) -> None:
    await cluster.deploy("web", 2)
    await cluster.rolled_out()
    [lost, kept] = await cluster.pods()
    await cluster.client.delete(KNOWN["pods"], lost["metadata"]["name"], NAMESPACE)

    async def replaced() -> bool:
        found = {pod["metadata"]["uid"] for pod in await cluster.ready_pods()}
        return len(found) == 2 and lost["metadata"]["uid"] not in found

    await until(replaced)
    assert kept["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in await cluster.pods()}


async def test_a_replica_set_of_its_own_adopts_only_orphans_that_it_selects(
    cluster: Cluster,
) -> None:
    def orphan(name: str, app: str) -> Body:
        spec = {"containers": [{"name": "app", "image": "x"}]}
        return {"metadata": {"name": name, "labels": {"app": app}}, "spec": spec}

    for name, app in (("mine", "web"), ("other", "db")):
        await cluster.client.create(KNOWN["pods"], orphan(name, app), NAMESPACE)
    template = deployment("web", 2)["spec"]["template"]
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    await cluster.client.create(
        KNOWN["replicasets"], {"metadata": {"name": "web"}, "spec": spec}, NAMESPACE
    )

    async def full() -> bool:
        body = await cluster.get("replicasets", "web")
        return (body.get("status") or {}).get("readyReplicas") == 2

    await until(full)
    pods = {pod["metadata"]["name"]: pod for pod in await cluster.pods()}
    assert len(pods) == 3
    [owner] = pods["mine"]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ReplicaSet", "web", True)
    assert "ownerReferences" not in pods["other"]["metadata"]


async def test_a_pod_whose_label_is_taken_off_is_let_go_and_replaced(cluster: Cluster) -> None:
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    [pod] = await cluster.pods()
    name = pod["metadata"]["name"]
    patch = {"metadata": {"labels": {"app": "quarantine"}}}
    await cluster.client.patch(KNOWN["pods"], name, NAMESPACE, patch)

    async def replaced() -> bool:
        return len(await cluster.ready_pods()) == 2

    await until(replaced)
    assert not (await cluster.get("pods", name))["metadata"].get("ownerReferences")
    assert (await ask(real_port(pod)))[0] == 200


async def test_the_controllers_may_be_restarted_in_the_middle_of_a_rollout(
    cluster: Cluster,
) -> None:
    await cluster.deploy("web", 4, VERSION="v1")
    await cluster.rolled_out()
    ports = {pod["metadata"]["uid"]: real_port(pod) for pod in await cluster.pods()}
    await cluster.set_env("web", VERSION="v2", START_DELAY_MS="100")

    async def begun() -> bool:
        return len(await cluster.list("replicasets")) == 2

    await until(begun)
    await cluster.stop()
    left = [p for p in await cluster.pods() if p["metadata"]["uid"] in ports]
    await cluster.start()
    await cluster.rolled_out()
    for pod in left:
        assert real_port(pod) == ports[pod["metadata"]["uid"]]

    async def settled() -> bool:
        return not any(p["metadata"].get("deletionTimestamp") for p in await cluster.pods())

    await until(settled)
    versions = [(await ask(real_port(pod)))[2]["version"] for pod in await cluster.pods()]
    assert versions == ["v2"] * 4


async def test_a_settled_cluster_is_left_alone(cluster: Cluster) -> None:
    await cluster.deploy("web", 2)
    await cluster.serve()
    await cluster.rolled_out()
    await until(lambda: _has_addresses(cluster, 2))
    await asyncio.sleep(0.3)
    before = await _versions(cluster)
    await asyncio.sleep(1.0)
    assert await _versions(cluster) == before


async def _has_addresses(cluster: Cluster, count: int) -> bool:
    return len(await cluster.addresses()) == count


async def _versions(cluster: Cluster) -> list[str]:
    kinds = ("deployments", "replicasets", "pods", "services", "endpointslices")
    return [
        body["metadata"]["resourceVersion"] for kind in kinds for body in await cluster.list(kind)
    ]


async def test_a_name_that_somebody_else_has_taken_is_passed_by(api: Cluster) -> None:
    body = await api.deploy("web", 1, VERSION="v1")
    taken = templates.replica_set_of(body, 0, 1, 2)["metadata"]["name"]
    theirs = deployment("other", 0)["spec"]
    spec = {"replicas": 0, "selector": theirs["selector"], "template": theirs["template"]}
    foreign = {"metadata": {"name": taken}, "spec": spec}
    await api.client.create(KNOWN["replicasets"], foreign, NAMESPACE)
    await api.start()
    found = await api.rolled_out()
    assert found["status"]["collisionCount"] == 1
    assert len(await api.list("replicasets")) == 2
    assert not (await api.get("replicasets", taken))["metadata"].get("ownerReferences")
