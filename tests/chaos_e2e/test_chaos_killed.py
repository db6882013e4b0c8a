"""Experiments whose controller is killed: in each phase, before and after the deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from chaos_cluster import EXPERIMENTS, PHASES, REPORTS, VS, until

from autopilot.sandbox.apiserver.faults import Fault

if TYPE_CHECKING:
    from chaos_cluster import Cluster, Controller

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]


def clean(cluster: Cluster) -> None:
    """Nothing is left, and nothing of anybody's has changed."""
    assert cluster.faulty() == []
    assert cluster.marked() == []
    assert cluster.changed_by_anyone() == []


async def finish(cluster: Cluster, name: str) -> None:
    """A last life in peace, until the run is over."""
    controller = cluster.controller()
    try:
        await until(lambda: cluster.over(name), controller, "the verdict")
    finally:
        await controller.kill()


@pytest.mark.parametrize(
    ("passes_on", "verdict"),
    [({}, "Succeeded"), pytest.param({"page": "ratings"}, "Failed", marks=pytest.mark.slow)],
    ids=["copes", "fails"],
)
async def test_killed_in_each_phase_it_finishes_the_job(
    cluster: Cluster, passes_on: dict[str, str], verdict: str
) -> None:
    await cluster.open(["page", "ratings"], passes_on=passes_on)
    cluster.start(cluster.experiment("down", "ratings", duration="8s"))
    killed: list[str] = []
    running: list[Controller] = []

    def strike(change: Any) -> None:
        """At the very write by which a phase is entered."""
        body = change.entry.body
        phase = str((body.get("status") or {}).get("phase") or "")
        if body.get("kind") != "Experiment" or phase not in PHASES or phase in killed:
            return
        killed.append(phase)
        running[-1].strike()

    cluster.server.store.on_change(strike)
    while not cluster.over("down"):
        controller = cluster.controller()
        running.append(controller)
        try:
            # A fault that was laid stays until it is time; it doesn't go with the process.
            await until(lambda: cluster.over("down") or not controller.alive, None, "a kill")  # noqa: B023
        finally:
            await controller.kill()
    assert killed == list(PHASES)
    assert cluster.phase("down") == verdict
    clean(cluster)
    report = cluster.report("down-1")["spec"]
    assert report["verdict"] == verdict
    assert [entry["phase"] for entry in report["phases"]] == list(PHASES)


@pytest.mark.slow
async def test_killed_after_each_single_write_it_finishes_the_job(cluster: Cluster) -> None:
    await cluster.open(["page", "ratings"])
    cluster.start(cluster.experiment("down", "ratings", duration="10s"))
    faults, lives = cluster.server.faults, 0
    while not cluster.over("down"):
        # The write is done; its answer comes when nobody is there any more.
        struck = [
            faults.add(Fault("latency-after", verb=verb, resource=resource, seconds=600))
            for verb in ("create", "patch", "delete")
            # A new process applies a Report once, whether anything differs or not.
            for resource in (EXPERIMENTS, VS, *([REPORTS] if verb == "create" else []))
        ]
        controller = cluster.controller()
        try:
            await until(
                lambda: any(map(faults.hits, struck)) or cluster.over("down"),  # noqa: B023
                controller,
                "a write",
            )
        finally:
            await controller.kill()
            for number in struck:
                faults.remove(number)
        lives += 1
        assert lives < 70, "it doesn't get anywhere"
    assert lives >= 8
    assert cluster.phase("down") == "Succeeded"
    clean(cluster)
    assert cluster.report("down-1")["spec"]["verdict"] == "Succeeded"


async def test_started_again_before_the_deadline_it_ends_as_if_nothing_had_been(
    cluster: Cluster,
) -> None:
    await cluster.open(["page", "ratings"])
    cluster.start(cluster.experiment("down", "ratings", duration="8s"))
    controller = cluster.controller()
    try:
        await until(lambda: cluster.on("down"), controller, "the fault")
    finally:
        await controller.kill()
    laid = cluster.get(VS, "ratings")
    assert cluster.faulty() == ["ratings"]
    controller = cluster.controller()
    try:
        await asyncio.sleep(1.0)
        same = cluster.get(VS, "ratings")
        assert same["metadata"]["resourceVersion"] == laid["metadata"]["resourceVersion"]
        await until(lambda: cluster.over("down"), controller, "the verdict")
    finally:
        await controller.kill()
    assert cluster.phase("down") == "Succeeded"
    clean(cluster)
    assert cluster.report("down-1")["spec"]["verdict"] == "Succeeded"


async def test_started_again_after_the_deadline_the_fault_goes_and_no_success_is_made_up(
    cluster: Cluster,
) -> None:
    await cluster.open(["page", "ratings"])
    cluster.start(cluster.experiment("down", "ratings"))
    controller = cluster.controller()
    try:
        await until(lambda: cluster.on("down"), controller, "the fault")
    finally:
        await controller.kill()
    # Past the deadline nobody has looked for longer than three polls.
    await asyncio.sleep(4.0)
    assert cluster.faulty() == ["ratings"]
    await finish(cluster, "down")
    assert cluster.phase("down") in {"Aborted", "Inconclusive"}
    clean(cluster)
    assert cluster.report("down-1")["spec"]["verdict"] == cluster.phase("down")


async def test_deleted_while_it_runs_the_fault_goes_before_it_does(cluster: Cluster) -> None:
    await cluster.open(["page", "ratings"])
    cluster.start(cluster.experiment("down", "ratings", duration="1m"))
    controller = cluster.controller()
    try:
        await until(lambda: cluster.on("down"), controller, "the fault")
        await until(lambda: cluster.find(REPORTS, "down-1"), controller, "the Report")
        with_fault: list[bool] = []

        def gone(change: Any) -> None:
            if change.entry.body.get("kind") == "Experiment" and change.type == "DELETED":
                with_fault.append(bool(cluster.faulty()))

        cluster.server.store.on_change(gone)
        cluster.server.store.delete(EXPERIMENTS, "down", cluster.namespace)
        await until(lambda: cluster.find(EXPERIMENTS, "down") is None, controller, "the end")
        assert with_fault == [False]
    finally:
        await controller.kill()
    clean(cluster)
    assert cluster.report("down-1")["spec"]["experiment"] == "down"


async def test_deleted_while_nobody_is_there_the_fault_goes_with_the_next_start(
    cluster: Cluster,
) -> None:
    await cluster.open(["page", "ratings"])
    cluster.start(cluster.experiment("down", "ratings", duration="1m"))
    controller = cluster.controller()
    try:
        await until(lambda: cluster.on("down"), controller, "the fault")
    finally:
        await controller.kill()
    cluster.server.store.delete(EXPERIMENTS, "down", cluster.namespace)
    assert cluster.faulty() == ["ratings"]
    assert cluster.find(EXPERIMENTS, "down") is not None, "the finalizer holds it"
    controller = cluster.controller()
    try:
        await until(lambda: cluster.find(EXPERIMENTS, "down") is None, controller, "the end")
    finally:
        await controller.kill()
    clean(cluster)
