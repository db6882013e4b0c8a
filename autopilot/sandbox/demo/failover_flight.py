"""The outage itself: what is done to two services alike, and what comes of each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import TerminalError
from autopilot.kube.client import ApiError
from autopilot.kube.kinds import KNOWN
from autopilot.sandbox.demo import manifests, proof, shop
from autopilot.sandbox.demo.outage import OutageRecord, Step
from autopilot.sandbox.demo.record import Check, Mark
from autopilot.sandbox.load import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autopilot.base.clock import Clock
    from autopilot.kube.client import Body, KubeClient
    from autopilot.sandbox.demo.observer import Observer
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.show import Show
    from autopilot.sandbox.load.generator import LoadGenerator

_BEFORE = 3.0
"""Seconds of fair weather at the beginning; as many are flown at the end."""
_UNTIL_LOSS = 2.0
"""Seconds from the failover to the loss of the pods."""
_LOST = 4.0
"""Seconds without any pod."""
_UNTIL_MENDED = 3.0
"""Seconds from the failed trial; the next one comes 10 s after it."""
_PATIENCE = 40.0
"""Seconds within which each phase has to come."""
_LAG = 0.5
"""Seconds by which a phase may be seen later than it began."""
_FACTOR = 3
"""How many times fewer requests than without autopilot have to fail."""


class OutageFlight:
    """Flies both services through the outage and keeps their records.

    Args:
        client: For the faults.
        observer: Tells the rule's phase, the route and the pods.
        loads: What is sent to each of the two.
        show: Prints.
        clock: The load generators' clock.
    """

    def __init__(
        self,
        client: KubeClient,
        observer: Observer,
        loads: Mapping[shop.Pair, LoadGenerator],
        show: Show,
        clock: Clock,
    ) -> None:
        self._client = client
        self._observer = observer
        self._loads = loads
        self._show = show
        self._clock = clock
        self._lost = (0.0, 0.0)
        self._before: Body = {}
        self._check: Callable[[], None] = lambda: None
        self.aided = OutageRecord(
            "checkout, with autopilot", shop.AIDED.primary, route=shop.PHASES, began=0.0
        )
        self.alone = OutageRecord("cart, the same without autopilot", shop.ALONE.primary)

    @property
    def at(self) -> float:
        """Seconds since the flight began."""
        return self._clock.monotonic() - self.aided.began

    async def fly(self, check: Callable[[], None]) -> None:
        """Break, lose, bring back, mend; afterwards judge what came of it.

        Args:
            check: Raises `TerminalError` when there is no controller any more.
        """
        self._check = check
        before = self._before = self._route()
        self.aided.began = self.alone.began = self._clock.monotonic()
        self.aided.weights.append(Mark(0.0, 0))
        phase = self._observer.get("Rule", shop.RULE).get("status", {}).get("phase", "")
        self.aided.phases.append(Mark(0.0, phase))
        self._observer.listeners.append(self._note)
        try:
            await self._story()
            await self._clock.sleep(_BEFORE)
        except TerminalError as error:
            self._show.event(self.at, str(error), style="bold red")
        finally:
            self._observer.listeners.remove(self._note)
        for record, pair in ((self.aided, shop.AIDED), (self.alone, shop.ALONE)):
            record.seconds = self.at
            record.requests = self._loads[pair].window(record.began)
        self._judge()
        await self._prove(before)

    def decided(self, line: Line) -> None:
        """Take in a decision from the controller's log, where it moves something."""
        step = step_of(self.at, line)
        if step is None:
            return
        self.aided.decisions.append(step)
        following = step.following if step.following != step.phase else ""
        # The message has the signals by the rule's own names, with their values.
        told = {"phase": step.phase, "next": following, "reason": step.reason}
        changes = list(step.changes)
        self._show.decision(step.at, {**told, "message": step.message, "changes": changes})

    # -- the story ----------------------------------------------------------------------------

    async def _story(self) -> None:
        await self._clock.sleep(_BEFORE)
        await self._release(shop.BAD, "answers half of its requests with 500")
        await self._entered(1)
        await self._clock.sleep(_UNTIL_LOSS)
        self._look_at_route()
        await self._scale(0, "lose all their pods")
        await self._observer.until(lambda: self._pods() == 0, what="the loss of the pods")
        begin = self.at
        await self._clock.sleep(_LOST)
        self._lost = (begin, self.at)
        await self._scale(shop.REPLICAS, "get their pods back, as bad as before")
        await self._entered(3)
        await self._clock.sleep(_UNTIL_MENDED)
        await self._release(shop.MENDED, "is mended")
        await self._entered(len(shop.PHASES) - 1)
        await self._observer.until(
            lambda: shop.AIDED.standby_share(self._route()) == 0, what="the route's return"
        )

    def _look_at_route(self) -> None:
        """While the standby answers the route isn't as before: else the proof would be none."""
        parts = proof.changed(self._before, self._route())
        text = f"until it is undone, the route differs in {', '.join(parts)}"
        self._show.event(self.at, text, style="dim")
        wanted = {"spec", "annotations"} <= {*parts}
        self.aided.checks.append(
            Check(
                f"while the standby answered, the route differed in {', '.join(parts)}", held=wanted
            )
        )

    async def _entered(self, index: int) -> None:
        def there() -> bool:
            self._check()
            return len(self.aided.phases) > index

        await self._observer.until(
            there,
            what=f"the phase {shop.PHASES[index]}",
            timeout=_PATIENCE,
        )

    async def _release(self, release: manifests.Release, text: str) -> None:
        def patch(name: str) -> dict[str, Any]:
            return {"spec": {"template": manifests.template(release, name=name)}}

        self._fault(f"checkout and cart become {release.version}, which {text}")
        await self._both(patch)

    async def _scale(self, replicas: int, text: str) -> None:
        self._fault(f"checkout and cart {text}")
        await self._both(lambda name: {"spec": {"replicas": replicas}})

    async def _both(self, patch: Callable[[str], dict[str, Any]]) -> None:
        async with asyncio.TaskGroup() as group:
            for pair in (shop.AIDED, shop.ALONE):
                name = pair.primary
                group.create_task(
                    self._client.patch(
                        *(KNOWN["deployments"], name, manifests.NAMESPACE, patch(name)),
                        manager="kubectl",
                    )
                )

    def _fault(self, text: str) -> None:
        self._show.event(self.at, text, style="yellow")
        for record in (self.aided, self.alone):
            record.faults.append(Mark(self.at, text))

    # -- what is seen -------------------------------------------------------------------------

    def _note(self, body: Body) -> None:
        name = body["metadata"]["name"]
        if (body.get("kind"), name) == ("Rule", shop.RULE):
            phase = body.get("status", {}).get("phase", "")
            if phase and phase != self.aided.phases[-1].what:
                self.aided.phases.append(Mark(self.at, phase))
        elif (body.get("kind"), name) == ("VirtualService", shop.AIDED.primary):
            share = shop.AIDED.standby_share(body)
            if share is not None and share != self.aided.weights[-1].what:
                self.aided.weights.append(Mark(self.at, share))

    def _route(self) -> Body:
        return self._observer.get("VirtualService", shop.AIDED.primary)

    def _pods(self) -> int:
        """How many pods are there at most, of either."""
        found = (self._observer.get("Deployment", p.primary) for p in (shop.AIDED, shop.ALONE))
        return max(int(body.get("status", {}).get("replicas") or 0) for body in found)

    # -- what came of it ----------------------------------------------------------------------

    def _judge(self) -> None:
        aided, checks = self.aided, self.aided.checks
        lost = stats.totals(aided.between(*self._lost))
        text = f"without a single pod of checkout {lost.failed} of {lost.requests} requests failed"
        checks.append(Check(text, held=lost.requests > 0 and lost.failed == 0))
        waits = [end - begin for begin, end in aided.stays("Standby")]
        told = ", then ".join(f"{wait:.1f} s" for wait in waits) or "never"
        text = f"back on trial after {told}: a failed trial doubles the wait"
        checks.append(Check(text, held=_doubled(waits)))
        steps = self._return()
        text = f"checkout got its traffic back in steps: {' → '.join(f'{s} %' for s in steps)}"
        checks.append(Check(text, held=steps == [5, 25, 50, 100]))
        failed, otherwise = aided.totals.failed, self.alone.totals.failed
        text = f"{failed:,} requests failed, {otherwise:,} without autopilot"
        checks.append(Check(text, held=failed * _FACTOR < otherwise))

    def _return(self) -> list[int]:
        """The primary's shares since it last had none."""
        shares = [100 - int(mark.what) for mark in self.aided.weights]
        last = max((index for index, share in enumerate(shares) if share == 0), default=0)
        return shares[last + 1 :]

    async def _prove(self, before: Body) -> None:
        """Compare the user's route with what it was, as the API has it."""
        kind, pair = KNOWN["virtualservices"], shop.AIDED
        checks = self.aided.checks
        after = await self._client.get(kind, pair.primary, manifests.NAMESPACE)
        wrong = proof.differences(before, after)
        said = f"VirtualService {pair.primary}: {', '.join(proof.PARTS)} as before"
        said += f" (owner: {', '.join(proof.owners(after))})"
        checks.append(Check("; ".join(wrong) or said, held=not wrong))
        text = "its owner applies his file again: no conflict, nothing changes"
        try:
            again = await self._client.apply(
                kind, pair.virtual_service(), manager="kubectl", force=False
            )
        except ApiError as error:
            checks.append(Check(f"its owner can't apply his file again: {error}", held=False))
            return
        same = again["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
        checks.append(Check(text, held=same))


def step_of(at: float, line: Line) -> Step | None:
    """A log line's decision; None for one that moves neither phase nor traffic."""
    phase = str(line.get("phase", ""))
    following = str(line.get("next") or phase)
    changes = tuple(text for text in line.get("changes", ()) if not text.startswith("status:"))
    if following == phase and not changes:
        return None
    reason, message = str(line.get("reason", "")), str(line.get("message", ""))
    if following == phase and reason == phase:
        reason, message = "", message or "the ladder's next rung"
    return Step(at, phase, following, reason, message, changes)


def _doubled(waits: Sequence[float]) -> bool:
    """Whether the second wait was twice the rule's 5 s; what is seen lags behind what is done.

    The first may be longer, since it takes ready pods as well.
    """
    return len(waits) == 2 and waits[0] > 5 - _LAG and waits[1] > 10 - _LAG
