"""What a failing sync leaves in the log: loud enough to be found, and not over and over."""

from typing import Any

import pytest
from runtime_kit import MAPS_IN, Box, define, phase, ramp

from autopilot.runtime.result import Result


def decisions(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.autopilot_fields["reason"])  # type: ignore[attr-defined]
        for record in caplog.records
        if record.message == "decision" and record.levelname != "DEBUG"
    ]


def failures(caplog: pytest.LogCaptureFixture) -> list[tuple[str, bool]]:
    return [
        (record.message, record.exc_info is not None)
        for record in caplog.records
        if record.message.startswith("worker failed")
    ]


async def test_a_sync_that_fails_is_a_warning(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.create(ramp())
    with caplog.at_level("INFO"):
        await box.run(define(phase("Waiting", lambda *_: None, initial=True)))
    assert decisions(caplog) == [("WARNING", "NoResult")]


async def test_an_input_that_is_not_there_yet_is_no_warning(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    def work(_: Any, inputs: Any, __: Any) -> Any:
        return Result.stay(message=inputs.configmaps.get("wanted").name)

    box.create(ramp())
    with caplog.at_level("INFO"):
        await box.run(define(phase("Waiting", work, initial=True, inputs=(MAPS_IN,))))
    assert decisions(caplog) == [("INFO", "InputMissing")]


async def test_a_worker_that_raises_the_same_again_is_one_line_until_it_is_another(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[int] = []

    def fail(*_: Any) -> Any:
        attempts.append(1)
        if len(attempts) == 3:
            raise KeyError("elsewhere")
        if len(attempts) == 4:
            return Result.stay()
        raise ZeroDivisionError(f"number {len(attempts)}")

    box.create(ramp())
    with caplog.at_level("INFO"):
        await box.run(define(phase("Waiting", fail, initial=True)))
        await box.advance(10)
    assert failures(caplog)[:4] == [
        ("worker failed", True),
        ("worker failed again", False),
        ("worker failed", True),
        # It went well in between.
        ("worker failed", True),
    ]
    again = next(record for record in caplog.records if record.message == "worker failed again")
    assert "number 2" in again.autopilot_fields["error"]  # type: ignore[attr-defined]
