from typing import Any

from runtime_kit import CONFIG_MAPS, PLURAL, Box, config_map, define, phase, ramp

from autopilot.runtime.definition import OperatorDefinition, Output
from autopilot.runtime.result import Keep, Result

RECORDS = Output("configmaps", CONFIG_MAPS, record=True)


def keeping_two() -> OperatorDefinition:
    """Writes record NAME-STEPS and keeps the one before it."""

    def worker(res: Any, inputs: Any, ctx: Any) -> Any:
        steps = res.spec.steps
        kept = [Keep(f"{res.name}-{steps - 1}")]
        return Result.stay(outputs={"configmaps": [config_map(f"{res.name}-{steps}"), *kept]})

    return define(phase("Waiting", worker, initial=True, outputs=(RECORDS,)))


async def settled(box: Box) -> None:
    await box.advance(6)


async def test_a_record_has_labels_alone_and_outlives_its_owner(box: Box) -> None:
    box.create(ramp(steps=1))
    await box.run(keeping_two())
    made = box.config_map("r-1")
    assert made is not None
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["labels"]["autopilot.mesh/owner-uid"] == box.get()["metadata"]["uid"]

    box.server.store.delete(PLURAL, "r", "default")
    await settled(box)
    assert box.config_map("r-1") is not None


async def test_what_is_kept_stays_as_it_is_and_what_is_neither_kept_nor_returned_goes(
    box: Box,
) -> None:
    box.create(ramp(steps=1))
    await box.run(keeping_two())
    box.server.store.merge("configmaps", "r-1", {"data": {"by": "hand"}}, "default")
    for steps in (2, 3):
        box.edit(spec={"steps": steps})
        await settled(box)
        kept = box.config_map(f"r-{steps - 1}")
        assert kept is not None
        if steps == 2:
            assert kept["data"] == {"by": "hand"}
    assert box.config_map("r-1") is None


async def test_a_record_of_an_earlier_owner_of_the_name_is_kept_and_pruned_with_the_rest(
    box: Box,
) -> None:
    box.create(ramp(steps=1))
    await box.run(keeping_two())
    box.server.store.delete(PLURAL, "r", "default")
    await settled(box)
    box.create(ramp(steps=2))
    await settled(box)
    assert box.config_map("r-1") is not None
    box.edit(spec={"steps": 3})
    await settled(box)
    assert box.config_map("r-1") is None
    assert box.config_map("r-2") is not None


async def test_records_of_another_owner_and_of_nobody_are_left_alone(box: Box) -> None:
    box.create(config_map("r-9"))
    box.create(ramp("s", steps=1))
    box.create(ramp(steps=5))
    await box.run(keeping_two())
    await settled(box)
    assert {"r-9", "s-1", "r-5"} <= {
        one["metadata"]["name"] for one in box.server.store.list("configmaps", "default")
    }
