"""Status and conditions go in one write where nothing comes in between."""

from typing import Any

from runtime_kit import MAPS_OUT, PLURAL, Box, Outputs, config_map, define, phase, ramp

from autopilot.runtime.result import Result


def follower(**result: Any) -> Any:
    def follow(res: Any, inputs: Any, ctx: Any) -> Any:
        return Result.stay(status={"step": res.spec.steps}, reason="Followed", **result)

    return follow


def patches(box: Box) -> int:
    return len(box.server.requests.matching(verb="patch", resource=PLURAL, subresource="status"))


async def test_a_changed_spec_without_outputs_costs_one_write(box: Box) -> None:
    box.create(ramp(steps=1))
    await box.run(define(phase("Following", follower(), initial=True)))
    box.server.requests.clear()
    box.edit(spec={"steps": 5})
    await box.settle()
    status = box.status()
    assert (status["step"], status["observedGeneration"]) == (5, 2)
    assert {c["observedGeneration"] for c in status["conditions"]} == {2}
    assert patches(box) == 1


async def test_conditions_wait_until_the_outputs_that_follow_from_the_status_are_written(
    box: Box,
) -> None:
    worker = follower(outputs=Outputs(configmaps=[config_map("made")]))
    box.create(ramp(steps=1))
    await box.run(define(phase("Following", worker, initial=True, outputs=(MAPS_OUT,))))
    box.server.requests.clear()
    box.edit(spec={"steps": 5})
    await box.settle()
    assert box.status()["observedGeneration"] == 2
    assert patches(box) == 2
