"""Calls the webhooks that decide over experiments."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from autopilot.spec.hosts import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT = 5.0
"""Seconds for one call."""


class Webhooks:
    """Posts to webhooks and tells what they answer.

    Args:
        allow: Whether the installation allows the host that a URL leads to.
    """

    def __init__(self, allow: Callable[[str], bool]) -> None:
        self._allow = allow

    def allowed(self, url: str) -> bool:
        """Whether the installation allows it."""
        return self._allow(url)

    async def call(self, url: str, body: Mapping[str, Any]) -> int | str:
        """The HTTP status of the answer, or why there is none.

        Args:
            url: Where to.
            body: What is posted, as JSON.
        """
        try:
            host, _ = place_of(url)
        except ValueError as error:
            return str(error)
        if not self._allow(url):
            return f"the installation doesn't allow the host {host}"
        limit = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            async with (
                asyncio.timeout(2 * TIMEOUT),
                aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
                session.post(
                    url,
                    data=json.dumps(dict(body), ensure_ascii=False).encode(),
                    headers={"Content-Type": "application/json", "User-Agent": "autopilot"},
                    # A redirect leads wherever its host likes, past the list of allowed ones.
                    allow_redirects=False,
                ) as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # Its text may hold the URL, which is as good as a password.
            return f"{host}: {type(error).__name__}"
