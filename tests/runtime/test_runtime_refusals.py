import asyncio
import itertools
from typing import Any

import pytest
from runtime_kit import (
    MAPS_IN,
    MAPS_OUT,
    PLURAL,
    Box,
    Outputs,
    config_map,
    define,
    phase,
    ramp,
)

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.mesh.actions import Split
from autopilot.runtime.result import Result

SPLIT = Split(host="web", weights={"a": 100}, stable="a")


def full(metadata: dict[str, Any]) -> dict[str, Any]:
    body = config_map("out")
    body["metadata"] |= metadata
    return body


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (None, "NoResult", "Result.stay"),
        (Result.to("Nowhere"), "UndeclaredPhase", "Waiting, Other, Done"),
        (Result.to("Done"), "IllegalTransition", "transitions are: Other"),
        (Result.done(), "UndeclaredPhase", "finalizer"),
        (Result.stay(outputs={"secrets": []}), "UndeclaredOutput", "declared: configmaps"),
        (Result.stay(outputs=Outputs(configmaps={"a": 1})), "InvalidOutput", "is a list"),
        (Result.stay(outputs=Outputs(configmaps=[{}])), "InvalidOutput", "metadata.name"),
        (Result.stay(outputs=[config_map("x")]), "InvalidOutput", "an Outputs"),
        (
            Result.stay(outputs=Outputs(configmaps=[config_map("x"), config_map("x")])),
            "InvalidOutput",
            "twice",
        ),
        (
            Result.stay(outputs=Outputs(configmaps=[full({"uid": "1"})])),
            "ReturnedInput",
            "you returned an input",
        ),
        (
            Result.stay(outputs=Outputs(configmaps=[full({"resourceVersion": "1"})])),
            "ReturnedInput",
            "resourceVersion",
        ),
        (
            Result.stay(outputs=Outputs(configmaps=[full({"managedFields": []})])),
            "ReturnedInput",
            "managedFields",
        ),
        (
            Result.stay(outputs=Outputs(configmaps=[full({"namespace": "other"})])),
            "InvalidOutput",
            "own namespace",
        ),
        (
            Result.stay(outputs=Outputs(configmaps=[{**config_map("x"), "kind": "Secret"}])),
            "InvalidOutput",
            "kind",
        ),
        (Result.stay(status={"phase": "Done"}), "ReservedStatus", "Result.to"),
        (Result.stay(status={"observed_generation": 3}), "ReservedStatus", "runtime"),
        (Result.stay(status={"speed": 3}), "InvalidStatus", "declared: note_text, picked, step"),
        (Result.stay(status={"step": "many"}), "InvalidStatus", "status.step"),
        (Result.stay(status=[1]), "InvalidStatus", "a map"),
        (Result.stay(actions=[SPLIT]), "UndeclaredAction", "actions: [split]"),
        (Result.stay(actions=[object()]), "InvalidAction", "no action"),
        (Result.stay(actions=SPLIT), "InvalidAction", "a list"),
    ],
)
async def test_an_answer_that_is_not_allowed_shows_in_a_condition_and_nothing_is_written(
    box: Box, answer: Any, reason: str, words: str
) -> None:
    box.create(ramp())
    machine = define(
        phase(
            "Waiting", lambda *_: answer, initial=True, outputs=(MAPS_OUT,), transitions=("Other",)
        ),
        phase("Other", lambda *_: Result.stay(), transitions=("Done",)),
        phase("Done", final=True),
    )
    await box.run(machine)
    ready = box.condition()
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert words in ready["message"]
    assert box.condition("Stalled")["status"] == "True"
    assert box.status()["phase"] == "Waiting"
    assert "step" not in box.status()
    assert {one.resource for one in box.writes()} == {PLURAL}
    assert len(box.writes()) == 1
    assert [e["type"] for e in box.events(reason)] == ["Warning"]
    before = len(box.writes())
    await box.advance(30)
    assert len(box.writes()) == before, "said once"


async def test_an_invalid_spec_names_every_error_and_what_stands_stays(box: Box) -> None:
    machine = define(
        phase(
            "Waiting",
            lambda res, *_: Result.stay(outputs=Outputs(configmaps=[config_map(res.spec.target)])),
            initial=True,
            outputs=(MAPS_OUT,),
        )
    )
    box.create(ramp())
    await box.run(machine)
    assert box.config_map("web") is not None
    box.edit(spec={"target": 7, "steps": "no", "typo": 1})
    await box.settle()
    ready = box.condition()
    assert ready["reason"] == "InvalidSpec"
    for path in ("spec.target", "spec.steps", "spec.typo"):
        assert path in ready["message"]
    assert box.condition("Stalled")["status"] == "True"
    assert box.status()["observedGeneration"] == 2
    assert box.config_map("web") is not None
    box.edit(spec={"target": "web", "steps": 3, "typo": None})
    await box.settle()
    assert box.condition()["status"] == "True"
    assert box.condition("Stalled")["status"] == "False"


async def test_a_worker_that_raises_is_retried_with_back_off_and_shows(box: Box) -> None:
    attempts: list[tuple[float, int, bool]] = []

    def fail(res: Any, inputs: Any, ctx: Any) -> Any:
        attempts.append((box.clock.monotonic(), ctx.attempt, ctx.due))
        if len(attempts) < 5:
            raise ZeroDivisionError("by nought")
        return Result.stay(reason="Better")

    box.create(ramp())
    await box.run(define(phase("Waiting", fail, initial=True)))
    ready = box.condition()
    assert ready["reason"] == "WorkerFailed"
    assert "ZeroDivisionError: by nought" in ready["message"]
    assert box.condition("Stalled")["status"] == "False"
    await box.advance(4)
    assert [a[1] for a in attempts] == [0, 1, 2, 3, 4]
    assert all(due for *_, due in attempts), "the tick is owed until a sync goes well"
    waits = [b[0] - a[0] for a, b in itertools.pairwise(attempts)]
    assert waits == sorted(waits)
    assert box.condition()["reason"] == "Better"
    assert len(box.events("WorkerFailed")) == 1


