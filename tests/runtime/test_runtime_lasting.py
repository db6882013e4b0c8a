"""A process that runs for months: nothing grows with what has come and gone."""

import asyncio
import gc
from typing import Any

import pytest
from runtime_kit import (
    DEPLOYMENTS,
    MAPS_IN,
    MAPS_OUT,
    Box,
    Outputs,
    config_map,
    define,
    phase,
    ramp,
)

from autopilot.runtime.record import Key
from autopilot.runtime.result import Result
from autopilot.runtime.schedule import Schedule
from autopilot.runtime.wakes import CURRENT, Wakes
from autopilot.sandbox.apiserver.faults import Fault


def keeper() -> Any:
    async def keep(res: Any, inputs: Any, ctx: Any) -> Any:
        await inputs.metrics.rate(app=res.name)
        out = Outputs(configmaps=[config_map(f"{res.name}-out")])
        return Result.stay(outputs=out, after="1h")

    return define(
        phase("Keeping", keep, initial=True, inputs=(MAPS_IN,), outputs=(MAPS_OUT,), metrics=True)
    )


def held(box: Box) -> dict[str, int]:
    """How much the parts of a runtime hold on to."""
    runtime = box.runtime
    served = next(iter(runtime._served.values()))
    schedule = runtime.queue.schedule
    return {
        "memories": len(runtime._memories),
        "states": len(schedule._states),
        "applied": len(served.writer._means.applier._memories),
        "caches": sum(len(cache) for cache in runtime._caches),
    }


async def test_what_is_gone_leaves_nothing_behind(box: Box) -> None:
    box.create(ramp("stays"))
    await box.run(keeper())
    before = held(box)
    for number in range(20):
        box.create(ramp(f"r{number}"))
    await box.settle()
    assert held(box)["applied"] == before["applied"] + 20
    for number in range(20):
        box.server.store.delete("ramps.test.autopilot.mesh", f"r{number}", "default")
    await box.settle()
    assert box.config_map("r3-out") is None
    await box.settle()
    gc.collect()
    assert held(box) == before


def test_a_timer_that_is_set_again_and_again_is_one_entry() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.tick_at("a", 3600.0)
    for _ in range(10_000):
        schedule.wake("a")
        assert schedule.take(0.0) is not None
        schedule.tick_at("a", 3600.0)
        schedule.done("a")
    assert len(schedule._heap) == 1
    assert schedule.next_time() == 3600.0


async def test_a_cache_that_fills_beside_many_resources_looks_through_them_once(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        box.create(ramp(f"r{number}"))
    await box.run(keeper())
    wakes: list[Any] = []
    woken = box.runtime.queue.wake
    monkeypatch.setattr(
        box.runtime.queue, "wake", lambda key, **how: (wakes.append(key), woken(key, **how))
    )
    cache = next(
        c
        for c in box.runtime._caches
        if c.kind.plural == "configmaps" and not (c.selection.labels or c.selection.fields)
    )
    emitted = [(None, config_map(f"new-{number}")) for number in range(30)]
    cache._emit(emitted)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(wakes) == 30


async def test_a_sync_that_does_not_end_holds_up_a_stop_no_longer_than_it_may(box: Box) -> None:
    entered, never = asyncio.Event(), asyncio.Event()

    async def waits(res: Any, inputs: Any, ctx: Any) -> Any:
        entered.set()
        await never.wait()

    box.create(ramp())
    process = await box.run(
        define(phase("Waiting", waits, initial=True)), wait=False, stop_timeout=0.2
    )
    await asyncio.wait_for(entered.wait(), 10)
    process.stop.set()
    await asyncio.wait_for(process.task, 10)


async def test_a_stop_while_caches_fill_leaves_no_task_behind(box: Box) -> None:
    box.server.faults.add(Fault("latency", verb="list", seconds=5.0))
    box.create(ramp())
    process = await box.run(keeper(), wait=False)
    await asyncio.sleep(0)
    mine = [asyncio.current_task()]
    for _ in range(3):
        await asyncio.sleep(0.02)
    await process.end()
    left = [
        task
        for task in asyncio.all_tasks()
        if task not in mine and "Event.wait" in repr(task.get_coro())
    ]
    assert left == []


@pytest.mark.parametrize(("ready", "woken"), [(0, 0), (1, 2)], ids=["echo", "news"])
async def test_what_others_changed_is_news_even_in_the_answer_to_a_write_of_ours(
    ready: int, woken: int
) -> None:
    found: list[Key] = []
    wakes = Wakes(lambda key, fresh: found.append(key), {})
    definition = keeper()
    body = {**ramp(), "metadata": {"name": "r", "namespace": "default", "uid": "u"}}
    wakes.primary(definition)(None, body)
    found.clear()
    labels = {"autopilot.mesh/owner-uid": "u"}
    before = {"metadata": {"name": "d", "namespace": "default", "labels": labels}, "status": {}}
    after = {**before, "status": {"ready": ready} if ready else {}, "spec": {"replicas": 2}}
    token = CURRENT.set(Key(definition.kind.qualified, "default", "r"))
    wakes.input(definition, ["Keeping"], DEPLOYMENTS, everywhere=False)(before, after)
    wakes.owned(before, after)
    CURRENT.reset(token)
    await asyncio.sleep(0)
    assert len(found) == woken
