"""What Prometheus has, and since when, by the times of its own samples."""

from __future__ import annotations

from typing import Any

import aiohttp

from autopilot.telemetry.query import PART
from benchmarks.figures import arrivals

_STEP = 0.05
"""Seconds between the moments at which a query is asked again."""


class Prometheus:
    """Queries of the past.

    Args:
        url: Where it answers.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1"

    async def scrapes(self, selector: str, since: float, until: float) -> list[float]:
        """When the samples of a selector were scraped, within a range of wall-clock seconds."""
        seconds = max(1, int(until - since) + 1)
        form = {"query": f"{selector}[{seconds}s]", "time": f"{until:.3f}"}
        found = await self._ask("query", form)
        return [at for at in arrivals(found) if since <= at <= until]

    async def breach(self, promql: str, limit: float, since: float, until: float) -> float | None:
        """When a query's value was above a limit first, in wall-clock seconds; None if never.

        Args:
            promql: As the operator sends it, its parts labelled.
            limit: What the value has to exceed.
            since: Where to begin.
            until: Where to end.
        """
        times = {"start": f"{since:.3f}", "end": f"{until:.3f}", "step": f"{_STEP:g}"}
        series = await self._ask("query_range", {"query": promql, **times})
        values = [pair for one in series if _part(one) == "value" for pair in one["values"]]
        return min((float(at) for at, value in values if float(value) > limit), default=None)

    async def _ask(self, what: str, form: dict[str, str]) -> list[dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.post(f"{self._url}/{what}", data=form) as answer,
        ):
            told: dict[str, Any] = await answer.json()
        result: list[dict[str, Any]] = told["data"]["result"]
        return result


def _part(series: dict[str, Any]) -> str:
    return str(series["metric"].get(PART, ""))
