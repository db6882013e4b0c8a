"""Whether caches hold what the API holds at this moment: for tests that run on virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.client import NotFound
from autopilot.kube.store import key_of, version_of

if TYPE_CHECKING:
    from autopilot.kube.cache import Cache
    from autopilot.kube.client import KubeClient
    from autopilot.runtime.caches import Caches


async def caught_up(client: KubeClient, caches: Caches) -> bool:
    """Compare each cache with a list of its own."""
    for cache in caches:
        if not await _same(client, cache):
            return False
    return True


async def _same(client: KubeClient, cache: Cache) -> bool:
    where = cache.selection
    try:
        listing = await client.list(
            cache.kind, where.namespace, labels=where.labels, fields=where.fields
        )
    except NotFound:
        return cache.absent
    if not cache.available:
        return False
    there = {key_of(body): version_of(body) for body in listing.items}
    return there == {key_of(body): version_of(body) for body in cache.list()}
