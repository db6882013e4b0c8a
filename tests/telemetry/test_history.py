"""The past: range queries in pieces, samples at each moment, and where data was missing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from autopilot.telemetry.history import Gap, Span, gaps, history
from autopilot.telemetry.prometheus import PrometheusSource
from autopilot.telemetry.sample import Why
from autopilot.telemetry.service_builtins import rule_query, service_query
from autopilot.telemetry.source import QueryRefused, SourceDown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest import Counters, Prometheus

START = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class Api:
    """Answers a range query with the time itself; refuses too much as Prometheus does."""

    most: int = 11_000
    status: int = 422
    error: str = "query processing would load too many samples into memory"
    asked: list[tuple[float, float, float]] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)

    async def answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        start, end, step = (float(str(form[name])) for name in ("start", "end", "step"))
        self.asked.append((start, end, step))
        self.methods.add(f"{request.method} {request.path} {request.content_type}")
        count = int((end - start) / step + 1e-6) + 1
        if count > self.most:
            body = {"status": "error", "errorType": "execution", "error": self.error}
            return web.json_response(body, status=self.status)
        values = [[start + n * step, str(start + n * step)] for n in range(count)]
        result = [{"metric": {"__name__": "t", "a": "b"}, "values": values}]
        return web.json_response({"status": "success", "data": {"result": result}})


@pytest.fixture
async def api() -> AsyncIterator[tuple[Api, PrometheusSource]]:
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    source = PrometheusSource(f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield api, source
    await source.close()
    await runner.cleanup()


@pytest.mark.parametrize(("seconds", "requests"), [(0, 1), (9_999, 1), (10_000, 2), (604_800, 61)])
async def test_a_long_past_is_asked_in_pieces_that_a_server_answers(
    api: tuple[Api, PrometheusSource], seconds: int, requests: int
) -> None:
    server, source = api
    end = START + seconds * SECOND
    (one,) = await source.query_range("t", START, end, SECOND, timeout=10)
    assert len(server.asked) == requests
    assert server.methods == {
        "POST /api/v1/query_range application/x-www-form-urlencoded",
    }
    assert one.labels == {"a": "b"}
    first = START.timestamp()
    assert [at for at, _ in one.points] == [first + n for n in range(seconds + 1)]


async def test_what_is_too_much_for_a_server_is_asked_in_smaller_pieces(
    api: tuple[Api, PrometheusSource],
) -> None:
    server, source = api
    server.most = 300
    (one,) = await source.query_range("t", START, START + 999 * SECOND, SECOND, timeout=10)
    assert len(one.points) == 1000
    assert len({at for at, _ in one.points}) == 1000
    server.most = 1
    with pytest.raises(SourceDown, match="too many samples"):
        await source.query_range("t", START, START + 99 * SECOND, SECOND, timeout=10)
    server.error = "something else"
    server.asked.clear()
    with pytest.raises(SourceDown, match="something else"):
        await source.query_range("t", START, START + 99 * SECOND, SECOND, timeout=10)
    assert len(server.asked) == 1


async def test_moments_keep_their_places_where_a_server_leaves_some_out(
    api: tuple[Api, PrometheusSource],
) -> None:
    _, source = api
    span = Span(START, START + timedelta(hours=3), timedelta(seconds=2.5))
    past = await history(source, rule_query("t", "t"), span, timeout=10)
    assert len(past) == span.count == 4321
    assert [sample.value for _, sample in past] == [at.timestamp() for at, _ in past]
    assert gaps(past) == []


def test_a_span_that_makes_no_sense_is_refused() -> None:
    for start, end, step in (
        (START, START - SECOND, SECOND),
        (START, START + SECOND, timedelta(0)),
        (START.replace(tzinfo=None), START, SECOND),
    ):
        with pytest.raises(ValueError, match="span"):
            Span(start, end, step)


@pytest.mark.envoy
async def test_the_past_is_told_as_it_was_with_its_gaps(
    prometheus: Prometheus,
    source: PrometheusSource,
    counters: Counters,
    traffic: dict[str, dict[str, Any]],
) -> None:
    traffic["web"] = {"count": 5}
    seen = 'increase(istio_requests_total{destination_service_name="web"}[1s]) > 0'
    async with asyncio.timeout(45):
        while True:
            if await source.query(seen, timeout=5):
                break
            await asyncio.sleep(0.05)
    began = datetime.now(UTC)
    await asyncio.sleep(4)
    traffic["web"] = {"count": 5, "response_code": "500"}
    await asyncio.sleep(4)
    counters.up = False
    lost = datetime.now(UTC)
    await asyncio.sleep(3)
    counters.up = True
    found = datetime.now(UTC)
    await asyncio.sleep(4)
    step = timedelta(milliseconds=100)
    span = Span(began - timedelta(minutes=1), datetime.now(UTC), step)
    for measure, unit in (("errors", 1.0), ("latency", 1.0), ("rate", 1.0)):
        services = [("demo", "web"), ("demo", "web-standby")]
        query = service_query(measure, services, window="1s")  # type: ignore[arg-type]
        past = await history(source, query, span, timeout=10)
        missing = gaps(past)
        assert len(missing) >= 2, unit
        assert missing[0].start <= began
        within = [gap for gap in missing if gap.end > lost + SECOND and gap.start < found]
        assert within
        assert {gap.why for gap in within} <= {Why.STALE, Why.NO_DATA}
        assert sum((gap.end - gap.start for gap in within), timedelta(0)) > timedelta(seconds=1.5)
        if measure == "errors":
            before = [s.value for at, s in past if began + 2 * SECOND < at < began + 3 * SECOND]
            assert set(before) <= {0.0, None}
            assert 0.0 in before
            after = [s.value for at, s in past if lost - SECOND < at < lost]
            assert 1.0 in after


@pytest.mark.envoy
async def test_a_real_server_refuses_in_one_piece_what_it_answers_in_several(
    prometheus: Prometheus, source: PrometheusSource
) -> None:
    end = datetime.now(UTC)
    start = end - timedelta(seconds=25)
    (one,) = await source.query_range(
        "vector(1)", start, end, timedelta(milliseconds=1), timeout=20
    )
    assert len(one.points) == 25_001
    with pytest.raises(QueryRefused, match="parse error"):
        await source.query_range("sum(", start, end, SECOND, timeout=5)
    long = " or ".join(f'm{{a="{n:0100}"}}' for n in range(500)) + " or vector(2)"
    (two,) = await source.query_range(long, start, end, SECOND, timeout=10)
    assert {value for _, value in two.points} == {2.0}


def test_gaps_are_told_once_each() -> None:
    from autopilot.telemetry.sample import Sample

    whys = [Why.NO_DATA, Why.KNOWN, Why.STALE, Why.STALE, Why.NO_DATA, Why.KNOWN, Why.NO_DATA]
    past = [
        (START + n * SECOND, Sample("q", value=None if why else 1.0, why=why))
        for n, why in enumerate(whys)
    ]
    assert gaps(past) == [
        Gap(START, START, Why.NO_DATA),
        Gap(START + 2 * SECOND, START + 4 * SECOND, Why.STALE),
        Gap(START + 6 * SECOND, START + 6 * SECOND, Why.NO_DATA),
    ]
