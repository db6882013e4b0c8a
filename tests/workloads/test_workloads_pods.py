"""The node against a real API server: readiness, crashes, endpoints, and gentle ends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from workloads_kit import (
    NAMESPACE,
    NODE_AGENT,
    ask,
    deployment,
    is_ready,
    real_port,
    refuses,
    until,
)

from autopilot.kube.client import NotFound
from autopilot.kube.kinds import ENDPOINTS, KNOWN, NODES
from autopilot.sandbox.apiserver.faults import Fault
from autopilot.sandbox.workloads import agent

if TYPE_CHECKING:
    from workloads_kit import Cluster

Body = dict[str, Any]
WRITES = ("create", "patch", "update", "delete")


async def container(cluster: Cluster) -> Body | None:
    pods = await cluster.pods()
    statuses = (pods[0].get("status") or {}).get("containerStatuses") if pods else None
    return statuses[0] if statuses else None


async def test_a_pod_becomes_ready_only_after_its_start_delay(cluster: Cluster) -> None:
    await cluster.deploy("web", 1, START_DELAY_MS="2000")

    async def running() -> Body | None:
        found = await container(cluster)
        return found if found and "running" in found["state"] else None

    found = await until(running)
    assert not found["ready"]
    assert not await cluster.ready_pods()
    await cluster.rolled_out()
    [pod] = await cluster.ready_pods()
    started = datetime.fromisoformat(found["state"]["running"]["startedAt"])
    ready = {one["type"]: one for one in pod["status"]["conditions"]}["Ready"]
    assert datetime.fromisoformat(ready["lastTransitionTime"]) - started >= timedelta(seconds=1)


async def test_a_pod_that_crashes_at_once_loops_and_is_never_ready(cluster: Cluster) -> None:
    await cluster.deploy("web", 1, CRASH="true")

    async def looping() -> Body | None:
        found = await container(cluster)
        return found if found and found["restartCount"] >= 1 else None

    found = await until(looping)
    assert found["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert found["lastState"]["terminated"]["exitCode"] == 1
    [pod] = await cluster.pods()
    assert pod["status"]["phase"] == "Running"
    assert not is_ready(pod)
    assert await refuses(real_port(pod))


async def test_a_pod_that_crashes_later_is_cut_off_and_comes_back_on_its_port(
    cluster: Cluster,
) -> None:
    await cluster.deploy("web", 1, CRASH_AFTER_S="0.5")
    await cluster.rolled_out()
    [pod] = await cluster.pods()
    reader, writer = await asyncio.open_connection("127.0.0.1", real_port(pod))
    assert await asyncio.wait_for(_rest(reader), 10) == b""
    writer.close()

    async def back() -> Body | None:
        [found] = await cluster.pods()
        again = found["status"]["containerStatuses"][0]["restartCount"] >= 1
        return found if again and is_ready(found) else None

    assert real_port(await until(back)) == real_port(pod)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_an_environment_that_makes_no_sense_keeps_the_container_from_starting(
    cluster: Cluster,
) -> None:
    await cluster.deploy("web", 1, ERROR_RATE="5%")

    async def refused() -> Body | None:
        found = await container(cluster)
        waiting = (found or {}).get("state", {}).get("waiting", {})
        return waiting if waiting.get("reason") == "CreateContainerConfigError" else None

    assert "ERROR_RATE='5%'" in (await until(refused))["message"]
    [pod] = await cluster.pods()
    assert pod["status"]["phase"] == "Pending"


async def test_a_failing_readiness_probe_takes_a_pod_out(cluster: Cluster) -> None:
    body = deployment("web", 1, ERROR_RATE="1")
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe
    await cluster.client.create(KNOWN["deployments"], body, NAMESPACE)

    async def running() -> bool:
        return any(pod["status"].get("phase") == "Running" for pod in await cluster.pods())

    await until(running)
    await asyncio.sleep(0.5)
    assert not await cluster.ready_pods()
    probe["httpGet"]["path"] = "/healthz"
    await cluster.client.patch(
        KNOWN["deployments"], "web", NAMESPACE, {"spec": {"template": body["spec"]["template"]}}
    )
    await cluster.rolled_out()


async def test_a_bare_pod_runs_and_ends(cluster: Cluster) -> None:
    body = {"metadata": {"name": "solo"}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    await cluster.client.create(KNOWN["pods"], body, NAMESPACE)
    pod = (await until(cluster.ready_pods))[0]
    assert (await ask(real_port(pod)))[2]["workload"] == "solo"
    await cluster.client.delete(KNOWN["pods"], "solo", NAMESPACE)

    async def gone() -> bool:
        return not await cluster.pods()

    await until(gone)
    assert await refuses(real_port(pod))


async def test_a_pod_of_another_node_is_left_alone(cluster: Cluster) -> None:
    spec = {"nodeName": "elsewhere", "containers": [{"name": "app", "image": "x"}]}
    await cluster.client.create(
        KNOWN["pods"], {"metadata": {"name": "theirs"}, "spec": spec}, NAMESPACE
    )
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    theirs = await cluster.get("pods", "theirs")
    assert (theirs.get("status") or {}).get("phase", "Pending") == "Pending"


async def test_the_node_is_there_for_people(cluster: Cluster) -> None:
    async def registered() -> Body | None:
        try:
            node = await cluster.client.get(NODES, "sandbox")
        except NotFound:
            return None
        return node if (node.get("status") or {}).get("conditions") else None

    [ready] = (await until(registered))["status"]["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "True")


async def test_endpoints_carry_the_real_ports_of_ready_pods(cluster: Cluster) -> None:
    await cluster.serve()
    await cluster.deploy("web", 2)
    await cluster.rolled_out()

    async def both() -> bool:
        return len(await cluster.addresses()) == 2

    await until(both)
    assert await cluster.addresses() == sorted(real_port(pod) for pod in await cluster.pods())
    body = await cluster.get(ENDPOINTS, "web")
    for subset in body["subsets"]:
        assert subset["addresses"][0]["ip"] == "127.0.0.1"
        assert subset["addresses"][0]["targetRef"]["kind"] == "Pod"
        assert subset["ports"][0]["name"] == "http"


async def test_slices_say_the_same_and_belong_to_the_service(cluster: Cluster) -> None:
    await cluster.deploy("web", 2)
    await cluster.serve(target=8080)
    await cluster.rolled_out()

    async def both() -> list[Body] | None:
        found = await cluster.list("endpointslices")
        ready = [s for s in found if s["endpoints"][0]["conditions"]["ready"]]
        return ready if len(ready) == 2 else None

    found = await until(both)
    assert sorted(s["ports"][0]["port"] for s in found) == await cluster.addresses()
    for one in found:
        assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        assert one["metadata"]["ownerReferences"][0]["kind"] == "Service"


async def test_a_pod_that_is_not_ready_is_listed_as_not_ready(cluster: Cluster) -> None:
    await cluster.serve()
    await cluster.deploy("web", 1, READY="false")

    async def listed() -> Body | None:
        try:
            body = await cluster.get(ENDPOINTS, "web")
        except NotFound:
            return None
        return body if body.get("subsets") else None

    [subset] = (await until(listed))["subsets"]
    assert "addresses" not in subset
    assert len(subset["notReadyAddresses"]) == 1


async def test_the_endpoints_end_with_their_service(cluster: Cluster) -> None:
    await cluster.serve()
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    await until(cluster.addresses)
    await cluster.client.delete(KNOWN["services"], "web", NAMESPACE)

    async def gone() -> bool:
        try:
            await cluster.get(ENDPOINTS, "web")
        except NotFound:
            return not await cluster.list("endpointslices")
        return False

    await until(gone)


async def test_endpoints_that_somebody_spoils_are_set_right(cluster: Cluster) -> None:
    await cluster.serve()
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    right = await until(cluster.addresses)
    await cluster.client.patch(ENDPOINTS, "web", NAMESPACE, {"subsets": []})

    async def repaired() -> bool:
        return await cluster.addresses() == right

    await until(repaired)


async def test_endpoints_written_by_hand_for_a_service_without_selector_stay(
    cluster: Cluster,
) -> None:
    spec = {"ports": [{"port": 80}]}
    await cluster.client.create(
        KNOWN["services"], {"metadata": {"name": "ext"}, "spec": spec}, NAMESPACE
    )
    subsets = [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]
    body = {"metadata": {"name": "ext"}, "subsets": subsets}
    await cluster.client.create(ENDPOINTS, body, NAMESPACE)
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    assert (await cluster.get(ENDPOINTS, "ext"))["subsets"][0]["addresses"] == [{"ip": "10.0.0.1"}]


async def test_a_deleted_pod_leaves_the_endpoints_before_it_stops_serving(
    cluster: Cluster,
) -> None:
    await cluster.serve()
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    [port] = await until(cluster.addresses)
    await cluster.scale("web", 0)

    async def left() -> bool:
        return port not in await cluster.addresses()

    await until(left)
    assert (await ask(port))[0] == 200
    [one] = await cluster.list("endpointslices")
    assert one["endpoints"][0]["conditions"] == {
        "ready": False, "serving": True, "terminating": True,
    }  # fmt: skip

    async def gone() -> bool:
        return not await cluster.pods()

    await until(gone)
    assert await refuses(port)


async def test_a_pod_deleted_by_force_still_ends_gently(cluster: Cluster) -> None:
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    [pod] = await cluster.pods()
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
    await cluster.client.request("DELETE", path, {"gracePeriodSeconds": 0})
    with pytest.raises(NotFound):
        await cluster.get("pods", pod["metadata"]["name"])
    assert (await ask(real_port(pod)))[0] == 200

    async def ended() -> bool:
        return await refuses(real_port(pod))

    await until(ended)


async def test_a_grace_period_shorter_than_the_drain_is_kept(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "SERVE_AFTER_DELETION", 1000.0)
    body = deployment("web", 1)
    body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    await cluster.client.create(KNOWN["deployments"], body, NAMESPACE)
    await cluster.rolled_out()
    await cluster.scale("web", 0)

    async def gone() -> bool:
        return not await cluster.pods()

    await until(gone)


async def test_stopping_the_node_frees_every_port(cluster: Cluster) -> None:
    await cluster.deploy("web", 3)
    await cluster.rolled_out()
    ports = [real_port(pod) for pod in await cluster.pods()]
    await cluster.stop()
    assert all([await refuses(port) for port in ports])


TROUBLES = {
    "conflicts": [Fault("status", verb=v, status=409, probability=0.3) for v in WRITES],
    "errors": [Fault("status", verb=v, status=500, probability=0.3) for v in WRITES],
    "answers that get lost": [Fault("cut-after", verb=v, probability=0.2) for v in WRITES],
    "watches that are cut": [Fault("cut", verb="watch", seconds=0.2)],
    "watches that expire": [Fault("expire", verb="watch", seconds=0.2)],
    "slow answers": [Fault("latency-after", seconds=0.05)],
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_rollout_ends_well_whatever_the_api_does_on_the_way(
    api: Cluster, trouble: str
) -> None:
    for fault in TROUBLES[trouble]:
        api.server.faults.add(replace(fault, agent=NODE_AGENT))
    await api.start()
    await api.serve()
    await api.deploy("web", 2, VERSION="v1")
    await api.rolled_out()
    await api.set_env("web", VERSION="v2")
    await api.scale("web", 3)
    await api.rolled_out()

    async def served() -> bool:
        pods = await api.pods()
        return len(pods) == 3 and await api.addresses() == sorted(map(real_port, pods))

    await until(served)
    assert [(await ask(port))[2]["version"] for port in await api.addresses()] == ["v2"] * 3


async def test_events_tell_what_kubectl_describe_should_show(cluster: Cluster) -> None:
    await cluster.deploy("web", 1, CRASH="true")

    async def told() -> set[tuple[str, str]] | None:
        found = {(e["involvedObject"]["kind"], e["reason"]) for e in await cluster.list("events")}
        wanted = {("Deployment", "ScalingReplicaSet"), ("Pod", "BackOff")}
        return found if wanted <= found else None

    await until(told)
    events = await cluster.list("events")
    [scaled] = [e for e in events if e["reason"] == "ScalingReplicaSet"]
    assert scaled["message"].startswith("Scaled up replica set web-")
    assert scaled["message"].endswith(" from 0 to 1")


async def test_a_service_may_ask_for_a_port_that_no_container_declares(cluster: Cluster) -> None:
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    await cluster.serve(target=9090)
    [port] = await until(cluster.addresses)
    assert (await ask(port))[0] == 200
    [pod] = await cluster.pods()
    told = json.loads(pod["metadata"]["annotations"]["sandbox.autopilot.mesh/ports"])
    assert told == {"8080": port, "9090": port}


async def test_a_service_whose_named_port_no_container_has_gets_no_endpoints(
    cluster: Cluster,
) -> None:
    await cluster.serve(target="grpc")
    await cluster.deploy("web", 1)
    await cluster.rolled_out()
    body = await until(lambda: cluster.get(ENDPOINTS, "web"))
    assert not body.get("subsets")
