"""The box: real API server, node, Envoy and Prometheus."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from box_kit import alive, gone, pids, until

from autopilot.base.errors import TerminalError
from autopilot.kube.http import connect
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS, KNOWN, NAMESPACES
from autopilot.sandbox.box import Box
from autopilot.sandbox.load.command import read
from autopilot.sandbox.load.generator import LoadGenerator, Target
from autopilot.sandbox.load.stats import totals

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.kube.client import KubeClient

pytestmark = pytest.mark.envoy


def query(url: str, text: str) -> list[Any]:
    asked = f"{url}/api/v1/query?query={urllib.request.quote(text)}"
    with urllib.request.urlopen(asked, timeout=5) as answer:
        found: list[Any] = json.load(answer)["data"]["result"]
        return found


async def test_a_box_comes_up_serves_and_leaves_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path / "one", demo_app=True)
    async with box:
        state = box.state
        assert (state.name, state.phase, state.message) == ("one", "ready", "")
        assert [process.name for process in state.processes] == [
            "apiserver", "node", "envoy", "prometheus",
        ]  # fmt: skip
        assert all(process.running for process in state.processes)
        assert state.process("envoy").version.startswith("1.")
        assert state.process("prometheus").version.startswith(("2.", "3."))
        load = LoadGenerator(Target(f"{state.ingress_url}/", "web.demo", rate=50))
        await load.start()
        await asyncio.sleep(0.5)
        await load.stop()
        assert load.totals().failed == 0
        assert {(r.status, r.version) for r in load.records} == {(200, "v1")}
        client = await connect(state.kubeconfig)
        names = {o["metadata"]["name"] for o in (await client.list(NAMESPACES)).items}
        kinds = (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items
        await client.close()
        assert {"istio-system", "demo"} <= names
        assert {"VirtualService", "DestinationRule"} <= {k["spec"]["names"]["kind"] for k in kinds}
    await until(lambda: gone(state))
    assert not (tmp_path / "one").exists()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 — in a coroutine, Path would be refused


async def test_two_boxes_live_side_by_side(tmp_path: Path) -> None:
    first, second = Box(tmp_path / "one", demo_app=True), Box(tmp_path / "two")
    await asyncio.gather(first.start(), second.start())
    try:
        one, two = first.state, second.state
        assert (one.phase, two.phase) == ("ready", "ready")
        assert one.ingress_url != two.ingress_url
        client = await connect(two.kubeconfig)
        pods = (await client.list(KNOWN["pods"])).items
        await client.close()
        assert pods == []
        await first.stop()
        assert second.state.phase == "ready"
        assert gone(one)
    finally:
        await asyncio.gather(first.stop(), second.stop())
    await until(lambda: gone(two))


async def test_prometheus_may_go_and_comes_back_where_it_was(tmp_path: Path) -> None:
    async with Box(tmp_path / "one") as box:
        before = box.state
        await box.stop_prometheus()
        during = box.state
        assert (during.phase, during.process("prometheus").pid) == ("ready", 0)
        await box.start_prometheus()
        after = box.state
        assert after.prometheus_url == before.prometheus_url
        assert after.process("prometheus").running
        assert after.process("prometheus").pid != before.process("prometheus").pid
        assert await asyncio.to_thread(query, after.prometheus_url, "vector(1)")


async def test_the_first_sample_comes_within_ten_seconds(tmp_path: Path) -> None:
    async with Box(tmp_path / "one", load_rate=50) as box:
        began = time.monotonic()
        url = box.state.prometheus_url
        text = 'sum(istio_requests_total{destination_workload="web",response_code="200"})'
        found = await until(lambda: query(url, text), 15)
        assert time.monotonic() - began < 10
        assert float(found[0]["value"][1]) > 0


async def test_the_load_runs_beside_the_box_and_is_recorded(tmp_path: Path) -> None:
    async with Box(tmp_path / "one", load_rate=100) as box:
        assert box.state.process("load").running
        await until(lambda: len(list(read(box.load_records))) > 50)
        assert totals(read(box.load_records)).failed == 0
        pid = box.state.process("load").pid
    assert not alive(pid)


async def test_no_request_through_envoy_fails_while_the_app_rolls_and_scales(
    tmp_path: Path,
) -> None:
    async with Box(tmp_path / "one", demo_app=True) as box:
        client = await connect(box.state.kubeconfig)
        target = Target(f"{box.state.ingress_url}/", "web.demo", rate=150)
        load = LoadGenerator(target)
        await load.start()
        body = await client.get(KNOWN["deployments"], "web", "demo")
        template = body["spec"]["template"]
        template["spec"]["containers"][0]["env"] = [{"name": "VERSION", "value": "v2"}]
        patches: list[dict[str, Any]] = [
            {"spec": {"template": template}}, {"spec": {"replicas": 5}}, {"spec": {"replicas": 1}},
        ]  # fmt: skip
        for patch in patches:
            await client.patch(KNOWN["deployments"], "web", "demo", patch)
            await asyncio.sleep(0.5)
        await alone(client)
        await load.stop()
        await client.close()
        counted = load.totals()
        assert counted.requests > 300
        assert counted.failed == 0, [r for r in load.records if r.failed][:3]
        assert {r.version for r in load.records} == {"v1", "v2"}


async def test_pods_ask_one_another_through_the_mesh(tmp_path: Path) -> None:
    async with Box(tmp_path / "one", demo_app=True) as box:
        state = box.state
        client = await connect(state.kubeconfig)
        body = await client.get(KNOWN["deployments"], "web", "demo")
        spec = json.loads(json.dumps(body["spec"]).replace('"web"', '"front"'))
        env = [{"name": "UPSTREAMS", "value": "http://web.demo/a,http://nobody.demo/"}]
        spec["template"]["spec"]["containers"][0]["env"] = env
        front: dict[str, Any] = {"metadata": {"name": "front"}, "spec": spec}
        await client.create(KNOWN["deployments"], front, "demo")
        port = {"name": "http", "port": 80, "targetPort": 8080}
        service: dict[str, Any] = {
            "metadata": {"name": "front"},
            "spec": {"selector": {"app": "front"}, "ports": [port]},
        }
        await client.create(KNOWN["services"], service, "demo")
        await client.close()
        found = await until(lambda: asked(state.ingress_url, "front.demo"))
        assert found["upstreams"] == {"http://web.demo/a": 200, "http://nobody.demo/": 404}


def asked(url: str, host: str) -> dict[str, Any] | None:
    request = urllib.request.Request(url, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError:
        return None
    return found if 0 not in found["upstreams"].values() else None


async def alone(client: KubeClient) -> None:
    """Wait until the last but one pod is gone."""
    async with asyncio.timeout(20):
        while len((await client.list(KNOWN["pods"], "demo")).items) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["node", "envoy", "apiserver", "prometheus"])
async def test_a_process_that_ends_by_itself_is_noticed(tmp_path: Path, name: str) -> None:
    async with Box(tmp_path / "one") as box:
        os.kill(box.state.process(name).pid, signal.SIGKILL)
        state = await until(lambda: (s := box.state).phase == "broken" and s)
        assert name in state.message
        assert not state.process(name).running
    await until(lambda: not any(alive(pid) for pid in pids(state)))
    assert not (tmp_path / "one").exists()


async def test_a_box_that_cannot_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPILOT_PROMETHEUS", str(tmp_path / "nowhere"))
    box = Box(tmp_path / "one")
    with pytest.raises(TerminalError, match="AUTOPILOT_PROMETHEUS"):
        await box.start()
    assert not any(process.running for process in box.state.processes)
    assert not (tmp_path / "one").exists()


async def test_a_directory_with_files_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    with pytest.raises(TerminalError, match="isn't empty"):
        await Box(tmp_path).start()
    assert (tmp_path / "precious").read_text() == "keep me"


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path / "one", demo_app=True)
    task = asyncio.create_task(box.start())
    await until(lambda: box.state.process("envoy").pid)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(process.running for process in box.state.processes)
    assert not (tmp_path / "one").exists()
