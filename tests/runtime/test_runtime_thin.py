from typing import Any

from runtime_kit import MAPS_IN, MAPS_OUT, Box, Outputs, config_map, define, phase, ramp

from autopilot.runtime.result import Result


def start(res: Any, inputs: Any, ctx: Any) -> Result[Outputs]:
    return Result.to("Climbing", status={"step": 1}, reason="Started", message="off we go")


async def climb(res: Any, inputs: Any, ctx: Any) -> Result[Outputs]:
    step = res.status.step
    if ctx.due and step >= res.spec.steps:
        return Result.to("Done", message="there")
    if ctx.due:
        step += 1
    return Result.stay(
        outputs=Outputs(configmaps=[config_map(f"{res.name}-out", step=str(step))]),
        status={"step": step},
        after="10s",
    )


def ladder() -> Any:
    return define(
        phase("Starting", start, initial=True, transitions=("Climbing",)),
        phase("Climbing", climb, inputs=(MAPS_IN,), outputs=(MAPS_OUT,), transitions=("Done",)),
        phase("Done", final=True),
    )


async def test_a_resource_goes_through_its_phases_and_its_outputs_follow(box: Box) -> None:
    box.create(ramp())
    await box.run(ladder())
    status = box.status()
    assert status["phase"] == "Climbing"
    assert status["step"] == 2
    assert [e["phase"] for e in status["phaseHistory"]] == ["Starting", "Climbing"]
    assert box.condition()["status"] == "True"
    assert box.condition("Stalled")["status"] == "False"
    assert status["observedGeneration"] == 1
    made = box.config_map("r-out")
    assert made is not None
    assert made["data"] == {"step": "2"}
    assert made["metadata"]["ownerReferences"][0]["name"] == "r"
    await box.advance(10)
    assert box.status()["step"] == 3
    assert box.config_map("r-out")["data"] == {"step": "3"}  # type: ignore[index]
    await box.advance(10)
    assert box.status()["phase"] == "Done"
    assert "nextTick" not in box.status()
    assert [e["reason"] for e in box.events()] == ["Initialized", "Started", "Done"]


async def test_a_resource_that_rests_costs_no_call(box: Box) -> None:
    box.create(ramp())
    await box.run(define(phase("Waiting", lambda *_: Result.stay(message="nothing"), initial=True)))
    await box.advance(6)
    runs = len(box.records)
    box.server.requests.clear()
    await box.runtime.queue.settled()
    for _ in range(20):
        box.clock.move(5)
        await box.runtime.queue.settled()
    assert len(box.records) >= runs + 15
    assert list(box.server.requests) == []