async def test_a_missing_input_is_said_calmly_and_its_coming_ends_the_wait(box: Box) -> None:
    machine = define(
        phase(
            "Waiting",
            lambda _, inputs, __: Result.stay(message=inputs.configmaps.get("wanted").name),
            initial=True,
            inputs=(MAPS_IN,),
        )
    )
    box.create(ramp())
    await box.run(machine)
    assert box.condition()["reason"] == "InputMissing"
    assert "configmaps default/wanted isn't there" in box.condition()["message"]
    assert box.condition("Stalled")["status"] == "False"
    box.create(config_map("wanted"))
    await box.settle()
    assert box.condition()["status"] == "True"


@pytest.mark.parametrize(
    ("error", "reason", "stalled"),
    [(RetryLater("soon", after=2), "Retrying", "False"), (TerminalError("no"), "Terminal", "True")],
)
async def test_a_worker_says_by_its_error_whether_trying_again_helps(
    box: Box, error: Exception, reason: str, stalled: str
) -> None:
    calls = []

    def work(*_: Any) -> Any:
        calls.append(box.clock.monotonic())
        raise error

    box.create(ramp())
    await box.run(define(phase("Waiting", work, initial=True)))
    assert (box.condition()["reason"], box.condition("Stalled")["status"]) == (reason, stalled)
    await box.advance(4.5)
    assert calls == ([0.0, 2.0, 4.0] if reason == "Retrying" else [0.0])


async def test_a_phase_that_the_operator_does_not_have_stalls_the_resource(box: Box) -> None:
    body = ramp()
    box.create(body)
    box.edit(subresource="status", status={"phase": "Gone"})
    await box.run(define(phase("Waiting", lambda *_: Result.stay(), initial=True)))
    assert box.condition()["reason"] == "UnknownPhase"
    assert box.status()["phase"] == "Gone"


async def test_an_object_of_somebody_else_is_never_taken_over(box: Box) -> None:
    box.create(config_map("out", mine="yes"))
    box.create(ramp())
    machine = define(
        phase(
            "Waiting",
            lambda *_: Result.stay(outputs=Outputs(configmaps=[config_map("out", mine="no")])),
            initial=True,
            outputs=(MAPS_OUT,),
        )
    )
    await box.run(machine)
    assert box.condition()["reason"] == "NotOurs"
    assert box.condition("Stalled")["status"] == "True"
    assert box.config_map("out")["data"] == {"mine": "yes"}  # type: ignore[index]
    box.server.store.delete("configmaps", "out", "default")
    await box.advance(60)
    assert box.condition()["status"] == "True"
    assert box.config_map("out")["data"] == {"mine": "no"}  # type: ignore[index]


async def test_an_output_that_the_api_refuses_shows_its_reason(box: Box) -> None:
    box.create(ramp())
    bad = {"metadata": {"name": "out"}, "data": {"a": {"not": "text"}}}
    machine = define(
        phase(
            "Waiting",
            lambda *_: Result.stay(outputs=Outputs(configmaps=[bad])),
            initial=True,
            outputs=(MAPS_OUT,),
        )
    )
    await box.run(machine)
    if box.config_map("out") is None:
        assert box.condition()["reason"] == "Rejected"
        assert box.condition("Stalled")["status"] == "True"


async def test_reading_what_is_not_declared_names_what_is(box: Box) -> None:
    box.create(ramp())
    await box.run(
        define(
            phase(
                "Waiting",
                lambda _, inputs, __: Result.stay(message=str(inputs.secrets)),
                initial=True,
                inputs=(MAPS_IN,),
            )
        )
    )
    assert "declared: configmaps" in box.condition()["message"]


async def test_a_plain_worker_that_reads_metrics_is_told_to_be_async(box: Box) -> None:
    box.create(ramp())
    machine = define(
        phase("Waiting", lambda _, i, __: i.metrics.rate(app="web"), initial=True, metrics=True)
    )
    await box.run(machine)
    assert "async def" in box.condition()["message"]


async def test_a_new_resource_whose_spec_was_wrong_is_due_once_it_is_right(box: Box) -> None:
    dues: list[bool] = []

    def work(res: Any, inputs: Any, ctx: Any) -> Any:
        dues.append(ctx.due)
        return Result.stay()

    box.create(ramp(steps="many"))
    await box.run(define(phase("Waiting", work, initial=True)))
    assert dues == []
    box.edit(spec={"steps": 2})
    await box.settle()
    assert dues == [True]


async def exits(*_: Any) -> Any:
    raise SystemExit(3)


async def cancels(*_: Any) -> Any:
    raise asyncio.CancelledError


def leaves(*_: Any) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize("worker", [exits, cancels, leaves])
async def test_a_worker_can_not_end_the_process(box: Box, worker: Any) -> None:
    box.create(ramp())
    box.create(ramp("other"))
    box.edit("other", subresource="status", status={"phase": "Fine"})
    machine = define(
        phase("Waiting", worker, initial=True), phase("Fine", lambda *_: Result.stay(reason="Ok"))
    )
    await box.run(machine)
    assert box.condition()["reason"] == "WorkerFailed"
    assert box.condition(name="other")["reason"] == "Ok"
    assert box.runtime.ready
