"""Reader, poller and source together on a real Prometheus."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from autopilot.base.clock import SystemClock
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.queries import QuerySet
from autopilot.telemetry.sample import Sample, Why

if TYPE_CHECKING:
    from conftest import Counters, Prometheus

    from autopilot.telemetry.prometheus import PrometheusSource

pytestmark = pytest.mark.envoy


async def test_a_worker_that_reads_when_woken_hears_of_outage_and_return(
    prometheus: Prometheus, source: PrometheusSource, counters: Counters
) -> None:
    woken = asyncio.Event()
    poller = Poller(
        source, SystemClock(), default_interval=0.1, timeout=1, on_sample=lambda _: woken.set()
    )
    stop = asyncio.Event()
    running = asyncio.create_task(poller.run(stop))

    async def traffic() -> None:
        while True:
            counters.add("web", 5)
            await asyncio.sleep(0.05)

    flowing = asyncio.create_task(traffic())
    seen: list[Sample] = []

    async def read_until(why: Why) -> Sample:
        async with asyncio.timeout(30):
            while True:
                woken.clear()
                reader = MetricsReader(QuerySet(), poller, "worker", namespace="demo")
                sample: Sample = await reader.error_rate(name="web", interval="2s")
                seen.append(sample)
                if sample.why is why:
                    return sample
                await woken.wait()

    try:
        first = await read_until(Why.KNOWN)
        assert first.value == 0
        for _ in range(5):
            await woken.wait()
            later = await read_until(Why.KNOWN)
        assert first.at is not None
        assert later.at is not None
        # Each wake brought something new: a later scrape, or another count as the window moved on.
        known = [(sample.at, sample.value, sample.requests) for sample in seen if sample.at]
        assert all(one != after for one, after in pairwise(known))
        times = [at for at, _, _ in known if at is not None]
        assert times == sorted(times)
        assert len(set(times)) >= 2
        await prometheus.stop()
        down = await read_until(Why.SOURCE_DOWN)
        assert down.value is None
        await prometheus.start()
        assert (await read_until(Why.KNOWN)).value == 0
    finally:
        flowing.cancel()
        stop.set()
        await asyncio.gather(running, flowing, return_exceptions=True)
