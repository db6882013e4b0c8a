"""How much a thousand rules ask of a real Prometheus, counted by Prometheus itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from autopilot.base.clock import SystemClock
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.provider import MetricsReader
from autopilot.telemetry.queries import QuerySet
from autopilot.telemetry.service_builtins import service_query

if TYPE_CHECKING:
    from conftest import Counters, Prometheus

    from autopilot.telemetry.prometheus import PrometheusSource
    from autopilot.telemetry.query import BoundQuery

pytestmark = pytest.mark.envoy
RULES, SERVICES, INTERVAL = 1000, 100, 2.0


def signals(rule: int) -> list[BoundQuery]:
    """What a failover reads: errors of both services, and errors and latency of the first."""
    main = ("demo", f"web-{rule % SERVICES}")
    both = [main, ("demo", f"{main[1]}-standby")]
    return [
        service_query("errors", both),
        service_query("errors", [main]),
        service_query("latency", both),
    ]


async def answered(prometheus: Prometheus) -> float:
    """How many instant queries Prometheus has answered."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{prometheus.address}/metrics") as answer,
    ):
        lines = (await answer.text()).splitlines()
    name = 'prometheus_http_requests_total{code="200",handler="/api/v1/query"}'
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def test_a_thousand_rules_are_tens_of_requests_an_interval(
    prometheus: Prometheus, source: PrometheusSource, counters: Counters
) -> None:
    for number in range(SERVICES):
        counters.add(f"web-{number}", 100)
    queries = [signals(rule) for rule in range(RULES)]
    woken: Counter[Any] = Counter()
    flights: list[asyncio.Task[None]] = []

    def wake(key: Any) -> None:
        woken[key] += 1
        flights.append(asyncio.create_task(sync(key)))

    poller = Poller(source, SystemClock(), default_interval=INTERVAL, timeout=5, on_sample=wake)
    known = 0

    async def sync(rule: int) -> None:
        nonlocal known
        reader = MetricsReader(QuerySet(), poller, rule)
        samples = await asyncio.gather(*(reader.read(query) for query in queries[rule]))
        known += all(sample.value is not None for sample in samples)

    stop = asyncio.Event()
    running = asyncio.create_task(poller.run(stop))

    async def flow() -> None:
        while True:
            for number in range(SERVICES):
                counters.add(f"web-{number}", 10)
            await asyncio.sleep(0.1)

    flowing = asyncio.create_task(flow())
    try:
        await asyncio.gather(*(sync(rule) for rule in range(RULES)))
        assert poller.subscriptions == 3 * SERVICES
        async with asyncio.timeout(60):
            while True:
                if known >= RULES:
                    break
                await asyncio.sleep(0.1)
        before, woken_before = await answered(prometheus), woken.total()
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(3 * INTERVAL)
        requests = await answered(prometheus) - before
        wakes = woken.total() - woken_before
        intervals = (asyncio.get_running_loop().time() - began) / INTERVAL + 1
        # 200 targets of one family in hundreds, and 100 of the other.
        assert 3 <= requests <= 3 * intervals
        # Three signals of one moment wake a rule once.
        assert RULES <= wakes <= RULES * intervals
    finally:
        flowing.cancel()
        stop.set()
        await asyncio.gather(running, flowing, *flights, return_exceptions=True)
