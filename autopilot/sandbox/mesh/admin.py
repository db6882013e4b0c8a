"""Envoy's admin interface, as far as the sandbox asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from autopilot.base.errors import RetryLater

if TYPE_CHECKING:
    from types import TracebackType

_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Admin:
    """Calls on one admin interface; every call ends within 5 seconds.

    Args:
        url: Like `http://127.0.0.1:9901`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Admin:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str) -> Any:
        """The JSON at a path; `RetryLater` when Envoy doesn't answer it."""
        try:
            async with self._open().get(self.url + path) as answer:
                answer.raise_for_status()
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise RetryLater(f"Envoy doesn't answer {path.partition('?')[0]}: {error}") from error

    async def post(self, path: str) -> None:
        """Ask for something; `RetryLater` when Envoy doesn't answer."""
        try:
            async with self._open().post(self.url + path) as answer:
                answer.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RetryLater(f"Envoy doesn't answer {path.partition('?')[0]}: {error}") from error

    async def live(self) -> bool:
        """Whether Envoy has its first configuration and serves."""
        try:
            async with self._open().get(self.url + "/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def stats(self, pattern: str) -> dict[str, Any]:
        """Values of the statistics whose names match a regular expression (without `&`, `#`)."""
        found = await self.get(f"/stats?format=json&filter={pattern}")
        return {item["name"]: item["value"] for item in found["stats"] if "value" in item}

    async def ports(self) -> dict[str, int]:
        """The port of each listener, by the listener's name."""
        found = await self.get("/listeners?format=json")
        return {
            item["name"]: int(item["local_address"]["socket_address"]["port_value"])
            for item in found.get("listener_statuses", ())
        }

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._session
