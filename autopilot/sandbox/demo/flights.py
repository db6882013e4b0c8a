"""One flight: a new version of the app is released, and the operator deals with it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.sandbox.demo import manifests
from autopilot.sandbox.demo.observer import Observer, canary_weight
from autopilot.sandbox.demo.record import (
    PROMOTED,
    ROLLED_BACK,
    UNFINISHED,
    Decision,
    FlightRecord,
    Mark,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autopilot.base.clock import Clock
    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.show import Show
    from autopilot.sandbox.load.generator import LoadGenerator

CANARIES = ResourceType(manifests.GROUP, manifests.VERSION, "canaries", manifests.KIND)
_AFTERWARDS = 1.0
"""Seconds that a flight goes on after its end: answers under way still count."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is flown.

    Attributes:
        name: For people.
        release: The version to release.
        expected: The outcome that it should have.
        limit: Seconds beyond which an answer of the canary is a bad one.
    """

    name: str
    release: manifests.Release
    expected: str
    limit: float | None = None


PLANS = (
    Plan("v2 is good, in rough weather", manifests.V2, PROMOTED),
    Plan("v3 answers 5 % of its requests with 500", manifests.V3, ROLLED_BACK),
    Plan("v4 delays 5 % of its answers by 300 ms", manifests.V4, ROLLED_BACK, limit=0.2),
)


class Flight:
    """Flies one plan and keeps the record.

    Args:
        plan: What to fly.
        client: For the release.
        observer: Tells phases and weights.
        load: Where requests are recorded.
        show: Prints.
        clock: The load generator's clock.
    """

    def __init__(
        self,
        plan: Plan,
        client: KubeClient,
        observer: Observer,
        load: LoadGenerator,
        show: Show,
        clock: Clock,
    ) -> None:
        self._plan = plan
        self._client = client
        self._observer = observer
        self._load = load
        self._show = show
        self._clock = clock
        self.record = FlightRecord(
            plan.name, plan.expected, canary=f"{manifests.APP}-canary", limit=plan.limit
        )
        self._attempts = len(self._history())

    @property
    def at(self) -> float:
        """Seconds since the flight began."""
        return self._clock.monotonic() - self.record.began

    async def fly(
        self, weather: Callable[[], Awaitable[None]] | None = None, *, timeout: float = 90.0
    ) -> FlightRecord:
        """Release, and wait until the operator is done with it."""
        record = self.record
        record.began = self._clock.monotonic()
        record.weights.append(Mark(0.0, 0))
        self._observer.listeners.append(self._note)
        trouble = asyncio.ensure_future(weather()) if weather else None
        try:
            await self._release()
            await self._observer.until(self._over, what="the flight's end", timeout=timeout)
            if trouble is not None:
                await asyncio.wait_for(trouble, 10)
            record.outcome = self._outcome()
            record.seconds = self.at
            await self._clock.sleep(_AFTERWARDS)
        finally:
            self._observer.listeners.remove(self._note)
            if trouble is not None:
                trouble.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await trouble
        record.requests = self._load.window(record.began)
        return record

    def decided(self, line: Line) -> None:
        """Take in a decision from the operator's log."""
        self.record.decisions += decisions(self.at, line)
        self._show.decision(self.at, line)

    async def _release(self) -> None:
        release = self._plan.release
        self._show.event(self.at, f"kubectl apply: {manifests.APP} becomes {release.version}")
        patch = {"spec": {"template": manifests.template(release)}}
        await self._client.patch(
            KNOWN["deployments"], manifests.APP, manifests.NAMESPACE, patch, manager="kubectl"
        )

    def _note(self, body: Body) -> None:
        record = self.record
        if body.get("kind") == manifests.KIND:
            phase = body.get("status", {}).get("phase", "")
            if phase and (not record.phases or record.phases[-1].what != phase):
                record.phases.append(Mark(self.at, phase))
        elif body.get("kind") == "VirtualService":
            weight = canary_weight(body)
            if weight is not None and (not record.weights or record.weights[-1].what != weight):
                record.weights.append(Mark(self.at, weight))

    def _over(self) -> bool:
        status = self._status()
        return len(self._history()) > self._attempts and status.get("phase") == "Waiting"

    def _outcome(self) -> str:
        history = self._history()
        if len(history) <= self._attempts:
            return UNFINISHED
        return PROMOTED if history[-1].get("promotionSucceeded") else ROLLED_BACK

    def _history(self) -> list[dict[str, Any]]:
        return list(self._status().get("history") or [])

    def _status(self) -> dict[str, Any]:
        canary = self._observer.get(manifests.KIND, manifests.APP)
        return dict(canary.get("status") or {})


def decisions(at: float, line: Line) -> list[Decision]:
    """One per comparison that the worker made on what it read."""
    return [
        Decision(at, read["promql"], read["value"], judged["verdict"])
        for read in line.get("reads", [])
        for judged in read["judged"]
    ]
