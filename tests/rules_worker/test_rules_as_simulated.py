"""The controller does in flight what virtual time says that it will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from worker_kit import NS, PRIMARY, SOURCE, short, world

from autopilot.rules.compile import compile_rule
from autopilot.rules.simulate import Script, Track, simulate

if TYPE_CHECKING:
    from autopilot.rules.program import Program

Fly = Any

# Errors of the callers and of the primary: it fails, its first trial fails, then it is well.
STORY = ((0, 0.0, 0.0), (30, 0.3, 0.3), (60, 0.0, 0.3), (130, 0.0, 0.0))
ENDS = 340


def scripted(program: Program) -> Script:
    rows: dict[str, list[tuple[float, float | None, str]]] = {
        "errors": [(float(at), callers, "") for at, callers, _ in STORY],
        "primary_errors": [(float(at), primary, "") for at, _, primary in STORY],
    }
    still = {"p99": 80.0, "primary_p99": 80.0, "primary_ready": 3.0, "standby_ready": 3.0}
    tracks = {name: Track.of(points) for name, points in rows.items()}
    tracks |= {name: Track.of([(0.0, value, "")]) for name, value in still.items()}
    assert {*tracks} == {*program.signals}
    return Script(float(ENDS), tracks)


@pytest.mark.parametrize("mode", ["enforce", "observe"])
async def test_a_flight_of_the_controller_goes_as_it_was_simulated(fly: Fly, mode: str) -> None:
    body = short()
    body["spec"]["mode"] = mode
    program = compile_rule(body)
    steps = [step for step in simulate(program, scripted(program)).steps if step.found]
    assert len(steps) >= 6
    async with fly() as f:
        world(f)
        f.samples.set("latency", 80.0)
        f.samples.set("error-rate", 0.0)
        f.apply(body)
        now = 0
        for at, callers, primary in STORY:
            await f.advance(f"{at - now}s")
            f.samples.set("error-rate", callers, **SOURCE)
            f.samples.set("error-rate", primary, **PRIMARY)
            now = at
        await f.advance(f"{ENDS + 20 - now}s")
        kinds = {step.event[0] for step in steps}
        told = [
            (one["reason"], one["message"])
            for one in f.list("Event", NS)
            if one["reason"] in kinds and one["involvedObject"]["kind"] == "Rule"
        ]
    assert told == [step.event for step in steps]
