"""Resources that are being deleted, and processes that leave."""

import asyncio
import time
from typing import Any

from runtime_kit import MAPS_IN, MAPS_OUT, PLURAL, Box, Outputs, config_map, define, phase, ramp

from autopilot.kube.marks import FINALIZER
from autopilot.runtime.result import Result

HELD = "autopilot.mesh/paused"


def machine(finalize: Any) -> Any:
    return define(
        phase(
            "Waiting",
            lambda *_: Result.stay(outputs=Outputs(configmaps=[{"metadata": {"name": "out"}}])),
            initial=True,
            outputs=(MAPS_OUT,),
        ),
        finalizer=phase("Finalizer", finalize, inputs=(MAPS_IN,), outputs=(MAPS_OUT,)),
    )


async def test_a_finalizer_stays_until_it_is_done_and_only_then_the_resource_goes(
    box: Box,
) -> None:
    calls: list[tuple[str, int]] = []

    def finalize(res: Any, inputs: Any, ctx: Any) -> Any:
        calls.append((res.phase, res.status.step))
        if inputs.configmaps.find("permit") is None:
            return Result.stay(status={"step": 7}, reason="WaitingForPermit", message="soon")
        return Result.done(outputs=Outputs(configmaps=[]))

    box.create(ramp())
    await box.run(machine(finalize))
    assert box.get()["metadata"]["finalizers"] == [FINALIZER]
    box.server.store.delete(PLURAL, "r", "default")
    await box.settle()
    assert box.condition()["reason"] == "WaitingForPermit"
    assert box.status()["step"] == 7
    assert box.config_map("out") is not None
    await box.advance(12)
    assert len(calls) >= 3
    box.create(config_map("permit"))
    await box.advance(6)
    assert box.server.store.find(PLURAL, "r", "default") is None
    assert box.config_map("out") is None
    assert calls[0] == ("Waiting", 0)
    assert calls[-1] == ("Waiting", 7)
    assert not box.runtime._memories


async def test_a_finalizer_that_fails_keeps_the_resource_and_says_so(box: Box) -> None:
    calls: list[int] = []

    def finalize(*_: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("no line")
        return Result.done()

    box.create(ramp())
    await box.run(machine(finalize))
    box.server.store.delete(PLURAL, "r", "default")
    await box.settle()
    assert box.condition()["reason"] == "WorkerFailed"
    await box.advance(5)
    assert box.server.store.find(PLURAL, "r", "default") is None


async def test_a_finalizer_enters_no_phase(box: Box) -> None:
    box.create(ramp())
    await box.run(machine(lambda *_: Result.to("Waiting")))
    box.server.store.delete(PLURAL, "r", "default")
    await box.settle()
    assert box.condition()["reason"] == "UndeclaredPhase"
    assert "enters no phase" in box.condition()["message"]


async def test_a_namespace_that_goes_takes_its_resources_along(box: Box) -> None:
    box.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "leaving"}})
    box.create(ramp("r", "leaving"))
    await box.run(machine(lambda *_: Result.stay(reason="Never")))
    made = box.server.store.get(PLURAL, "r", "leaving")
    assert made["metadata"]["finalizers"] == [FINALIZER]
    box.server.store.delete("namespaces", "leaving")
    await box.advance(5)
    assert box.server.store.find(PLURAL, "r", "leaving") is None
    assert box.server.store.find("namespaces", "leaving") is None


async def test_without_finalizer_and_actions_nothing_holds_a_resource(box: Box) -> None:
    box.create(ramp())
    await box.run(define(phase("Waiting", lambda *_: Result.stay(), initial=True)))
    assert "finalizers" not in box.get()["metadata"]
    box.server.store.delete(PLURAL, "r", "default")
    await box.settle()
    assert not box.runtime._memories


async def test_a_paused_resource_waits_with_its_going(box: Box) -> None:
    box.create(ramp())
    await box.run(machine(lambda *_: Result.done()))
    box.edit(metadata={"annotations": {HELD: "true"}})
    await box.settle()
    box.server.store.delete(PLURAL, "r", "default")
    await box.advance(30)
    assert box.server.store.find(PLURAL, "r", "default") is not None
    box.edit(metadata={"annotations": {HELD: None}})
    await box.advance(1)
    assert box.server.store.find(PLURAL, "r", "default") is None


async def test_a_resource_made_anew_under_its_name_begins_anew(box: Box) -> None:
    machine_ = define(
        phase("First", lambda *_: Result.to("Second"), initial=True),
        phase("Second", lambda *_: Result.stay()),
    )
    box.create(ramp())
    await box.run(machine_)
    box.server.store.delete(PLURAL, "r", "default")
    box.create(ramp())
    await box.advance(1)
    assert [e["phase"] for e in box.status()["phaseHistory"]] == ["First", "Second"]


async def test_told_to_stop_it_finishes_what_runs_and_leaves(box: Box) -> None:
    began, ended = asyncio.Event(), []

    async def work(*_: Any) -> Any:
        began.set()
        await asyncio.sleep(0.1)
        ended.append(True)
        return Result.stay(status={"step": 4})

    box.create(ramp())
    process = await box.run(define(phase("Waiting", work, initial=True)), wait=False)
    await began.wait()
    started = time.monotonic()
    await process.end()
    assert time.monotonic() - started < 10
    assert ended == [True]
    assert box.status()["step"] == 4
    assert not process.runtime.ready


async def test_only_its_namespace_is_served(box: Box) -> None:
    box.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
    box.create(ramp("r", "mine"))
    box.create(ramp("r", "default"))
    await box.run(
        define(phase("Waiting", lambda *_: Result.stay(), initial=True)), watch_namespace="mine"
    )
    assert box.status() == {}
    assert box.server.store.get(PLURAL, "r", "mine")["status"]["phase"] == "Waiting"
    paths = {r.path for r in box.server.requests if r.verb == "watch"}
    halt = "/api/v1/namespaces/autopilot-system/configmaps"
    assert paths == {"/apis/test.autopilot.mesh/v1/namespaces/mine/ramps", halt}


async def test_a_namespace_that_goes_takes_even_a_paused_resource_along(box: Box) -> None:
    box.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "leaving"}})
    box.create(ramp("r", "leaving"))
    await box.run(machine(lambda *_: Result.stay()))
    box.server.store.merge(PLURAL, "r", {"metadata": {"annotations": {HELD: "true"}}}, "leaving")
    box.server.store.delete(PLURAL, "r", "leaving")
    await box.advance(12)
    assert box.server.store.find(PLURAL, "r", "leaving") is not None
    box.server.store.delete("namespaces", "leaving")
    await box.advance(12)
    assert box.server.store.find(PLURAL, "r", "leaving") is None
