"""A rule that tells a webhook what it does."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from worker_kit import NS, broken, good, phase, rule, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Fly = Any


@pytest.fixture
async def hook() -> AsyncIterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/hook", got
    await runner.cleanup()


def telling(*notify: dict[str, Any], **more: Any) -> dict[str, Any]:
    return rule(
        "tells",
        signals={"errors": {"builtin": "errorRate"}},
        phases=[
            {
                "name": "Calm",
                "initial": True,
                "transitions": [{"to": "Alarm", "when": "errors > 5%"}],
            },
            {
                "name": "Alarm",
                "actions": [{"notify": one} for one in notify],
                "transitions": [{"to": "Calm", "when": "errors < 1%"}],
            },
        ],
        **more,
    )


async def until(got: list[Any], count: int) -> None:
    async with asyncio.timeout(10):
        while len(got) < count:  # noqa: ASYNC110 -- a server of its own
            await asyncio.sleep(0.01)


async def test_on_entering_a_phase_its_webhooks_are_told_with_the_values(
    fly: Fly, hook: tuple[str, list[Any]]
) -> None:
    url, got = hook
    async with fly() as f:
        world(f)
        f.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "chat", "namespace": NS},
                "data": {"url": base64.b64encode(url.encode()).decode()},
            }
        )
        good(f)
        text = "[[ rule ]]: [[ errors ]] of errors, [[ from ]] → [[ phase ]]"
        f.apply(telling({"url": url}, {"secret": "chat", "slack": True, "text": text}))
        broken(f, 0.25)
        await f.advance("1s")
        assert phase(f, "tells") == "Alarm"
        await until(got, 2)
        plain, slack = sorted(got, key=len, reverse=True)
        assert slack == {"text": "shop/tells: 25 % of errors, Calm → Alarm"}
        assert plain["rule"] == "shop/tells"
        assert (plain["from"], plain["phase"], plain["reason"]) == ("Calm", "Alarm", "ConditionMet")
        assert plain["signals"] == {"errors": "25 %"}
        await f.advance("30s")
        assert len(got) == 2, "once for each time that the phase is entered"


async def test_an_observing_rule_tells_nobody(fly: Fly, hook: tuple[str, list[Any]]) -> None:
    url, got = hook
    async with fly() as f:
        world(f)
        broken(f)
        f.apply(telling({"url": url}, mode="observe"))
        await f.advance("10s")
        assert got == []


async def test_a_host_that_the_installation_forbids_holds_up_no_phase(
    fly: Fly, hook: tuple[str, list[Any]]
) -> None:
    url, got = hook
    async with fly(allow_url=lambda _: False) as f:
        world(f)
        broken(f)
        f.apply(telling({"url": url}))
        await f.advance("5s")
        assert phase(f, "tells") == "Alarm"
        assert f.runtime.notifier.dropped == 1
        assert got == []
