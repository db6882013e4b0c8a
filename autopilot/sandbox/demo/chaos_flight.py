"""One run of an experiment, watched from outside: phases, the fault in the route and in Envoy."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.base.tasks import cancel_and_wait
from autopilot.sandbox.demo import evidence, proof
from autopilot.sandbox.demo.record import Check, Mark
from autopilot.sandbox.demo.trial import VERDICTS, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autopilot.base.clock import Clock
    from autopilot.kube.client import Body
    from autopilot.sandbox.demo.observer import Observer
    from autopilot.sandbox.demo.operator import Line
    from autopilot.sandbox.demo.show import Show
    from autopilot.sandbox.load.generator import LoadGenerator

_PATIENCE = 45.0
"""Seconds within which a run has to be over."""
_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True, slots=True)
class Watch:
    """What a flight is watched with.

    Attributes:
        observer: Tells the objects of the API.
        admin_url: Envoy's admin interface.
        show: Prints.
        clock: The load generators' clock.
        check: Raises `TerminalError` when there is no controller any more.
    """

    observer: Observer
    admin_url: str
    show: Show
    clock: Clock
    check: Callable[[], None]


class TrialFlight:
    """Flies one run and keeps its record.

    Args:
        record: To be filled in.
        target: The VirtualService that the fault goes into.
        watch: What it is watched with.
        load: What is sent meanwhile.
    """

    def __init__(self, record: TrialRecord, target: str, watch: Watch, load: LoadGenerator) -> None:
        self.record = record
        self._target = target
        self._watch = watch
        self._load = load
        self._before: Body = {}

    @property
    def at(self) -> float:
        """Seconds since the flight began."""
        return self._watch.clock.monotonic() - self.record.began

    async def fly(
        self,
        start: Callable[[], Awaitable[None]],
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Start the experiment and see it through.

        Args:
            start: Starts it.
            then: What is waited for after its verdict, as a part of the flight; None for nothing.
        """
        watch, record = self._watch, self.record
        record.began = watch.clock.monotonic()
        self._before = self._route()
        counted = await evidence.read_carried(watch.admin_url)
        watch.observer.listeners.append(self._note)
        looking = asyncio.create_task(self._look_into_envoy())
        try:
            await start()
            await watch.observer.until(
                self._over, what=f"the end of {record.experiment}", timeout=_PATIENCE
            )
            left = await evidence.read_faulty_routes(watch.admin_url)
            if then is not None:
                await then()
        except (TerminalError, RetryLater) as error:
            watch.show.event(self.at, str(error), style="bold red")
            record.checks.append(Check(str(error), held=False))
            return
        finally:
            await cancel_and_wait(looking)
            watch.observer.listeners.remove(self._note)
            record.seconds = self.at
            record.requests = self._load.window(record.began)
        record.carried = await evidence.read_carried(watch.admin_url) - counted
        self._judge(left)

    def decided(self, line: Line) -> None:
        """Show a decision from the controller's log, where it moves a phase or changes a route."""
        phase, following = str(line.get("phase", "")), str(line.get("next") or "")
        changes = [
            text for text in line.get("changes", ()) if not text.startswith(("status:", "Report "))
        ]
        if following == phase and not changes:
            return
        told = {key: line.get(key, "") for key in ("phase", "next", "message")}
        # A verdict is told once, when it is made.
        reason = line.get("reason", "")
        told |= {"reason": reason if reason not in (phase, following) else "", "changes": changes}
        if following in VERDICTS:
            told |= {"message": ""}
        self._watch.show.decision(self.at, told)

    # -- what is seen -------------------------------------------------------------------------

    def _over(self) -> bool:
        self._watch.check()
        return bool(self.record.phases) and self.record.phases[-1].what in VERDICTS

    def _note(self, body: Body) -> None:
        record, status = self.record, body.get("status") or {}
        phase, name = str(status.get("phase") or ""), body["metadata"]["name"]
        match body.get("kind"), name:
            case "Experiment", record.experiment:
                # One that ran before stands on its last verdict until the new run begins.
                if not phase or (not record.phases and phase in VERDICTS):
                    return
                record.cause = str((status.get("cause") or {}).get("message") or "")
                record.report = str(status.get("report") or "")
                if not record.phases or record.phases[-1].what != phase:
                    record.phases.append(Mark(self.at, phase))
            case "Rule", _:
                if phase and (not record.others or record.others[-1].what != phase):
                    record.others.append(Mark(self.at, phase))
            case "VirtualService", self._target:
                faulty = has_fault(body)
                if faulty and record.laid is None:
                    record.laid = self.at
                elif not faulty and record.laid is not None and record.gone is None:
                    record.gone = self.at

    async def _look_into_envoy(self) -> None:
        """How many routes Envoy has the fault on while the API says that it is there."""
        while True:
            if self.record.laid is not None and self.record.gone is None:
                with contextlib.suppress(RetryLater):
                    found = await evidence.read_faulty_routes(self._watch.admin_url)
                    self.record.in_force = max(self.record.in_force, len(found))
            await self._watch.clock.sleep(_BETWEEN_LOOKS)

    def _route(self) -> Body:
        return self._watch.observer.get("VirtualService", self._target)

    # -- what came of it ----------------------------------------------------------------------

    def _judge(self, left: list[str]) -> None:
        record, checks = self.record, self.record.checks
        routes = "1 route" if record.in_force == 1 else f"{record.in_force} routes"
        while_on = f"while the fault was on, Envoy had it on {routes}"
        checks.append(Check(f"{while_on}; at the verdict on {len(left)}", held=_was(record, left)))
        wrong = proof.differences(self._before, self._route())
        said = f"VirtualService {self._target}: {', '.join(proof.PARTS)} as before"
        checks.append(Check("; ".join(wrong) or said, held=not wrong))


def _was(record: TrialRecord, left: list[str]) -> bool:
    return record.in_force > 0 and not left


def has_fault(virtual_service: Body) -> bool:
    """Whether a route of a VirtualService injects one."""
    ways = virtual_service.get("spec", {}).get("http", [])
    return any(way.get("fault") for way in ways)
