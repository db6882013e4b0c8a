"""Answers that a good server never gives, and what must not be taken for an answer."""

import asyncio
import json

import pytest
from aiohttp import web
from kube_help import Scripted, until

from autopilot.kube.client import ApiError, Gone, Unavailable, WatchEvent
from autopilot.kube.http import HttpKubeClient
from autopilot.kube.kinds import KNOWN

PODS = KNOWN["pods"]


async def events(client: HttpKubeClient) -> list[WatchEvent]:
    return [event async for event in client.watch(PODS, resource_version="7")]


def streaming(*pieces: bytes, cut: bool = False):  # type: ignore[no-untyped-def]
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if cut:
            assert request.transport is not None
            request.transport.close()
        return response

    return answer


def added(name: str, **more: str) -> bytes:
    body = {"metadata": {"name": name, "namespace": "a", "resourceVersion": "9"}, **more}
    return json.dumps({"type": "ADDED", "object": body}).encode() + b"\n"


async def test_an_answer_that_does_not_come_is_given_up_after_the_time_out(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    release = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response({})

    scripted.answer = hang
    with pytest.raises(Unavailable, match=r"no answer in 0\.5 s") as caught:
        await scripted_client.get(PODS, "p", "a")
    assert caught.value.status == 0
    with pytest.raises(Unavailable):
        await events(scripted_client)
    release.set()


async def test_what_is_no_json_is_no_answer(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>a proxy's page</html>")

    scripted.answer = page
    with pytest.raises(Unavailable, match="no JSON"):
        await scripted_client.get(PODS, "p", "a")
    with pytest.raises(Unavailable):
        await events(scripted_client)


async def test_a_redirect_is_not_followed_with_our_token(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    scripted.answer = elsewhere
    with pytest.raises(ApiError):
        await scripted_client.get(PODS, "p", "a")
    assert len(scripted.requests) == 1


async def test_an_event_larger_than_any_buffer_arrives_whole(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    big = added("big", blob="x" * 3_000_000)
    thirds = [big[:1_000_000], big[1_000_000:2_000_000], big[2_000_000:]]
    scripted.answer = streaming(*thirds, added("a") + added("b"), b"\n")
    found = await events(scripted_client)
    assert [each.object["metadata"].get("name") for each in found] == [None, "big", "a", "b"]
    assert len(found[1].object["blob"]) == 3_000_000
    assert found[1].object["kind"] == "Pod"


@pytest.mark.parametrize("code", [410, 500])
async def test_an_error_in_the_stream_is_raised(
    scripted: Scripted, scripted_client: HttpKubeClient, code: int
) -> None:
    status = {"kind": "Status", "code": code, "reason": "Expired", "message": "too old"}
    line = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
    scripted.answer = streaming(added("a"), line)
    with pytest.raises(Gone if code == 410 else Unavailable, match="too old"):
        await events(scripted_client)


async def test_an_http_410_on_a_watch_is_gone_too(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    async def expired(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"reason": "Expired", "code": 410}, status=410)

    scripted.answer = expired
    with pytest.raises(Gone):
        await events(scripted_client)


@pytest.mark.parametrize(
    "pieces", [(added("a")[:-20],), (added("a"), b'{"type":"NEWS","object":{}}\n'), (b"[]\n",)]
)
async def test_a_broken_stream_is_never_taken_for_its_end(
    scripted: Scripted, scripted_client: HttpKubeClient, pieces: tuple[bytes, ...]
) -> None:
    scripted.answer = streaming(*pieces)
    with pytest.raises(Unavailable):
        await events(scripted_client)


async def test_a_connection_that_breaks_is_never_taken_for_the_end_of_the_stream(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    scripted.answer = streaming(added("a"), cut=True)
    with pytest.raises(Unavailable, match="cut off"):
        await events(scripted_client)


async def test_a_watch_that_is_left_lets_go_of_its_connection(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while (wire := request.transport) and not wire.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        gone.set()
        return response

    scripted.answer = endless
    task = asyncio.create_task(events(scripted_client))
    await until(lambda: scripted.requests)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.wait_for(gone.wait(), 5)


async def test_requests_say_who_asks_and_ask_for_bookmarks(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    scripted.answer = streaming()
    await events(scripted_client)
    request = scripted.requests[0]
    assert request.headers["User-Agent"] == "autopilot"
    assert request.headers["Authorization"] == "Bearer t"
    assert request.query["allowWatchBookmarks"] == "true"
    assert request.query["resourceVersion"] == "7"
    assert 300 <= int(request.query["timeoutSeconds"]) <= 600
    assert "labelSelector" not in request.query
