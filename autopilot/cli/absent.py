"""What to say of a resource that isn't there: where it is instead, or what is missing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from autopilot.kube.client import ApiError, NotFound

if TYPE_CHECKING:
    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType

_PATIENCE = 5.0
"""Seconds to look for it elsewhere."""


async def absent(client: KubeClient, kind: ResourceType, namespace: str, name: str) -> str:
    """What a person is told who named what isn't there.

    Args:
        client: The API that said so.
        kind: Of what kind.
        namespace: Where it was looked for.
        name: Its name.
    """
    said = f"there is no {kind.kind} {namespace}/{name}"
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await client.list(kind, fields=f"metadata.name={name}")
    except NotFound:
        return f"{said}: this cluster has no such kind; autopilot crds | kubectl apply -f -"
    except (ApiError, TimeoutError):
        return said
    homes = sorted(str(body["metadata"].get("namespace", "")) for body in found.items)
    return f"{said}; it is in {' and '.join(homes)}: -n {homes[0]}" if homes else said
