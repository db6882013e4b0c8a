"""The three flights of the chaos demo, one after the other."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from autopilot.base.errors import TerminalError
from autopilot.kube.kinds import KNOWN
from autopilot.sandbox.demo import bookshop, measured
from autopilot.sandbox.demo.chaos_flight import TrialFlight
from autopilot.sandbox.demo.manifests import NAMESPACE
from autopilot.sandbox.demo.operator import command
from autopilot.sandbox.demo.record import Check
from autopilot.sandbox.demo.trial import TrialRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autopilot.sandbox.demo.chaos_flight import Watch
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.stage import Stage
    from autopilot.sandbox.load.generator import LoadGenerator

_SOON = 12.0
"""Seconds that a fault may be on which the page doesn't survive."""
_DURATION = 15.0
"""Seconds of the experiment on ratings, see its YAML."""
_LAG = 0.5
"""Seconds by which a change may be seen later than it was made."""
_CLEAN = 20.0
"""Seconds within which nothing of a flight may be left in the page's success rate."""


class Story:
    """Flies all three.

    Args:
        stage: Where.
        watch: What the flights are watched with.
        page: What is sent to productpage.
        checkout: What is sent to checkout.
        apply: Applies an experiment from its YAML.
    """

    def __init__(
        self,
        stage: Stage,
        watch: Watch,
        *,
        page: LoadGenerator,
        checkout: LoadGenerator,
        apply: Callable[[str], Awaitable[None]],
    ) -> None:
        self._stage = stage
        self._watch = watch
        self._page = page
        self._checkout = checkout
        self._apply = apply
        self._flight: TrialFlight | None = None
        down, slow = bookshop.RATINGS_DOWN, bookshop.PAYMENTS_SLOW
        self.fails = TrialRecord(
            "ratings abort all; reviews v4 passes the failure on", down, "Failed"
        )
        self.copes = TrialRecord("the same experiment again; reviews v3 copes", down, "Succeeded")
        self.reacts = TrialRecord(
            "payments slow for checkout's primary; its rule has to react", slow, "Succeeded"
        )

    @property
    def flights(self) -> list[TrialRecord]:
        """The records, in the order of the flights; those that weren't flown are unfinished."""
        return [self.fails, self.copes, self.reacts]

    async def tell(self) -> None:
        """Fly them; the rest is left out where one can't be flown."""
        try:
            await self._fails()
            await self._copes()
            await self._reacts()
        except TerminalError as error:
            self._watch.show.plain(f"  {error}")

    def heard(self, line: Line) -> None:
        """Take in a line of the controller's log."""
        if self._flight is not None and line.get("msg") == "decision":
            self._flight.decided(line)

    def normal(self) -> bool:
        """Whether checkout's rule leads to the primary."""
        status = self._watch.observer.get("Rule", bookshop.RULE).get("status", {})
        return bool(status.get("phase") == "Normal")

    # -- the flights --------------------------------------------------------------------------

    async def _fails(self) -> None:
        show = self._watch.show
        show.flight(1, self.fails.name)
        show.quote(bookshop.RATINGS_YAML)
        await self._fly(self.fails, "ratings", lambda: self._apply(bookshop.RATINGS_YAML))
        lasted(self.fails, at_most=_SOON)

    async def _copes(self) -> None:
        route = bookshop.reviews_route("v3")
        await self._stage.client.apply(KNOWN["virtualservices"], route, manager="kubectl")
        await self._clean()
        self._watch.show.flight(2, self.copes.name)
        await self._fly(self.copes, "ratings", self._again)
        lasted(self.copes, at_least=_DURATION)

    async def _reacts(self) -> None:
        show, record = self._watch.show, self.reacts
        show.flight(3, record.name)
        show.quote(bookshop.PAYMENTS_YAML)
        await self._fly(
            record, "payments", lambda: self._apply(bookshop.PAYMENTS_YAML), self._returned
        )
        went = [str(mark.what) for mark in record.others]
        text = f"the rule {bookshop.RULE} went {' → '.join(went) or 'nowhere'}"
        record.checks.append(Check(text, held="Standby" in went and went[-1] == "Normal"))
        record.checks.append(self._expected(record.experiment))

    async def _fly(
        self,
        record: TrialRecord,
        target: str,
        start: Callable[[], Awaitable[None]],
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        load = self._checkout if record is self.reacts else self._page
        self._flight = flight = TrialFlight(record, target, self._watch, load)
        try:
            await flight.fly(start, then)
        finally:
            self._flight = None
        self._watch.check()

    async def _again(self) -> None:
        rerun = ("experiment", "rerun", bookshop.RATINGS_DOWN, "-n", NAMESPACE)
        await command(*rerun, "--kubeconfig", str(self._stage.box.kubeconfig))
        said = f"autopilot experiment rerun {bookshop.RATINGS_DOWN}"
        self._watch.show.event(0.0, said, style="yellow")

    async def _returned(self) -> None:
        await self._watch.observer.until(self.normal, what="checkout's return", timeout=40)

    async def _clean(self) -> None:
        """Wait until nothing of the last flight is in the page's success rate.

        Raises:
            TerminalError: It stays.
        """
        try:
            async with asyncio.timeout(_CLEAN):
                prometheus = self._stage.box.state.prometheus_url
                while not await measured.flawless(prometheus, "productpage"):
                    self._watch.check()
                    await self._watch.clock.sleep(0.1)
        except TimeoutError:
            raise TerminalError("the page still fails, with reviews that cope") from None

    def _expected(self, experiment: str) -> Check:
        """What the experiment itself says of the reaction."""
        status = self._watch.observer.get("Experiment", experiment).get("status") or {}
        told = [
            f"{one['what']}: {one['after']:.1f} s"
            for one in status.get("expects") or ()
            if one.get("met")
        ]
        return Check(f"the experiment saw {', '.join(told) or 'no reaction'}", held=len(told) == 1)


def lasted(flight: TrialRecord, *, at_least: float = 0.0, at_most: float = math.inf) -> None:
    """Add a check of how long the fault was on."""
    seconds = flight.fault_seconds
    within = seconds is not None and at_least - _LAG <= seconds <= at_most
    limit = f"at most {at_most:.0f} s" if at_most < math.inf else f"its full {at_least:.0f} s"
    told = "never" if seconds is None else f"{seconds:.1f} s"
    flight.checks.append(Check(f"the fault was on for {told}: {limit}", held=within))
