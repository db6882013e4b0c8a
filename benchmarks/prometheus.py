"""What Prometheus has, and since when, by the times of its own samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from autopilot.telemetry.query import PART
from benchmarks.figures import arrivals

if TYPE_CHECKING:
    from collections.abc import Sequence

_AFTER = 0.0005
"""Seconds after a scrape at which to ask: a query sees the samples up to its own moment."""


class Prometheus:
    """Queries of the past.

    Args:
        url: Where it answers.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1/query"

    async def scrapes(self, selector: str, since: float, until: float) -> list[float]:
        """When the samples of a selector were scraped, within a range of wall-clock seconds."""
        seconds = max(1, int(until - since) + 1)
        found = await self._ask(f"{selector}[{seconds}s]", until)
        return [at for at in arrivals(found) if since <= at <= until]

    async def breach(self, promql: str, limit: float, times: Sequence[float]) -> float | None:
        """The first of these times at which a query's value is above a limit; None if at none.

        Args:
            promql: As the operator sends it, its parts labelled.
            limit: What the value has to exceed.
            times: Wall-clock seconds, in order.
        """
        for at in times:
            series = await self._ask(promql, at + _AFTER)
            if any(_part(one) == "value" and float(one["value"][1]) > limit for one in series):
                return at
        return None

    async def _ask(self, promql: str, at: float) -> list[dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=5)
        form = {"query": promql, "time": f"{at:.3f}"}
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.post(self._url, data=form) as answer,
        ):
            told: dict[str, Any] = await answer.json()
        result: list[dict[str, Any]] = told["data"]["result"]
        return result


def _part(series: dict[str, Any]) -> str:
    return str(series["metric"].get(PART, ""))
