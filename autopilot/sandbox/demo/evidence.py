"""What Envoy itself says of faults: the requests that it counted, and the routes that have one."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp

from autopilot.base.errors import RetryLater
from autopilot.sandbox.mesh.admin import Admin
from autopilot.sandbox.mesh.faults import FILTER

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = {"FI": "aborted by the fault", "DI": "delayed by the fault"}
"""Envoy's response flags of injected faults."""

_COUNTER = re.compile(r"envoy_istio_requests_total\{(.*)\} (\d+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_TIMEOUT = aiohttp.ClientTimeout(total=5)

Carried = Counter[tuple[str, str]]
"""Requests by (service, flag)."""


def carried(text: str) -> Carried:
    """The requests that carried a fault's flag, as the callers' proxies counted them.

    Args:
        text: Envoy's counters in Prometheus's format.
    """
    found: Carried = Counter()
    for labels, count in _COUNTER.findall(text):
        told = dict(_LABEL.findall(labels))
        if told.get("reporter") != "source":
            continue
        for flag in told.get("response_flags", "").split(","):
            if flag in FLAGS:
                found[(told.get("destination_service_name", ""), flag)] += int(count)
    return found


def faulty_routes(dump: Any) -> list[str]:
    """The routes of a configuration dump that abort or delay requests, as `DOMAIN: ROUTE`."""
    return [
        f"{host['domains'][0] if host.get('domains') else host.get('name', '')}: "
        f"{route.get('name') or route.get('match')}"
        for host in _virtual_hosts(dump)
        for route in host.get("routes", [])
        if _injects(route.get("typed_per_filter_config", {}).get(FILTER, {}))
    ]


async def read_carried(admin_url: str) -> Carried:
    """Ask Envoy for its counters.

    Raises:
        RetryLater: It doesn't answer.
    """
    url = f"{admin_url}/stats/prometheus?usedonly&filter=^istio%5C.requests_total"
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.get(url) as answer:
            answer.raise_for_status()
            return carried(await answer.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RetryLater(f"Envoy doesn't tell its counters: {error}") from error


async def read_faulty_routes(admin_url: str) -> list[str]:
    """Ask Envoy for the routes that it has in force.

    Raises:
        RetryLater: It doesn't answer.
    """
    async with Admin(admin_url) as admin:
        return faulty_routes(await admin.get("/config_dump?resource=dynamic_route_configs"))


def _virtual_hosts(dump: Any) -> Iterator[dict[str, Any]]:
    """All virtual hosts, however deep they are."""
    if isinstance(dump, dict):
        yield from dump.get("virtual_hosts", [])
        children = [value for key, value in dump.items() if key != "virtual_hosts"]
    else:
        children = dump if isinstance(dump, list) else []
    for child in children:
        yield from _virtual_hosts(child)


def _injects(config: dict[str, Any]) -> bool:
    """Whether a fault filter's configuration does anything."""
    return "abort" in config or "delay" in config
