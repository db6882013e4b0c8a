import asyncio

from kubectl_kit import Kubectl, deployment, finish, needs_kubectl

pytestmark = needs_kubectl

TIME_OUT = "--timeout=20s"


def workload(**spec):
    return deployment(image="sandbox/app", **spec)


async def test_a_rollout_runs_to_its_end_and_pods_show_up(running: Kubectl):
    await running.apply(workload())
    status = await running("rollout", "status", "deploy/web", TIME_OUT)
    assert status.lines[-1] == 'deployment "web" successfully rolled out'
    assert (await running("get", "deploy")).rows()[0][:4] == ["web", "2/2", "2", "2"]
    pods = await running("get", "pods", "-l", "app=web")
    assert pods.lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [row[1:4] for row in pods.rows()] == [["1/1", "Running", "0"]] * 2
    replica_sets = await running("get", "rs")
    assert replica_sets.rows()[0][1:4] == ["2", "2", "2"]
    assert "2 available" in (await running("describe", "deploy", "web")).out
    described = await running("describe", "pod", "-l", "app=web")
    assert "Controlled By:  ReplicaSet/web-" in described.out


async def test_a_new_image_makes_a_revision_that_can_be_undone(running: Kubectl):
    await running.apply(workload(replicas=1))
    await running("rollout", "status", "deploy/web", TIME_OUT)
    await running("set", "env", "deploy/web", "VERSION=v2")
    await running("rollout", "status", "deploy/web", TIME_OUT)
    history = await running("rollout", "history", "deploy/web")
    assert [row[0] for row in history.rows()[1:] if row] == ["1", "2"]
    second = await running("rollout", "history", "deploy/web", "--revision=2")
    assert "VERSION" in second.out
    await running("rollout", "undo", "deploy/web")
    await running("rollout", "status", "deploy/web", TIME_OUT)
    web = await running.read("deploy", "web")
    assert "env" not in web["spec"]["template"]["spec"]["containers"][0]


async def test_a_restart_replaces_every_pod(running: Kubectl):
    await running.apply(workload(replicas=1))
    await running("rollout", "status", "deploy/web", TIME_OUT)
    before = (await running("get", "pods", "-o", "name")).lines
    await running("rollout", "restart", "deploy/web")
    await running("rollout", "status", "deploy/web", TIME_OUT)
    for name in before:
        await running("wait", "--for=delete", name, TIME_OUT)
    assert set((await running("get", "pods", "-o", "name")).lines).isdisjoint(before)


async def test_a_paused_rollout_waits(running: Kubectl):
    await running.apply(workload(replicas=1))
    await running("rollout", "status", "deploy/web", TIME_OUT)
    await running("rollout", "pause", "deploy/web")
    refused = await running.run("rollout", "restart", "deploy/web")
    assert "can't restart paused deployment" in refused.err
    await running("set", "env", "deploy/web", "VERSION=v2")
    assert len((await running("get", "rs", "-o", "name")).lines) == 1
    await running("rollout", "resume", "deploy/web")
    await running("rollout", "status", "deploy/web", TIME_OUT)
    assert len((await running("get", "rs", "-o", "name")).lines) == 2


async def test_scaling_is_waited_for(running: Kubectl):
    await running.apply(workload(replicas=1))
    await running("wait", "--for=condition=Available", "deploy/web", TIME_OUT)
    await running("scale", "deploy/web", "--replicas=3", TIME_OUT)
    await running("wait", "deploy/web", "--for=jsonpath={.status.readyReplicas}=3", TIME_OUT)
    await running("scale", "deploy/web", "--replicas=0")
    await running("wait", "--for=delete", "pod", "-l", "app=web", TIME_OUT)


async def test_a_service_gets_endpoints(running: Kubectl):
    await running.apply(workload(replicas=2))
    await running("expose", "deploy", "web", "--port=80")
    await running("rollout", "status", "deploy/web", TIME_OUT)
    await running("wait", "endpoints/web", "--for=jsonpath={.subsets[0].addresses[0].ip}", TIME_OUT)
    endpoints = await running("get", "endpoints", "web")
    assert "127.0.0.1:" in endpoints.out
    assert (await running("get", "endpointslices")).rows()[0][1] == "IPv4"
    assert "Endpoints:" in (await running("describe", "svc", "web")).out


async def test_a_deleted_pod_is_replaced(running: Kubectl):
    await running.apply(workload(replicas=1))
    await running("rollout", "status", "deploy/web", TIME_OUT)
    (name,) = (await running("get", "pods", "-o", "name")).lines
    await running("delete", name, TIME_OUT)
    await running("rollout", "status", "deploy/web", TIME_OUT)
    names = (await running("get", "pods", "-o", "name")).lines
    assert name not in names
    assert len(names) == 1


async def test_deleting_a_deployment_in_the_foreground_takes_its_pods_first(running: Kubectl):
    await running.apply(workload(replicas=1))
    await running("rollout", "status", "deploy/web", TIME_OUT)
    process = await running.start("get", "pods", "-w", "-o", "name")
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert (await process.stdout.readline()).startswith(b"pod/web-")
        await running("delete", "deploy", "web", "--cascade=foreground", TIME_OUT)
    process.terminate()
    await finish(process)
    assert (await running("get", "pods,rs", "-o", "name")).lines == []


async def test_logs_come_from_where_the_server_is_told(running: Kubectl):
    await running.apply(workload(replicas=1))
    await running("rollout", "status", "deploy/web", TIME_OUT)
    none = await running.run("logs", "deploy/web")
    assert none.code == 1
    running.server.set_log_source(lambda pod, query: f"{pod['metadata']['name']} {query}\n")
    answer = await running("logs", "deploy/web", "--tail=5")
    assert answer.out.startswith("web-")
    assert "'tailLines': '5'" in answer.out


async def test_a_status_that_nobody_writes_holds_a_rollout_up(kubectl: Kubectl):
    await kubectl.apply(workload(replicas=1))
    process = await kubectl.start("rollout", "status", "deploy/web", TIME_OUT)
    status = (
        '{"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,'
        '"readyReplicas":1,"availableReplicas":1}}'
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert (await process.stdout.readline()).startswith(b"Waiting for deployment")
    assert process.returncode is None
    await kubectl("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", status)
    answer = await finish(process)
    assert answer.code == 0
    assert "successfully rolled out" in answer.out
