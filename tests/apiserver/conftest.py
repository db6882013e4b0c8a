"""A real API server on a free port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
from apiserver_kit import DEFINITIONS, Api, definition

from autopilot.sandbox.apiserver.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    server = ApiServer()
    await server.start()
    headers = {"Authorization": f"Bearer {server.token}", "User-Agent": "tester/1"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:
        yield Api(server, session)
        await server.stop()


@pytest.fixture
async def widgets(api: Api) -> Api:
    """The server with a Widget kind."""
    await api.ok("POST", DEFINITIONS, definition())
    return api
