"""Reads from a cluster and a metrics server; what can't be read is noted, never fatal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from autopilot.base.clock import SystemClock
from autopilot.cli.cluster import NO_METRICS, Access
from autopilot.kube.client import ApiError, Forbidden, NotFound
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.prometheus import PrometheusSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from autopilot.kube.client import Body, KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.telemetry.query import BoundQuery
    from autopilot.telemetry.sample import Sample

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that one part may take."""


@dataclass(slots=True)
class Reader:
    """Reads from a cluster.

    Attributes:
        client: The API.
        unknown: What couldn't be read, and why.
    """

    client: KubeClient
    unknown: dict[str, str] = field(default_factory=dict)

    async def tried(self, what: str, call: Awaitable[T], absent: T | None = None) -> T | None:
        """The answer; `absent` where it isn't there at all, None with a note where it failed."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await call
        except NotFound:
            return absent
        except TimeoutError:
            self.unknown[what] = f"no answer in {PATIENCE:g} s"
        except ApiError as error:
            self.unknown[what] = str(error)
        return None

    async def listed(self, kind: ResourceType, namespace: str | None) -> list[Body] | None:
        """All of a kind; none where the cluster doesn't have the kind."""
        return await self.tried(kind.qualified, self._items(kind, namespace), [])

    async def everywhere(self, kind: ResourceType, home: str) -> list[Body] | None:
        """All of a kind in all namespaces; in one, with a note, where others aren't to be seen."""
        try:
            return await self.tried(kind.qualified, self._unless_forbidden(kind), [])
        except _NotAll:
            self.unknown[kind.qualified] = f"only those of namespace {home} may be seen"
        return await self.listed(kind, home)

    async def _items(self, kind: ResourceType, namespace: str | None) -> list[Body]:
        return (await self.client.list(kind, namespace)).items

    async def _unless_forbidden(self, kind: ResourceType) -> list[Body]:
        try:
            return await self._items(kind, None)
        except Forbidden as error:
            raise _NotAll from error


class _NotAll(Exception):
    """Nobody may list all namespaces."""


async def asked(
    reader: Reader, access: Access, queries: Mapping[str, BoundQuery]
) -> dict[str, Sample]:
    """The answers of the metrics server; none, and a note why, where none is named.

    A source that a resource names itself is never followed from here: whoever looks has other
    rights than the controller, and its allow-list isn't known. The named server is asked instead.
    """
    refs = {query.source for query in queries.values() if query.source}
    own = sorted(str(ref) for ref in refs if ref.url != access.metrics_server or ref.secret)
    if own:
        instead = access.metrics_server or "nobody"
        reader.unknown["its own source"] = (
            f"{', '.join(own)} isn't asked from here; {instead} is, whose values may be others; "
            "name it with --metrics-server to see what the controller sees"
        )
    if not access.metrics_server:
        reader.unknown["signals"] = NO_METRICS
        return {}
    source = PrometheusSource(access.metrics_server)
    poller = Poller(source, SystemClock(), default_interval=PATIENCE, timeout=PATIENCE)
    try:
        here = [replace(query, source=None) for query in queries.values()]
        answers = await asyncio.gather(*(poller.read(each, "cli") for each in here))
    finally:
        await poller.close()
        await source.close()
    return dict(zip(queries, answers, strict=True))
