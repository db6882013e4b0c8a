"""No ramp is hurried: not by a lost answer, not by a second process, not by a timer of before."""

import asyncio
from typing import Any

import pytest
from runtime_kit import MAPS_IN, PLURAL, Box, config_map, define, phase, ramp, until

from autopilot.kube.cache import CacheSettings
from autopilot.kube.retry import Backoff
from autopilot.runtime.result import Result
from autopilot.sandbox.apiserver.faults import Fault

QUICK = CacheSettings(backoff=Backoff(initial=0.01, maximum=0.05))


def climber(**result: Any) -> Any:
    def climb(res: Any, inputs: Any, ctx: Any) -> Any:
        return Result.stay(status={"step": res.status.step + (1 if ctx.due else 0)}, **result)

    return define(phase("Climbing", climb, initial=True))


def lose_answers(box: Box, count: int = 1) -> int:
    return box.server.faults.add(
        Fault("cut-after", verb="patch", resource=PLURAL, subresource="status", count=count)
    )


@pytest.mark.parametrize("result", [{"after": "10s"}, {}], ids=["its own pace", "the operator's"])
@pytest.mark.parametrize("count", [1, 3])
async def test_a_write_whose_answer_is_lost_uses_its_tick_up(
    box: Box, result: dict[str, Any], count: int
) -> None:
    box.create(ramp())
    await box.run(climber(**result), caches=QUICK, work_interval=_interval(10))
    assert box.status()["step"] == 1
    await box.advance(9)
    lose_answers(box, count)
    await box.advance(6)
    assert box.status()["step"] == 2
    await box.advance(3)
    assert box.status()["step"] == 2
    await box.advance(3)
    assert box.status()["step"] == 3


async def test_a_conflict_that_stays_is_tried_again_five_times_and_then_waits(box: Box) -> None:
    box.create(ramp())
    box.server.faults.add(
        Fault("status", verb="patch", resource=PLURAL, subresource="status", status=409)
    )
    await box.run(climber(), caches=QUICK)
    assert [one.status for one in box.writes() if one.subresource == "status"] == [409] * 6
    assert box.clock.monotonic() == 0.0
    assert box.clock.next_wake() is not None


async def test_a_phase_that_was_entered_with_a_wait_keeps_it_when_the_answer_is_lost(
    box: Box,
) -> None:
    dues: list[bool] = []

    def start(res: Any, inputs: Any, ctx: Any) -> Any:
        if inputs.configmaps.find("go") is None:
            return Result.stay()
        return Result.to("Next", after="20s", reason="Go")

    def then(res: Any, inputs: Any, ctx: Any) -> Any:
        dues.append(ctx.due)
        return Result.stay(after="20s")

    box.create(ramp())
    machine = define(phase("Start", start, initial=True, inputs=(MAPS_IN,)), phase("Next", then))
    await box.run(machine, caches=QUICK)
    lose_answers(box)
    box.create(config_map("go"))
    await box.advance(15)
    assert box.status()["phase"] == "Next"
    assert not any(dues)
    await box.advance(10)
    assert dues[-1]


async def test_two_processes_of_one_operator_keep_one_pace(box: Box) -> None:
    box.create(ramp())
    await box.run(climber(after="10s"), caches=QUICK)
    await box.run(climber(after="10s"), caches=QUICK)
    assert box.status()["step"] == 1
    for _ in range(4):
        await box.advance(10)
        await box.processes[0].runtime.settled(10)
    assert box.status()["step"] == 5


async def test_a_timer_of_the_old_phase_does_not_make_the_new_one_due(box: Box) -> None:
    seen: list[tuple[str, bool]] = []
    hold, running = asyncio.Event(), asyncio.Event()

    async def first(res: Any, inputs: Any, ctx: Any) -> Any:
        if res.name == "r":
            seen.append(("First", ctx.due))
        if inputs.configmaps.find("go") is None or res.name != "r":
            return Result.stay(after="10s")
        running.set()
        await hold.wait()
        return Result.to("Second", after="1m")

    def second(res: Any, inputs: Any, ctx: Any) -> Any:
        seen.append(("Second", ctx.due))
        return Result.stay(after="1m")

    box.create(ramp())
    machine = define(
        phase("First", first, initial=True, inputs=(MAPS_IN,)), phase("Second", second)
    )
    await box.run(machine, caches=QUICK)
    box.create(config_map("go"))
    await asyncio.wait_for(running.wait(), 10)
    box.clock.move(11)
    box.create(ramp("other"))
    await until(lambda: box.status("other").get("phase"))
    hold.set()
    await box.settle()
    assert box.status()["phase"] == "Second"
    assert ("Second", True) not in seen
    await box.advance(60)
    assert seen[-1] == ("Second", True)


@pytest.mark.parametrize("after", ["0s", 0.0, -5.0])
async def test_a_wait_of_nothing_is_no_hot_loop(box: Box, after: Any) -> None:
    box.create(ramp())
    await box.run(climber(after=after), caches=QUICK)
    first = box.status()["step"]
    await box.advance(1)
    assert box.status()["step"] <= first + 10


def _interval(seconds: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=seconds)
