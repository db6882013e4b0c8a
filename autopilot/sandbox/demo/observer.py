"""Watches the sandbox's objects as anybody could, and notes when each changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import TerminalError
from autopilot.kube.client import ApiError, Body
from autopilot.sandbox.demo import manifests

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.base.clock import Clock
    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType


@dataclass(slots=True)
class Observer:
    """The last known state of a few objects, and a condition to wait on.

    Attributes:
        clock: Where times come from.
        seen: By kind and name, the last body.
        listeners: Called with each change.
    """

    clock: Clock
    seen: dict[tuple[str, str], Body] = field(default_factory=dict)
    listeners: list[Callable[[Body], None]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, client: KubeClient, kind: ResourceType) -> None:
        """Follow a kind in the demo's namespace until cancelled, over broken watches."""
        while True:
            try:
                listing = await client.list(kind, manifests.NAMESPACE)
                for body in listing.items:
                    self.note(body)
                stream = client.watch(
                    kind, manifests.NAMESPACE, resource_version=listing.resource_version
                )
                async for event in stream:
                    if event.type == "DELETED":
                        self.forget(event.object)
                    elif event.type != "BOOKMARK":
                        self.note(event.object)
            except ApiError:
                await self.clock.sleep(0.2)

    def note(self, body: Body) -> None:
        """Take in a body."""
        self.seen[(body.get("kind", ""), body["metadata"]["name"])] = body
        for listener in self.listeners:
            listener(body)
        self._changed.set()

    def forget(self, body: Body) -> None:
        """Take in a deletion."""
        self.seen.pop((body.get("kind", ""), body["metadata"]["name"]), None)
        self._changed.set()

    def get(self, kind: str, name: str) -> Body:
        """The last known body; empty if there is none."""
        return self.seen.get((kind, name), {})

    async def until(
        self, condition: Callable[[], bool], *, what: str, timeout: float = 30.0
    ) -> None:
        """Wait until a condition over what was seen holds.

        Raises:
            TerminalError: It didn't within `timeout` seconds.
        """
        deadline = self.clock.monotonic() + timeout
        while not condition():
            left = deadline - self.clock.monotonic()
            if left <= 0:
                raise TerminalError(f"waited {timeout:.0f} s in vain for {what}")
            self._changed.clear()
            try:
                async with asyncio.timeout(min(left, 0.1)):
                    await self._changed.wait()
            except TimeoutError:
                continue


def canary_weight(virtual_service: Body) -> int | None:
    """The percentage of a VirtualService that goes to the canary; None if there is no route."""
    for route in virtual_service.get("spec", {}).get("http", []):
        for destination in route.get("route", []):
            host = destination.get("destination", {}).get("host", "")
            if host.split(".")[0] == f"{manifests.APP}-canary":
                return int(destination.get("weight", 0))
    return None
