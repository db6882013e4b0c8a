"""What others do to a route while an experiment runs on it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from chaos_cluster import VS, plain, until

from autopilot.kube.kinds import KNOWN

if TYPE_CHECKING:
    from chaos_cluster import Cluster, Controller

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]


async def running(cluster: Cluster, **spec: object) -> Controller:
    """A controller with an experiment that runs."""
    await cluster.open(["page", "ratings"])
    cluster.start(cluster.experiment("down", "ratings", **spec))
    controller = cluster.controller()
    try:
        await until(lambda: cluster.on("down"), controller, "the fault")
    except BaseException:
        await controller.kill()
        raise
    return controller


async def test_a_route_that_is_deleted_meanwhile_counts_as_recovered(cluster: Cluster) -> None:
    controller = await running(cluster)
    try:
        cluster.server.store.delete(VS, "ratings", cluster.namespace)
        await until(lambda: cluster.over("down"), controller, "the verdict")
        assert cluster.phase("down") != "Succeeded", "the fault wasn't there to be coped with"
        cluster.server.store.delete("experiments.autopilot.mesh", "down", cluster.namespace)
        gone = lambda: cluster.find("experiments.autopilot.mesh", "down") is None  # noqa: E731
        await until(gone, controller, "the end: a finalizer is stuck")
    finally:
        await controller.kill()
    assert cluster.faulty() == []


async def test_what_is_edited_meanwhile_stays_edited(cluster: Cluster) -> None:
    controller = await running(cluster, duration="4s")
    try:
        present = cluster.get(VS, "ratings")
        ways = [dict(way) for way in present["spec"]["http"]]
        assert [bool(way.get("fault")) for way in ways] == [False, True]
        ways[0] = {**ways[0], "redirect": {"uri": "/new"}}
        ways[1] = {**ways[1], "timeout": "9s"}
        edited = {"metadata": {"labels": {"edited": "yes"}}, "spec": {"http": ways}}
        await cluster.client.patch(
            KNOWN["virtualservices"], "ratings", cluster.namespace, edited, manager="kubectl-edit"
        )
        await until(lambda: cluster.over("down"), controller, "the verdict")
    finally:
        await controller.kill()
    assert cluster.phase("down") == "Succeeded"
    after = cluster.get(VS, "ratings")
    old, main = after["spec"]["http"]
    assert old["redirect"] == {"uri": "/new"}
    assert main["timeout"] == "9s"
    assert "fault" not in main
    assert after["metadata"]["labels"] == {"team": "shop", "edited": "yes"}
    assert cluster.marked() == []
    assert cluster.changed_by_anyone() == ["ratings"], "the page's route is nobody's business"


async def test_halt_takes_the_fault_out_and_lets_none_in(cluster: Cluster) -> None:
    controller = await running(cluster, duration="1m")
    try:
        await halt(cluster, "--reason", "enough")
        assert cluster.faulty() == []
        cluster.start(cluster.experiment("next", "page"))
        await asyncio.sleep(2.0)
        assert cluster.faulty() == []
        assert cluster.phase("next") in {"", "Pending"}
        await halt(cluster, "resume")
        await until(lambda: cluster.over("down"), controller, "the verdict")
        assert cluster.phase("down") not in {"Succeeded", "Completed"}
    finally:
        await controller.kill()
    assert plain(cluster.get(VS, "ratings")) == cluster.originals["ratings"]


async def halt(cluster: Cluster, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "autopilot", "halt", *arguments),
        *("--kubeconfig", str(cluster.kubeconfig)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
