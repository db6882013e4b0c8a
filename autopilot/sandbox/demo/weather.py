"""Rough weather for a flight: the operator dies, Prometheus goes away, somebody edits by hand."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from autopilot.kube.kinds import KNOWN
from autopilot.sandbox.demo import manifests
from autopilot.sandbox.demo.observer import canary_weight
from autopilot.sandbox.demo.record import Check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autopilot.kube.client import KubeClient
    from autopilot.sandbox.box import Box
    from autopilot.sandbox.demo.observer import Observer
    from autopilot.sandbox.demo.operator import Operator

Say = "Callable[[str], None]"

_VIRTUAL_SERVICES = KNOWN["virtualservices"]
_EVENTS = KNOWN["events"]
OUTAGE = 4.0
"""Seconds for which Prometheus stays away."""


class Weather:
    """Three kinds of trouble, each at a weight of its own.

    Args:
        box: The sandbox.
        operator: The process to kill.
        client: For the edit by hand.
        observer: Tells the canary's weight.
        say: Prints a line for people.
    """

    def __init__(
        self,
        box: Box,
        operator: Operator,
        client: KubeClient,
        observer: Observer,
        say: Callable[[str], None],
    ) -> None:
        self._box = box
        self._operator = operator
        self._client = client
        self._observer = observer
        self._say = say
        self.checks: list[Check] = []

    @property
    def weight(self) -> int | None:
        """The canary's present share."""
        return canary_weight(self._observer.get("VirtualService", manifests.APP))

    async def fly_through(self) -> None:
        """Wait for each weight in turn and make its trouble."""
        troubles: tuple[tuple[int, Callable[[], Awaitable[None]]], ...] = (
            (25, self.kill_operator),
            (50, self.stop_prometheus),
            (75, self.edit_by_hand),
        )
        for weight, trouble in troubles:
            await self._observer.until(
                partial(self._has_reached, weight),
                what=f"the canary at {weight} %",
                timeout=40,
            )
            await trouble()

    def _has_reached(self, weight: int) -> bool:
        return self.weight == weight

    async def kill_operator(self) -> None:
        """SIGKILL in the middle of a step, then a new process."""
        await asyncio.sleep(0.5)
        before = self.weight
        pid = self._operator.pid
        await self._operator.kill()
        self._say(f"operator pid {pid} killed with SIGKILL at {before} %")
        await asyncio.sleep(1.0)
        self._operator.start()
        after = self.weight
        self._say(f"operator started again, pid {self._operator.pid}, at {after} %")
        self.checks.append(Check(f"a killed operator goes on at {before} %", held=before == after))

    async def stop_prometheus(self) -> None:
        """No telemetry for a while: nothing may move."""
        await asyncio.sleep(0.3)
        before = self.weight
        await self._box.stop_prometheus()
        self._say(f"Prometheus stopped at {before} %: no verdict, nothing moves")
        await asyncio.sleep(OUTAGE)
        after = self.weight
        await self._box.start_prometheus()
        self._say(f"Prometheus is back after {OUTAGE:.0f} s, still at {after} %")
        self.checks.append(Check(f"without telemetry it held {before} %", held=before == after))

    async def edit_by_hand(self) -> None:
        """Somebody sends everything to the canary; it is set right, once."""
        await asyncio.sleep(0.5)
        before = self.weight
        repairs = await self._repairs()
        body = await self._client.get(_VIRTUAL_SERVICES, manifests.APP, manifests.NAMESPACE)
        http = body["spec"]["http"]
        for destination in http[0]["route"]:
            primary = destination["destination"]["host"].split(".")[0].endswith("-primary")
            destination["weight"] = 40 if primary else 60
        await self._client.patch(
            _VIRTUAL_SERVICES,
            manifests.APP,
            manifests.NAMESPACE,
            {"spec": {"http": http}},
            manager="kubectl-edit",
        )
        self._say("VirtualService edited by hand: canary 60 %")
        await self._observer.until(lambda: self.weight == before, what="the repair", timeout=10)
        self._say(f"repaired: {before} % again")
        await asyncio.sleep(1.0)
        count = await self._repairs() - repairs
        self.checks.append(Check("an edit by hand is repaired once", held=count == 1))

    async def _repairs(self) -> int:
        events = await self._client.list(_EVENTS, manifests.NAMESPACE)
        return sum(int(e.get("count") or 1) for e in events.items if e.get("reason") == "Repaired")
