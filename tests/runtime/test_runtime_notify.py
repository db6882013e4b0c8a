"""Notifications, against a real webhook."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from runtime_kit import Box, define, phase, ramp, until

from autopilot.runtime.notify import ATTEMPTS, QUEUE, Notifier
from autopilot.runtime.record import Key
from autopilot.runtime.result import Note, Notice, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Webhook:
    """A webhook that answers as it is told."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.answers: list[int] = []
        self.hang = asyncio.Event()
        self.hangs = False
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        if self.hangs:
            await self.hang.wait()
        status = self.answers.pop(0) if self.answers else 200
        headers = {"Location": "http://127.0.0.1:1/"} if status == 302 else {}
        return web.Response(status=status, headers=headers)


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    made = Webhook()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/hook"
    yield made
    made.hang.set()
    await runner.cleanup()


@contextlib.asynccontextmanager
async def sending(
    box: Box, allow: Callable[[str], bool] = bool
) -> AsyncIterator[tuple[Notifier, Callable[[Notice], None]]]:
    notifier = Notifier(box.client, box.clock, allow)
    stop = asyncio.Event()
    task = asyncio.create_task(notifier.run(stop))
    key = Key("ramps.test.autopilot.mesh", "default", "r")
    try:
        yield notifier, lambda notice: notifier.send(key, notice)
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def sleeps(box: Box) -> None:
    """Let the back-off go by."""
    await until(lambda: box.clock.next_wake() is not None)
    box.clock.move(60)


async def test_a_notice_is_posted_as_json(box: Box, webhook: Webhook) -> None:
    async with sending(box) as (notifier, send):
        send(Notice({"text": "Standby — ünïcode"}, webhook.url))
        await until(lambda: webhook.got)
        assert webhook.got == [{"text": "Standby — ünïcode"}]
        assert notifier.dropped == 0


async def test_a_webhook_that_is_down_is_tried_again_with_patience(
    box: Box, webhook: Webhook
) -> None:
    webhook.answers = [503, 429, 500]
    async with sending(box) as (notifier, send):
        send(Notice({"n": 1}, webhook.url))
        for number in (1, 2, 3):
            await until(lambda number=number: len(webhook.got) == number)
            await sleeps(box)
        await until(lambda: len(webhook.got) == 4)
        assert notifier.dropped == 0


async def test_one_that_stays_down_is_given_up(box: Box, webhook: Webhook) -> None:
    webhook.answers = [500] * ATTEMPTS
    async with sending(box) as (notifier, send):
        send(Notice({"n": 1}, webhook.url))
        for _ in range(ATTEMPTS - 1):
            await sleeps(box)
        await until(lambda: notifier.dropped == 1)
        assert len(webhook.got) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 404, 302])
async def test_what_a_webhook_refuses_isnt_repeated_and_no_redirect_is_followed(
    box: Box, webhook: Webhook, status: int
) -> None:
    webhook.answers = [status]
    async with sending(box) as (notifier, send):
        send(Notice({}, webhook.url))
        await until(lambda: notifier.dropped == 1)
        assert len(webhook.got) == 1


@pytest.mark.parametrize("url", ["", "ftp://a/b", "no url", "http://", "http://[::", "http://a:x/"])
async def test_an_address_that_is_none_is_given_up(box: Box, url: str) -> None:
    async with sending(box) as (notifier, send):
        send(Notice({}, url))
        await until(lambda: notifier.dropped == 1)


async def test_a_host_that_isnt_allowed_is_never_asked(
    box: Box, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    async with sending(box, lambda url: False) as (notifier, send):
        send(Notice({}, webhook.url.replace("/hook", "/hook?token=hush")))
        await until(lambda: notifier.dropped == 1)
        assert webhook.got == []
    assert "hush" not in caplog.text + json.dumps([vars(r) for r in caplog.records], default=str)


async def test_the_address_may_be_a_secrets(box: Box, webhook: Webhook) -> None:
    coded = base64.b64encode(webhook.url.encode()).decode()
    box.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hook", "namespace": "default"},
            "data": {"url": coded},
        }
    )
    async with sending(box) as (notifier, send):
        send(Notice({"n": 1}, secret="hook"))
        await until(lambda: webhook.got)
        send(Notice({"n": 1}, secret="missing"))
        await until(lambda: notifier.dropped == 1)


async def test_a_webhook_that_hangs_holds_up_no_other_and_the_queue_is_bounded(
    box: Box, webhook: Webhook
) -> None:
    webhook.hangs = True
    async with sending(box) as (notifier, send):
        for number in range(QUEUE + 20):
            send(Notice({"n": number}, webhook.url))
        await until(lambda: webhook.got)
        assert notifier.dropped == 20


async def test_a_sync_tells_after_its_phase_is_written_and_waits_for_nobody(
    box: Box, webhook: Webhook
) -> None:
    webhook.hangs = True

    async def go(res: Any, inputs: Any, ctx: Any) -> Result[Any]:
        return Result.to("Down").beside(
            events=[Note("Warning", "WouldFall", "it would fall")],
            notices=[Notice({"phase": "Down"}, webhook.url)],
        )

    await box.run(define(phase("Up", go, initial=True), phase("Down", final=True)))
    box.create(ramp())
    await box.settle()
    assert box.status()["phase"] == "Down"
    assert [e["message"] for e in box.events("WouldFall")] == ["it would fall"]
    await until(lambda: webhook.got == [{"phase": "Down"}])
