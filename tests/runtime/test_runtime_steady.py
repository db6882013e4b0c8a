"""What stands is kept, drift is put back once, and nothing hurries a tick."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from runtime_kit import (
    MAPS_IN,
    MAPS_OUT,
    Box,
    Outputs,
    config_map,
    define,
    phase,
    ramp,
    until,
)

from autopilot.base.errors import InvalidInput
from autopilot.runtime.result import UNCHANGED, Result


def keeper(*names: str, **more: Any) -> Any:
    wanted = list(names)

    def keep(res: Any, inputs: Any, ctx: Any) -> Any:
        return Result.stay(outputs=Outputs(configmaps=[config_map(n, v="1") for n in wanted]))

    machine = define(phase("Waiting", keep, initial=True, outputs=(MAPS_OUT,)), **more)
    return machine, wanted


def counter() -> Any:
    """A ramp that steps when due, and remembers what it was told."""
    seen: list[bool] = []

    def climb(res: Any, inputs: Any, ctx: Any) -> Any:
        seen.append(ctx.due)
        step = res.status.step + (1 if ctx.due else 0)
        out = Outputs(configmaps=[config_map("out", step=str(step))])
        return Result.stay(status={"step": step}, outputs=out, after="30s")

    ramping = phase("Ramping", climb, initial=True, inputs=(MAPS_IN,), outputs=(MAPS_OUT,))
    return define(ramping), seen


async def test_drift_is_repaired_once_with_an_event_that_names_the_paths(box: Box) -> None:
    machine, _ = keeper("out")
    box.create(ramp())
    await box.run(machine)
    box.server.store.merge("configmaps", "out", {"data": {"v": "9", "extra": "x"}}, "default")
    await box.settle()
    await box.advance(20)
    stands = box.config_map("out")
    assert stands is not None
    assert stands["data"] == {"v": "1", "extra": "x"}, "only what we apply is ours"
    events = box.events("Repaired")
    assert [e.get("count") for e in events] == [1]
    assert "data.v" in events[0]["message"]


async def test_an_output_that_somebody_deletes_is_made_again(box: Box) -> None:
    machine, _ = keeper("out")
    box.create(ramp())
    await box.run(machine)
    box.server.store.delete("configmaps", "out", "default")
    await box.settle()
    assert box.config_map("out") is not None


async def test_a_list_is_the_whole_set_and_an_empty_one_prunes(box: Box) -> None:
    machine, wanted = keeper("a", "b")
    box.create(config_map("foreign"))
    box.create(ramp())
    await box.run(machine)
    wanted[:] = ["b"]
    await box.advance(6)
    assert box.config_map("a") is None
    assert box.config_map("b") is not None
    wanted.clear()
    await box.advance(6)
    assert box.config_map("b") is None
    assert box.config_map("foreign") is not None


@pytest.mark.parametrize("leave", [None, Outputs(), Outputs(configmaps=UNCHANGED)])
async def test_what_is_left_unsaid_or_undeclared_stays(box: Box, leave: Any) -> None:
    def make(*_: Any) -> Any:
        return Result.to("Quiet", outputs=Outputs(configmaps=[config_map("out", v="1")]))

    machine = define(
        phase("Making", make, initial=True, outputs=(MAPS_OUT,)),
        phase("Quiet", lambda *_: Result.stay(outputs=leave), outputs=(MAPS_OUT,)),
    )
    box.create(ramp())
    await box.run(machine)
    await box.advance(20)
    assert box.status()["phase"] == "Quiet"
    assert box.config_map("out") is not None


async def test_neither_drift_nor_inputs_nor_restarts_hurry_a_tick(box: Box) -> None:
    machine, seen = counter()
    box.create(ramp())
    process = await box.run(machine)
    assert seen == [True]
    for number in range(5):
        box.create(config_map(f"input-{number}"))
        box.server.store.merge("configmaps", "out", {"data": {"step": "99"}}, "default")
        await box.advance(2)
    assert box.status()["step"] == 1
    assert seen.count(True) == 1
    assert box.config_map("out")["data"]["step"] == "1"  # type: ignore[index]
    for _ in range(3):
        await process.kill()
        process = await box.run(machine)
        await box.advance(2)
    assert box.status()["step"] == 1
    await box.advance(13)
    assert box.status()["step"] == 1
    await box.advance(1)
    assert box.status()["step"] == 2


async def test_a_tick_that_passed_while_nobody_ran_is_due_at_once(box: Box) -> None:
    machine, seen = counter()
    box.create(ramp())
    process = await box.run(machine)
    await process.end()
    box.clock.move(40)
    await box.run(machine)
    assert seen.count(True) == 2


@pytest.mark.parametrize("jump", [timedelta(hours=5), timedelta(hours=-5)])
async def test_a_jump_of_the_wall_clock_never_shortens_a_wait(box: Box, jump: timedelta) -> None:
    machine, seen = counter()
    box.create(ramp())
    await box.run(machine)
    await box.advance(10)
    box.clock.shift_wall(jump)
    await box.advance(19)
    assert seen.count(True) == 1
    await box.advance(1)
    assert seen.count(True) == 2


async def test_after_brings_a_timer_forward_only_on_the_workers_word(box: Box) -> None:
    calls: list[tuple[float, bool]] = []

    def work(res: Any, inputs: Any, ctx: Any) -> Any:
        calls.append((box.clock.monotonic(), ctx.due))
        return Result.stay(after="30s" if ctx.due else 3)

    box.create(ramp())
    await box.run(define(phase("Waiting", work, initial=True, inputs=(MAPS_IN,))))
    await box.advance(10)
    box.create(config_map("news"))
    await box.settle()
    await box.advance(5)
    assert calls == [(0.0, True), (10.0, False), (13.0, True)]


async def test_a_transition_with_after_lets_the_new_phase_wait(box: Box) -> None:
    calls: list[tuple[float, bool]] = []

    def work(res: Any, inputs: Any, ctx: Any) -> Any:
        calls.append((box.clock.monotonic(), ctx.due))
        return Result.stay()

    machine = define(
        phase("First", lambda *_: Result.to("Second", after="7s"), initial=True),
        phase("Second", work),
    )
    box.create(ramp())
    await box.run(machine)
    assert "nextTick" in box.status()
    await box.advance(8)
    assert calls == [(0.0, False), (7.0, True)]
    assert "nextTick" not in box.status(), "a timer of workInterval isn't stored"


async def test_a_machine_that_never_stays_goes_on_by_its_timer(box: Box) -> None:
    calls = []

    def flip(res: Any, inputs: Any, ctx: Any) -> Any:
        calls.append(res.phase)
        return Result.to("B" if res.phase == "A" else "A")

    box.create(ramp())
    await box.run(define(phase("A", flip, initial=True), phase("B", flip)))
    assert len(calls) < 15
    assert len(box.status()["phaseHistory"]) == len(calls) + 1


async def test_a_paused_resource_keeps_what_stands_and_wakes_as_after_a_restart(box: Box) -> None:
    machine, seen = counter()
    box.create(ramp())
    await box.run(machine)
    box.edit(metadata={"annotations": {"autopilot.mesh/paused": "because"}})
    await box.settle()
    assert box.condition("Paused")["status"] == "True"
    calls = len(seen)
    writes = len(box.writes())
    box.server.store.merge("configmaps", "out", {"data": {"step": "99"}}, "default")
    await box.advance(120)
    assert len(seen) == calls
    assert len(box.writes()) == writes
    assert box.config_map("out")["data"]["step"] == "99"  # type: ignore[index]
    box.edit(metadata={"annotations": {"autopilot.mesh/paused": "false"}})
    await box.settle()
    assert box.condition("Paused") == {}
    assert box.config_map("out")["data"]["step"] == "2"  # type: ignore[index]
    assert seen[calls:].count(True) == 1, "its tick passed meanwhile"


async def test_a_worker_that_overruns_is_dropped_and_its_key_stays_blocked(box: Box) -> None:
    gate, calls = threading.Event(), []

    def slow(res: Any, inputs: Any, ctx: Any) -> Any:
        calls.append(ctx.attempt)
        if len(calls) == 1:
            gate.wait(20)
        return Result.stay(status={"step": len(calls)}, reason="Back")

    box.create(ramp())
    await box.run(define(phase("Waiting", slow, initial=True)), wait=False)
    await until(lambda: calls)
    await until(lambda: box.clock.next_wake() is not None)
    box.clock.move(31)
    await box.settle()
    assert box.condition()["reason"] == "WorkerOverran"
    await box.advance(60)
    assert calls == [0], "never two runs of one key at once"
    gate.set()
    await until(lambda: len(calls) == 2)
    await box.settle()
    assert box.condition()["reason"] == "Back"
    assert box.status()["step"] == 2


async def test_an_async_worker_is_cancelled_at_its_deadline(box: Box) -> None:
    ended: list[str] = []

    async def hang(res: Any, inputs: Any, ctx: Any) -> Any:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return Result.stay()

    box.create(ramp())
    await box.run(define(phase("Waiting", hang, initial=True)), wait=False)
    await until(lambda: box.runtime.queue.schedule.running)
    await asyncio.sleep(0.02)
    box.clock.move(31)
    await until(lambda: ended)
    await box.settle()
    assert box.condition()["reason"] == "WorkerOverran"


async def test_four_lost_workers_end_readiness(box: Box) -> None:
    gate = threading.Event()

    def slow(*_: Any) -> Any:
        gate.wait(20)
        return Result.stay()

    for number in range(4):
        box.create(ramp(f"r{number}"))
    process = await box.run(
        define(phase("Waiting", slow, initial=True)), wait=False, metrics_addr="127.0.0.1:0"
    )
    await until(lambda: box.runtime.queue.schedule.running == 4)
    await asyncio.sleep(0.05)
    box.clock.move(31)
    await box.runtime.queue.settled()
    async with aiohttp.ClientSession() as http:
        async with http.get(process.runtime.metrics_url + "/readyz") as answer:
            assert answer.status == 503
            assert "4 workers" in await answer.text()
        async with http.get(process.runtime.metrics_url + "/healthz") as answer:
            assert answer.status == 200
        async with http.get(process.runtime.metrics_url + "/metrics") as answer:
            text = await answer.text()
    assert "autopilot_lost_workers 4.0" in text
    assert (
        'autopilot_reconcile_total{kind="ramps.test.autopilot.mesh",result="success"} 0.0' in text
    )
    gate.set()
    await until(lambda: process.runtime.ready)


async def test_a_final_phase_has_no_worker_and_keeps_its_word(box: Box) -> None:
    machine = define(
        phase("Go", lambda *_: Result.to("Done", reason="Flew", message="there"), initial=True),
        phase("Done", final=True),
    )
    box.create(ramp())
    await box.run(machine)
    box.edit(spec={"steps": 9})
    await box.advance(30)
    assert box.condition()["reason"] == "Flew"
    assert box.status()["observedGeneration"] == 2


async def test_a_dry_run_writes_nothing_and_says_what_it_would(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    def work(*_: Any) -> Any:
        return Result.to(
            "Next", status={"step": 1}, outputs=Outputs(configmaps=[config_map("out")])
        )

    machine = define(
        phase("First", work, initial=True, outputs=(MAPS_OUT,)),
        phase("Next", lambda *_: Result.stay()),
        finalizer=phase("Finalizer", lambda *_: Result.done()),
    )
    box.create(ramp())
    before = box.server.store.version
    with caplog.at_level("INFO"):
        await box.run(machine, dry_run=True)
        await box.advance(30)
    assert box.server.store.version == before
    assert box.config_map("out") is None
    changes = box.records[0].changes
    assert changes == ["status: step", "ConfigMap default/out: created"]
    said = [r for r in caplog.records if r.message == "decision" and r.levelname == "INFO"]
    assert len(said) == 1


async def test_settings_are_swapped_while_it_runs_and_wrong_ones_are_refused(box: Box) -> None:
    greetings: list[str] = []

    def work(res: Any, inputs: Any, ctx: Any) -> Any:
        greetings.append(ctx.config.greeting)
        return Result.stay()

    box.create(ramp())
    await box.run(define(phase("Waiting", work, initial=True)))
    box.runtime.reload(config={"greeting": "hi"}, work_interval=timedelta(seconds=1))
    await box.advance(6.5)
    assert greetings == ["hello", "hi", "hi"]
    with pytest.raises(InvalidInput, match="greeting"):
        box.runtime.reload(config={"greeting": 7}, work_interval=timedelta(seconds=9))
    await box.advance(1)
    assert greetings[-1] == "hi"
    assert len(greetings) == 4


async def test_a_decision_is_one_log_line_with_the_values_behind_it(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    async def judge(res: Any, inputs: Any, ctx: Any) -> Any:
        rate = await inputs.metrics.rate(app="web")
        good = rate.below(0.5, min_requests=10)
        return Result.stay(reason="Good" if good.is_true else "Bad")

    box.samples.set("rate", 0.25, requests=100)
    box.create(ramp())
    with caplog.at_level("INFO", logger="autopilot.decision"):
        await box.run(define(phase("Judging", judge, initial=True, metrics=True)))
        await box.advance(10)
        box.samples.set("rate", 0.75, requests=100)
        await box.advance(2)
    lines = [r.autopilot_fields for r in caplog.records if r.message == "decision"]  # type: ignore[attr-defined]
    assert [line["reason"] for line in lines] == ["Good", "Bad"]
    read = lines[0]["reads"][0]
    assert read["query"] == "rate"
    assert read["promql"] == 'rate{app="web"}'
    assert (read["value"], read["verdict"]) == (0.25, "true")
    assert lines[0]["resource"] == "default/r"
    assert lines[0]["next"] == "Judging"


async def test_two_hundred_resources_are_served_and_then_rest(box: Box) -> None:
    machine = define(
        phase("Starting", lambda *_: Result.to("Waiting"), initial=True),
        phase(
            "Waiting",
            lambda res, *_: Result.stay(
                outputs=Outputs(configmaps=[config_map(f"{res.name}-out")])
            ),
            outputs=(MAPS_OUT,),
        ),
    )
    for number in range(200):
        box.create(ramp(f"r{number}"))
    await box.run(machine)
    for number in range(200):
        assert box.status(f"r{number}")["phase"] == "Waiting"
        assert box.config_map(f"r{number}-out") is not None
    await box.advance(6)
    box.server.requests.clear()
    for _ in range(4):
        box.clock.move(5)
        await box.runtime.queue.settled()
    assert list(box.server.requests) == []
