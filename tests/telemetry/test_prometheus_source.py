"""The source against servers that speak Prometheus's API, well or badly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from autopilot.telemetry.prometheus import PrometheusSource
from autopilot.telemetry.source import QueryRefused, SourceDown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """One handler for every request, changed by the test."""

    def __init__(self) -> None:
        self.answer: Any = {"status": "success", "data": {"resultType": "vector", "result": []}}
        self.status = 200
        self.handler: Handler | None = None
        self.seen: list[tuple[str, str, str]] = []
        self.headers: dict[str, str] = {}
        self.address = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        self.headers = dict(request.headers)
        asked = request.query.get("query") or str(form.get("query", ""))
        self.seen.append((request.method, request.path, asked))
        if self.handler is not None:
            return await self.handler(request)
        if isinstance(self.answer, str):
            return web.Response(text=self.answer, status=self.status)
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest.fixture
async def source(api: Api) -> AsyncIterator[PrometheusSource]:
    source = PrometheusSource(api.address + "/", threads=2, headers={"Authorization": "Bearer x"})
    yield source
    await source.close()


def vector(*entries: tuple[dict[str, str], str], **more: Any) -> dict[str, Any]:
    result = [{"metric": labels, "value": [1000.5, value]} for labels, value in entries]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


async def test_a_vector_comes_as_series(api: Api, source: PrometheusSource) -> None:
    api.answer = vector(({"__name__": "m", "a": "b"}, "0.25"), ({}, "NaN"), ({}, "+Inf"))
    series = await source.query('m{a="b"}', timeout=3)
    assert (dict(series[0].labels), series[0].at) == ({"a": "b"}, 1000.5)
    assert len(series[:2]) == 2
    assert [str(one.value) for one in series] == ["0.25", "nan", "inf"]
    assert api.seen == [("GET", "/api/v1/query", 'm{a="b"}')]
    assert api.headers["Authorization"] == "Bearer x"
    assert source.address == api.address


async def test_a_scalar_is_one_series(api: Api, source: PrometheusSource) -> None:
    api.answer = {"status": "success", "data": {"resultType": "scalar", "result": [7, "42"]}}
    (one,) = await source.query("42", timeout=3)
    assert (one.value, one.at, dict(one.labels)) == (42, 7, {})


async def test_a_long_query_is_posted_as_a_form(api: Api, source: PrometheusSource) -> None:
    api.answer = vector(({}, "1"))
    query = "m or " * 2000 + "m # ä+&=%"
    assert len(await source.query(query, timeout=3)) == 1
    assert api.seen == [("POST", "/api/v1/query", query)]


async def test_warnings_are_kept(api: Api, source: PrometheusSource) -> None:
    api.answer = vector(({}, "1"), warnings=["store a is down"])
    assert (await source.query("m", timeout=3)).warnings == ("store a is down",)
    api.answer = vector(({"warnings": "x"}, "1"))
    assert (await source.query("m", timeout=3)).warnings == ()


async def test_only_a_bad_query_is_refused(api: Api, source: PrometheusSource) -> None:
    said = {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected }"}
    api.answer, api.status = said, 400
    with pytest.raises(QueryRefused, match="parse error"):
        await source.query("m}", timeout=3)
    for status, answer in [
        (400, "no JSON"),
        (400, {"status": "error", "errorType": "other"}),
        (422, {"status": "error", "errorType": "execution", "error": "many-to-many"}),
        (404, "not here"),
        (503, {"status": "error", "errorType": "unavailable", "error": "shutting down"}),
    ]:
        api.answer, api.status = answer, status
        before = len(api.seen)
        with pytest.raises(SourceDown, match=f"HTTP {status}"):
            await source.query("m", timeout=3)
        assert len(api.seen) == before + 1


@pytest.mark.parametrize(
    "answer",
    [
        "<html>",
        "",
        "[]",
        {"status": "success"},
        {"data": {"result": [{"metric": {}}]}},
        {"data": {"result": [{"metric": {}, "value": [1, "x"]}]}},
        {"data": {"result": 7}},
        {"data": {"result": [1, "text"]}},
    ],
)
async def test_what_is_no_answer_of_prometheus_is_an_outage(
    api: Api, source: PrometheusSource, answer: Any
) -> None:
    api.answer = answer
    with pytest.raises(SourceDown, match="not an answer of Prometheus"):
        await source.query("m", timeout=3)


async def test_a_range_is_refused(api: Api, source: PrometheusSource) -> None:
    api.answer = {"data": {"result": [{"metric": {}, "values": [[1, "2"]]}]}}
    with pytest.raises(QueryRefused, match="range of samples"):
        await source.query("m[5m]", timeout=3)


async def test_nobody_listening_is_an_outage() -> None:
    source = PrometheusSource("127.0.0.1:1")
    assert source.address == "http://127.0.0.1:1"
    with pytest.raises(SourceDown, match="refused"):
        await source.query("m", timeout=3)
    await source.close()
    with pytest.raises(SourceDown, match="closed"):
        await source.query("m", timeout=3)


async def test_a_server_that_says_nothing_costs_no_more_than_the_timeout(
    api: Api, source: PrometheusSource
) -> None:
    release = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response({})

    api.handler = silent
    # More questions than threads: waiting for a thread counts too.
    results = await asyncio.gather(
        *(source.query("m", timeout=0.3) for _ in range(6)), return_exceptions=True
    )
    release.set()
    assert {type(result) for result in results} == {SourceDown}
    api.handler = None
    await asyncio.sleep(0.3)
    await source.query("m", timeout=3)


async def test_a_server_that_dribbles_holds_no_thread_beyond_the_deadline(
    api: Api, source: PrometheusSource
) -> None:
    async def dribble(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(60):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    api.handler = dribble
    asked = [source.query("m", timeout=0.4) for _ in range(2)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(result) for result in results} == {SourceDown}
    api.handler = None
    # Were the threads still held, this would be out of time: the server dribbles for 3 s.
    await source.query("m", timeout=2)


async def test_a_cancelled_query_is_cancelled_at_once(api: Api, source: PrometheusSource) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        asked.set()
        await release.wait()
        return web.json_response({})

    api.handler = silent
    task = asyncio.create_task(source.query("m", timeout=30))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert not release.is_set()
    release.set()


async def test_a_proxy_from_the_environment_is_not_asked_for_loopback(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    source = PrometheusSource(api.address)
    api.answer = vector(({}, "1"))
    assert len(await source.query("m", timeout=3)) == 1
    await source.close()
