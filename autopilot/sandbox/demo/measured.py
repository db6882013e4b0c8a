"""What the sandbox's Prometheus knows: whether a demo may begin, or go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMEOUT = aiohttp.ClientTimeout(total=2)


async def rates(prometheus: str, services: Sequence[str]) -> bool:
    """Whether there is a rate of every service: two scrapes of each.

    Args:
        prometheus: Its address.
        services: Their bare names.
    """
    rate = _rate("|".join(services))
    known = await _ask(prometheus, f"count(sum by(destination_service_name)({rate}))")
    return known == len(services)


async def flawless(prometheus: str, service: str) -> bool:
    """Whether no request to a service has failed in the last 4 seconds.

    Args:
        prometheus: Its address.
        service: Its bare name.
    """
    good = _rate(service, 'response_code!~"5.."')
    return await _ask(prometheus, f"sum({good}) / sum({_rate(service)})") == 1.0


def _rate(services: str, *more: str) -> str:
    labels = ('reporter="source"', f'destination_service_name=~"{services}"', *more)
    return f"rate(istio_requests_total{{{','.join(labels)}}}[4s])"


async def _ask(prometheus: str, query: str) -> float | None:
    """One number; None where there is none."""
    url = f"{prometheus}/api/v1/query"
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(url, params={"query": query}) as answer,
        ):
            found = (await answer.json())["data"]["result"]
            return float(found[0]["value"][1]) if found else None
    except (aiohttp.ClientError, TimeoutError, KeyError):
        return None
