"""Killed anywhere, refused anything: no fault is left, and the verdict is recorded."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from chaos_kit import (
    experiment,
    faults,
    healthy,
    phase,
    phases,
    pristine,
    reports,
    route,
    status,
    verdict,
    world,
)

from autopilot.base.timestamps import parse_time
from autopilot.operators.chaos import machine
from autopilot.sandbox.apiserver.faults import Fault
from autopilot.testing.kills import fly_dying

if TYPE_CHECKING:
    from autopilot.testing.flight import Flight

Fly = Any

VIRTUAL_SERVICES = "virtualservices.networking.istio.io"

WRITTEN = ("Experiment", "Report", "VirtualService")

LATE = timedelta(seconds=45)
"""How long after its end a fault may be found while its operator is killed again and again."""


def check(f: Flight) -> None:
    """Whatever happens: no fault without its end in the status, none long after it; the user's own
    is as it was."""
    found = status(f) if f.get("Experiment", "ratings-down", "shop") else {}
    if faults(f):
        deadline = parse_time(found.get("deadline"))
        assert deadline is not None
        assert f.clock.now() <= deadline + LATE
    if found.get("phase") in machine.VERDICTS:
        assert not faults(f)
        assert found["report"] in reports(f)
    live = f.get("VirtualService", "ratings", "shop")
    assert live is not None
    own = [
        {key: value for key, value in one.items() if key != "fault"}
        for one in live.thaw()["spec"]["http"]
    ]
    assert own == route()["spec"]["http"]


async def test_killed_after_every_write_it_still_ends_with_a_verdict(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        before = pristine(f.get("VirtualService", "ratings", "shop"))
        f.apply(experiment(duration="20s"))
        kills = await fly_dying(
            f, lambda: phase(f) in machine.VERDICTS, lambda: check(f), WRITTEN, patience=120
        )
        assert kills > 8
        await f.advance("2s")
        check(f)
        assert phase(f) == verdict(f)[0]
        report = f.resource("ratings-down-1", "shop", "Report")
        assert report.at("spec.verdict") == phase(f)
        assert pristine(f.get("VirtualService", "ratings", "shop")) == before


async def test_killed_after_every_write_a_failure_is_still_recorded(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment())
        await f.advance("10s")
        f.samples.set("error-rate", 1.0)
        await fly_dying(f, lambda: phase(f) in machine.VERDICTS, lambda: check(f), WRITTEN)
        check(f)
        assert phase(f) == "Failed"
        assert f.resource("ratings-down-1", "shop", "Report").at("spec.verdict") == "Failed"


async def test_killed_after_every_write_a_deletion_still_ends(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        before = pristine(f.get("VirtualService", "ratings", "shop"))
        f.apply(experiment())
        await f.advance("10s")
        f.delete("Experiment", "ratings-down", "shop")

        def gone() -> bool:
            return f.get("Experiment", "ratings-down", "shop") is None

        await fly_dying(f, gone, lambda: check(f), WRITTEN)
        assert pristine(f.get("VirtualService", "ratings", "shop")) == before
        assert f.resource("ratings-down-1", "shop", "Report").at("spec.verdict") == "Aborted"


@pytest.mark.parametrize("name", ["Checking", "Injecting", "Verifying", "Running", "Recovering"])
@pytest.mark.parametrize("down", [2.0, 300.0])
async def test_killed_in_any_phase_and_back_before_or_after_the_end(
    fly: Fly, name: str, down: float
) -> None:
    async with fly() as f:
        world(f)
        f.samples.set("aborted-rate", 0.0)
        f.apply(
            experiment(
                baseline={"samples": 2}, effect={"within": "20s"}, recovery={"within": "10m"}
            )
        )
        stuck = None
        if name == "Injecting":
            # The fault can't be written: it stays in this phase.
            stuck = f.server.faults.add(_refuses(VIRTUAL_SERVICES))
        elif name != "Verifying":
            f.samples.set("aborted-rate", 0.5)
        await f.until(lambda: phase(f) == name, within="3m")
        await f._kill()
        if stuck is not None:
            f.server.faults.remove(stuck)
        f.samples.set("aborted-rate", 0.0 if name == "Recovering" else 0.5)
        await f.clock.advance(down)
        await f._start()
        await f.until(lambda: f.clock.now() and not faults(f) and _over(f), within="5m") if (
            name == "Recovering"
        ) else await _finish(f)
        check(f)
        assert faults(f) == []
        assert phase(f) == verdict(f)[0]
        assert f.resource("ratings-down-1", "shop", "Report").at("spec.verdict") == phase(f)


def _over(f: Flight) -> bool:
    return phase(f) in machine.VERDICTS


async def _finish(f: Flight) -> None:
    """To the end of the run; then no request carries the flag any more."""
    await f.until(lambda: _over(f) or phase(f) == "Recovering", within="5m")
    f.samples.set("aborted-rate", 0.0)
    await f.until(lambda: _over(f), within="5m")


def _refuses(resource: str) -> Fault:
    return Fault("status", verb="patch", resource=resource, status=503)


async def test_a_report_that_cannot_be_written_holds_up_no_removal(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(duration="20s"))
        await f.advance("10s")
        number = f.server.faults.add(
            Fault("status", verb="patch", resource="reports.autopilot.mesh", status=403)
        )
        await f.advance("30s")
        assert faults(f) == []
        assert phase(f) == "Recovering"
        f.server.faults.remove(number)
        await f.advance("15s")
        assert phase(f) == "Succeeded"


async def test_a_removal_that_is_refused_is_loud_and_goes_on(fly: Fly) -> None:
    async with fly() as f:
        world(f)
        f.apply(experiment(duration="20s", recovery={"within": "15s"}))
        await f.advance("10s")
        number = f.server.faults.add(
            Fault("status", verb="patch", resource=VIRTUAL_SERVICES, status=403)
        )
        await f.advance("60s")
        assert phase(f) == "RecoveryFailed"
        assert len(faults(f)) == 1
        f.delete("Experiment", "ratings-down", "shop")
        await f.advance("10s")
        assert f.get("Experiment", "ratings-down", "shop") is not None
        f.server.faults.remove(number)
        await f.advance("30s")
        assert faults(f) == []
        assert f.get("Experiment", "ratings-down", "shop") is None


@pytest.mark.parametrize("seed", range(3))
async def test_an_api_that_fails_at_random_leaves_nothing_behind(fly: Fly, seed: int) -> None:
    rng = random.Random(seed)
    async with fly() as f:
        world(f)
        f.server.faults.seed(seed)
        f.apply(experiment(duration="30s"))
        code = rng.choice([409, 500, 503])
        numbers = [
            f.server.faults.add(Fault("status", verb=verb, status=code, probability=0.2))
            for verb in ("patch", "get")
        ]
        for _ in range(40):
            await f.advance("2s")
            check(f)
        for number in numbers:
            f.server.faults.remove(number)
        healthy(f)
        await f.advance("2m")
        check(f)
        assert phase(f) in machine.VERDICTS
        assert phases(f)[-1] == verdict(f)[0]
