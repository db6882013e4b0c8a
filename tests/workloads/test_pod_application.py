"""A pod's application over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING

import pytest

from autopilot.sandbox.workloads.app import Identity, PodApp, Ports
from autopilot.sandbox.workloads.behaviour import Behaviour, UpstreamFailure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def served(behaviour: Behaviour | None = None) -> AsyncIterator[tuple[PodApp, int]]:
    ports = Ports()
    ports.reserve([8080], {})
    app = PodApp(Identity("demo", "web-1", "web"), behaviour or Behaviour(version="v1"))
    await app.listen(ports)
    try:
        yield app, ports.numbers[8080]
    finally:
        app.abort()
        await asyncio.sleep(0)


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split()[1]), headers, body


async def talk(port: int, *requests: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests:
            writer.write(request)
        return [await answer(reader) for _ in requests]
    finally:
        writer.close()
        await writer.wait_closed()


GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


async def test_an_answer_says_who_gave_it() -> None:
    async with served() as (_, port):
        [(status, headers, body)] = await talk(port, b"GET /a?b=c HTTP/1.1\r\nHost: web\r\n\r\n")
    assert status == 200
    assert (headers["x-pod"], headers["x-workload"], headers["x-version"]) == ("web-1", "web", "v1")
    assert json.loads(body) == {"version": "v1", "pod": "web-1", "workload": "web", "path": "/a"}


async def test_one_connection_carries_many_requests_even_sent_together() -> None:
    async with served() as (app, port):
        found = await talk(port, GET, GET, GET)
        assert [status for status, _, _ in found] == [200, 200, 200]
        assert app.served == 3


@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 5\r\n\r\nhello",
        b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ],
)
async def test_a_body_is_read_and_dropped_and_the_next_request_is_found(body: bytes) -> None:
    async with served() as (_, port):
        found = await talk(port, b"POST / HTTP/1.1\r\nHost: web\r\n" + body, GET)
    assert [status for status, _, _ in found] == [200, 200]


async def test_a_request_in_small_pieces_is_understood() -> None:
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        for at in range(len(request)):
            writer.write(request[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)
        assert (await answer(reader))[0] == 200
        writer.close()


async def test_who_waits_to_be_asked_for_the_body_is_asked() -> None:
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        assert (await answer(reader))[0] == 200
        writer.close()


async def test_a_head_has_no_body() -> None:
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HEAD / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\n")
        writer.close()


async def test_what_is_not_http_is_refused() -> None:
    async with served() as (_, port):
        [(status, headers, _)] = await talk(port, b"hello\r\n\r\n")
    assert status == 400
    assert headers["connection"] == "close"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000,
    ],
)
async def test_a_broken_request_is_refused_and_the_next_client_is_served(request_: bytes) -> None:
    async with served() as (_, port):
        [(status, _, _)] = await talk(port, request_)
        assert status == 400
        assert (await talk(port, GET))[0][0] == 200


async def test_five_percent_errors_are_five_percent() -> None:
    async with served(Behaviour(error_rate=0.05, error_code=503, seed=7)) as (_, port):
        found = await talk(port, *[GET] * 400)
    statuses = [status for status, _, _ in found]
    assert set(statuses) == {200, 503}
    assert 18 <= statuses.count(503) <= 22


async def test_a_pod_behaves_well_until_its_time_is_over() -> None:
    behaviour = Behaviour(error_rate=1.0, error_after=0.05)
    async with served(behaviour) as (_, port):
        began = time.monotonic()
        [(status, _, _)] = await talk(port, GET)
        while status == 200:
            assert time.monotonic() - began < 10
            [(status, _, _)] = await talk(port, GET)
        assert status == 500
        assert time.monotonic() - began >= 0.05


async def test_the_time_of_good_behaviour_begins_with_the_first_request() -> None:
    behaviour = Behaviour(error_rate=1.0, error_after=30)
    async with served(behaviour) as (app, port):
        assert [status for status, _, _ in await talk(port, GET, GET)] == [200, 200]
        assert app.served == 2


async def test_errors_and_slow_answers_do_not_fall_together() -> None:
    behaviour = Behaviour(error_rate=0.05, slow_rate=0.05, slow=0.001, seed=3)
    async with served(behaviour) as (app, _):
        both = [n for n in range(2000) if app._fails(n) and app._drags(n)]
        assert len(both) < 20


async def test_healthz_is_well_and_uses_up_no_error() -> None:
    async with served(Behaviour(error_rate=1.0)) as (app, port):
        found = await talk(port, b"GET /healthz HTTP/1.1\r\n\r\n", GET)
        assert [status for status, _, _ in found] == [200, 500]
        assert app.served == 1


async def test_the_latency_is_what_was_asked_for() -> None:
    async with served(Behaviour(latency=0.05)) as (_, port):
        began = time.monotonic()
        await talk(port, GET)
        assert 0.05 <= time.monotonic() - began < 5


async def test_a_reserved_port_refuses_until_it_is_listened_on() -> None:
    ports = Ports()
    ports.reserve([8080], {})
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", ports.numbers[8080])
    ports.release()


async def test_a_preferred_port_that_is_taken_is_replaced_by_another() -> None:
    first, second = Ports(), Ports()
    first.reserve([8080], {})
    second.reserve([8080], first.numbers)
    assert second.numbers != first.numbers
    first.release()
    second.release()


async def test_a_draining_pod_finishes_what_runs_and_says_that_it_closes() -> None:
    async with served(Behaviour(latency=0.1)) as (app, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await asyncio.sleep(0.02)
        draining = asyncio.create_task(app.drain(5.0))
        assert await idle.read() == b""
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""
        await draining
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        idle_writer.close()


async def test_a_drain_ends_when_its_patience_does() -> None:
    async with served(Behaviour(latency=30)) as (app, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await asyncio.sleep(0.02)
        await asyncio.wait_for(app.drain(0.05), 5)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("behaviour", "upstream", "status"),
    [
        ("fail", 503, 502),
        ("pass", 503, 503),
        ("pass", 0, 502),
        ("cope", 503, 200),
        ("cope", 0, 200),
        ("pass", 404, 200),
    ],
)
async def test_an_upstream_that_fails_is_answered_for_as_the_pod_was_told(
    behaviour: UpstreamFailure, upstream: int, status: int
) -> None:
    asked: list[str] = []

    async def upstreams(identity: Identity, url: str) -> int:
        asked.append(f"{identity.workload} {url}")
        if not upstream:
            raise ConnectionError("nobody there")
        return upstream

    ports = Ports()
    ports.reserve([8080], {})
    told = Behaviour(upstreams=("http://db.demo/",), upstream_failure=behaviour)
    app = PodApp(Identity("demo", "web-1", "web"), told, upstreams)
    await app.listen(ports)
    [(found, _, body)] = await talk(ports.numbers[8080], GET)
    app.abort()
    await asyncio.sleep(0)
    assert found == status
    assert asked == ["web http://db.demo/"]
    assert json.loads(body)["upstreams"] == {"http://db.demo/": upstream}
