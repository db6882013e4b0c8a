"""How runs end: by their conditions, their telemetry, their effect, and by people."""

from __future__ import annotations

from typing import Any

import pytest
from chaos_kit import (
    ABORT,
    ERRORS,
    experiment,
    faults,
    healthy,
    phase,
    phases,
    status,
    verdict,
    world,
)

from autopilot.telemetry.sample import Why

Fly = Any


async def test_a_delay_and_an_abort_are_injected_together(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        delay = {"delay": {"duration": "2s", "percentage": 12.5}}
        f.apply(experiment(faults=[ABORT, delay]))
        await f.settle()
        assert faults(f) == [
            {
                "abort": {"httpStatus": 500, "percentage": {"value": 100.0}},
                "delay": {"fixedDelay": "2s", "percentage": {"value": 12.5}},
            }
        ]


async def test_only_the_named_callers_get_the_fault(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(**{"from": "reviews"}))
        await f.settle()
        routes = f.get("VirtualService", "ratings", "shop").thaw()["spec"]["http"]
        (hit,) = (one for one in routes if "fault" in one)
        assert hit["match"] == [{"sourceLabels": {"app": "reviews"}}]
        await f.advance("70s")
        assert phase(f) == "Succeeded"
        routes = f.get("VirtualService", "ratings", "shop").thaw()["spec"]["http"]
        assert [one["name"] for one in routes] == ["beta", "main"]


async def test_a_control_run_injects_nothing_and_is_completed(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("error-rate", 1.0)
        f.apply(experiment(faults=[], observeOnly=True))
        await f.advance("59s")
        assert phase(f) == "Running"
        assert faults(f) == []
        await f.advance("2s")
        assert phase(f) == "Completed"
        assert "Injecting" not in phases(f)


async def test_what_already_fails_before_the_injection_is_inconclusive(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("error-rate", 0.5)
        f.apply(experiment())
        await f.settle()
        assert verdict(f)[0] == phase(f) == "Inconclusive"
        assert "before anything was injected" in verdict(f)[1]
        assert "Injecting" not in phases(f)


async def test_without_traffic_nothing_is_injected_and_nobody_can_say(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.no_data("error-rate")
        f.apply(experiment())
        await f.advance("30s")
        assert verdict(f)[0] == phase(f) == "Inconclusive"
        assert "no data" in verdict(f)[1]
        assert "Injecting" not in phases(f)


@pytest.mark.parametrize("why", [Why.NO_DATA, Why.NOT_FINITE])
async def test_data_that_ends_during_the_run_makes_it_inconclusive(fly: Fly, why: Why) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        f.samples.unknown(why, "error-rate")
        await f.advance("20s")
        assert phase(f) == "Inconclusive"
        assert faults(f) == []


async def test_no_data_fails_where_it_is_told_to(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(failureConditions=[{**ERRORS, "onNoData": "fail", "forPolls": 2}]))
        await f.advance("10s")
        f.samples.no_data("error-rate")
        await f.advance("4s")
        assert phase(f) == "Running"
        await f.advance("8s")
        assert phase(f) == "Failed"


async def test_no_data_that_is_ignored_is_still_no_success(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.no_data("error-rate")
        f.apply(experiment(failureConditions=[{**ERRORS, "onNoData": "ignore"}]))
        await f.advance("70s")
        assert "Running" in phases(f)
        assert verdict(f) == ("Inconclusive", "none of the conditions ever had a value")


async def test_lost_telemetry_removes_the_fault(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(maxErrors=2))
        await f.advance("10s")
        f.samples.down()
        await f.advance("5s")
        assert phase(f) == "Running"
        await f.advance("6s")
        assert phase(f) == "Aborted"
        assert faults(f) == []
        assert "telemetry was lost for 2 polls" in verdict(f)[1]


async def test_telemetry_that_comes_back_in_time_ends_nothing(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(maxErrors=3))
        await f.advance("10s")
        f.samples.down()
        await f.advance("8s")
        f.samples.up()
        await f.advance("60s")
        assert phase(f) == "Succeeded"


async def test_a_condition_must_come_true_in_so_many_polls_one_after_another(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(failureConditions=[{**ERRORS, "forPolls": 3}]))
        await f.advance("6s")
        f.samples.set("error-rate", 1.0)
        await f.advance("10s")
        healthy(f)
        await f.advance("5s")
        f.samples.set("error-rate", 1.0)
        await f.advance("9s")
        assert phase(f) == "Running"
        await f.advance("6s")
        assert phase(f) == "Failed"


@pytest.mark.parametrize(
    ("trigger", "query", "good", "bad", "threshold"),
    [
        ({"successRate": {"service": "reviews"}}, "success-rate", 0.99, 0.5, "95%"),
        ({"errorRate": {"service": "reviews"}}, "error-rate", 0.01, 0.5, "5%"),
        ({"latency": {"service": "reviews"}}, "latency", 100.0, 900.0, "800ms"),
        ({"promql": "sum(up)"}, "promql-0", 3.0, 1.0, 2),
    ],
)
async def test_each_trigger_trips_the_right_way_by_default(
    fly: Fly, trigger: Any, query: str, good: float, bad: float, threshold: Any
) -> None:
    async with fly() as f:
        world(f)
        f.samples.set(query, good)
        f.apply(experiment(failureConditions=[{"trigger": trigger, "threshold": threshold}]))
        await f.advance("11s")
        assert phase(f) == "Running"
        f.samples.set(query, bad)
        await f.advance("6s")
        assert phase(f) == "Failed"
        assert faults(f) == []


async def test_the_effect_is_seen_before_the_run_counts_as_running(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("aborted-rate", 0.0)
        f.apply(experiment(effect={"verify": True, "within": "30s"}))
        await f.advance("5s")
        assert phase(f) == "Verifying"
        assert len(faults(f)) == 1
        f.samples.set("aborted-rate", 0.4)
        await f.advance("3s")
        assert phase(f) == "Running"
        assert status(f)["effect"]["flag"] == "FI"
        assert status(f)["effect"]["faulted"] == 400
        await f.advance("55s")
        # The fault is gone, but requests in the window still carry its flag.
        assert (phase(f), faults(f)) == ("Recovering", [])
        f.samples.set("aborted-rate", 0.0)
        await f.advance("2s")
        assert phase(f) == "Succeeded"
        assert status(f)["recovery"]["message"].endswith("and no request its flag")


async def test_a_fault_that_does_not_bite_is_inconclusive(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("aborted-rate", 0.0)
        f.apply(experiment(effect={"within": "20s"}))
        await f.advance("25s")
        assert phase(f) == "Inconclusive"
        assert "wasn't seen to bite: 0 of 1000 requests carried the flag FI" in verdict(f)[1]


async def test_a_run_that_is_over_before_its_fault_was_seen_to_bite_is_no_success(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("aborted-rate", 0.0)
        f.apply(experiment(duration="20s", effect={"within": "45s"}))
        await f.advance("25s")
        assert phase(f) == "Inconclusive"
        assert "wasn't seen to bite: 0 of 1000 requests" in verdict(f)[1]
        assert faults(f) == []


async def test_a_steady_state_that_comes_and_goes_is_not_waited_for_without_end(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(baseline={"samples": 2}, maxErrors=2))
        await f.advance("2s")
        for down in [True, False] * 25:
            (f.samples.down if down else f.samples.up)()
            await f.advance("5s")
        assert phase(f) == "Inconclusive"
        assert "wasn't seen to last in 40 polls" in verdict(f)[1]
        assert "Injecting" not in phases(f)


async def test_conditions_are_watched_while_the_effect_is_looked_for(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("aborted-rate", 0.0)
        f.apply(experiment(effect={"within": "30s"}))
        await f.advance("2s")
        f.samples.set("error-rate", 1.0)
        await f.advance("5s")
        assert phase(f) == "Failed"


async def test_requests_that_keep_the_flag_are_a_recovery_that_failed_and_goes_on(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("aborted-rate", 0.4)
        f.apply(experiment(effect={"verify": True}, recovery={"within": "20s"}))
        await f.advance("90s")
        assert phase(f) == "RecoveryFailed"
        assert f.get("Experiment", "ratings-down", "shop").at("metadata.finalizers")
        assert any(one["reason"] == "RecoveryFailed" for one in f.events)
        f.samples.set("aborted-rate", 0.0)
        await f.advance("10s")
        assert phase(f) == "Succeeded"


async def test_an_abort_ends_the_run_and_is_used_up(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        f.apply(
            {
                **experiment(),
                "metadata": {
                    "name": "ratings-down",
                    "namespace": "shop",
                    "annotations": {"autopilot.mesh/abort": "lunch"},
                },
            }
        )
        await f.settle()
        await f.advance("1s")
        assert verdict(f) == ("Aborted", "aborted: lunch")
        assert faults(f) == []
        made = f.get("Experiment", "ratings-down", "shop")
        assert "autopilot.mesh/abort" not in (made.at("metadata.annotations") or {})


async def test_a_change_of_the_spec_ends_the_run_that_it_was_not_made_for(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        f.apply(experiment(duration="2m"))
        await f.advance("1s")
        assert verdict(f) == ("Aborted", "the spec was changed while it ran")
        assert faults(f) == []


async def test_one_that_is_suspended_waits(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(suspend=True))
        await f.advance("30s")
        assert (phase(f), status(f)["waits"]) == ("Pending", "suspended")
        f.apply(experiment(suspend=False))
        await f.settle()
        assert phase(f) == "Running"
