"""Runs of experiments, from the steady state to the Report."""

from __future__ import annotations

from typing import Any

import pytest
from chaos_kit import (
    experiment,
    faults,
    phase,
    phases,
    pristine,
    reports,
    verdict,
    world,
)

from autopilot.sandbox.apiserver.errors import ApiError

Fly = Any


async def test_a_name_that_leaves_no_room_for_the_number_of_a_run_is_refused(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment("a" * 240))
        with pytest.raises(ApiError, match="more than 240"):
            f.apply(experiment("a" * 241))


async def test_an_experiment_fails_on_its_condition_and_the_fault_is_gone(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        before = pristine(f.get("VirtualService", "ratings", "shop"))
        f.apply(experiment())
        await f.settle()
        assert phase(f) == "Running"
        assert faults(f) == [{"abort": {"httpStatus": 500, "percentage": {"value": 100.0}}}]
        await f.advance("12s")
        assert phase(f) == "Running"
        f.samples.set("error-rate", 1.0)
        await f.advance("6s")
        assert phase(f) == "Failed"
        assert verdict(f) == (
            "Failed",
            "errors: error rate of reviews over 10s is 100 %, > 10 %",
        )
        assert faults(f) == []
        assert pristine(f.get("VirtualService", "ratings", "shop")) == before
        assert reports(f) == ["ratings-down-1"]
        assert phases(f) == [
            "Pending",
            "Checking",
            "Injecting",
            "Running",
            "Recovering",
            "Failed",
        ]


async def test_an_experiment_that_is_coped_with_succeeds_after_its_full_length(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("59s")
        assert phase(f) == "Running"
        assert len(faults(f)) == 1
        await f.advance("2s")
        assert phase(f) == "Succeeded"
        assert faults(f) == []


async def test_polls_may_be_half_a_second_apart(fly: Fly) -> None:
    async with fly(interval=0.5) as f:
        world(f)
        f.apply(experiment(pollInterval="500ms"))
        await f.advance("5s")
        f.samples.set("error-rate", 1.0)
        await f.advance("1s")
        assert phase(f) == "Failed"
        report = f.resource("ratings-down-1", "shop", "Report")
        assert len(report.at("spec.conditions.0.samples")) >= 10


async def test_one_that_is_over_costs_no_call(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("2m")
        assert phase(f) == "Succeeded"
        count = len(f.server.requests)
        await f.advance("30m")
        made = [r for r in list(f.server.requests)[count:] if r.verb not in {"watch", "list"}]
        assert made == []


async def test_a_run_writes_its_status_no_more_often_than_every_few_seconds(fly: Fly) -> None:
    async with fly(interval=0.5) as f:
        world(f)
        f.apply(experiment(pollInterval="500ms"))
        await f.advance("5s")
        before = _writes(f)
        await f.advance("30s")
        assert _writes(f) - before <= 2 * 30 / 5 + 2


def _writes(f: Any) -> int:
    return sum(r.verb in {"patch", "create"} and r.resource != "events" for r in f.server.requests)
