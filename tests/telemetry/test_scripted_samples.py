"""Telemetry that a test writes down."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from telemetry_kit import advance

from autopilot.base.clock import VirtualClock
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.queries import QuerySet
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.scripted import ScriptedSamples


async def ask(script: ScriptedSamples, name: str, query: str = "error_rate") -> Sample:
    reader = MetricsReader(QuerySet(), script, "me", namespace="demo")
    answer: Sample = await getattr(reader, query)(name=name, interval="5s")
    return answer


async def test_a_script_answers_by_name_and_any_parameters() -> None:
    clock = VirtualClock()
    script = ScriptedSamples(clock)
    assert (await ask(script, "web")).why is Why.NO_DATA
    script.set("error-rate", 0.0)
    script.set("error-rate", 0.05, name="web-canary", requests=200, of=2000)
    canary = await ask(script, "web-canary")
    assert (canary.value, canary.requests, canary.of) == (0.05, 200, 2000)
    assert canary.at == clock.now()
    assert canary.above(0.01, min_requests=100).is_true
    assert (await ask(script, "web-primary")).value == 0.0
    assert (await ask(script, "web", "latency")).why is Why.NO_DATA
    script.set("error-rate", 0.9)
    assert (await ask(script, "web-canary")).value == 0.9
    assert len(script.asked) == 5


async def test_a_script_plays_over_time() -> None:
    clock = VirtualClock()
    script = ScriptedSamples(clock)
    script.set("error-rate", 0.0)
    script.set("error-rate", 0.5, after=10, age=3)
    script.no_data("error-rate", requests=0, of=500, after=20)
    assert (await ask(script, "web")).value == 0.0
    await advance(clock, 10)
    late = await ask(script, "web")
    assert (late.value, late.at) == (0.5, clock.now() - timedelta(seconds=3))
    await advance(clock, 10)
    silent = await ask(script, "web")
    assert silent.silent(0.1, min_requests=20).is_true


async def test_a_source_may_go_down_and_come_back() -> None:
    script = ScriptedSamples(VirtualClock())
    script.set("error-rate", 0.0)
    script.down()
    assert (await ask(script, "web")).why is Why.SOURCE_DOWN
    script.up()
    assert (await ask(script, "web")).value == 0.0
    script.unknown(Why.STALE, "error-rate", detail="old")
    assert (await ask(script, "web")).why is Why.STALE
    with pytest.raises(ValueError, match="never holds NaN"):
        script.set("error-rate", float("nan"))


async def test_readers_are_woken_at_each_scrape_while_they_read() -> None:
    clock = VirtualClock()
    woken: list[Any] = []
    script = ScriptedSamples(clock, interval=2, on_sample=woken.append)
    stop = asyncio.Event()
    task = asyncio.create_task(script.run(stop))
    await ask(script, "web")
    await advance(clock, 2)
    assert woken == ["me"]
    await advance(clock, 60)
    assert woken == ["me"] * 3
    await ask(script, "web")
    script.forget("me")
    await advance(clock, 2)
    assert len(woken) == 3
    stop.set()
    await asyncio.wait_for(task, 5)
