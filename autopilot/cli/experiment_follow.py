"""Waits for the verdict of a run, and says meanwhile how it stands.

Where the waiting ends before the verdict (interrupted, or out of time), the run is aborted, unless
it was to be left: a fault whose pipeline was cancelled would else stay until its deadline with
nobody looking.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from typing import TYPE_CHECKING, Any

import click

from autopilot.base import durations
from autopilot.base.clock import SystemClock
from autopilot.base.errors import InvalidInput
from autopilot.base.timestamps import parse_time
from autopilot.cli.experimenting import order_abort, phase_of, run_of
from autopilot.kube.client import ApiError, NotFound
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.compile import compile_experiment
from autopilot.operators.chaos.conditions import Watch
from autopilot.operators.chaos.model import EXPERIMENTS
from autopilot.operators.chaos.report_export import export, write
from autopilot.operators.chaos.report_facts import facts
from autopilot.operators.chaos.report_model import REPORTS, RunRecord
from autopilot.verdict.units import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.base.clock import Clock
    from autopilot.cli.experiment_run import Waiting
    from autopilot.kube.client import Body, KubeClient
    from autopilot.operators.chaos.compile import Program

LOOK = 1.0
"""Seconds between two looks."""

TELL = 15.0
"""Seconds between two lines of progress."""

NOBODY = 15.0
"""Seconds after which it is said that nobody serves the experiment."""

LATER = 300.0
"""Seconds that a run may take beyond what its parts may take: for its turn, for slow answers."""

ENDING = 60.0
"""Seconds that are waited for the end of what was aborted, beyond its recovery."""

CODES = {machine.SUCCEEDED: 0, machine.FAILED: 1, machine.ERROR: 2}
"""Exit codes by verdict; any other is 3."""

INTERRUPTED = 130

_HOLDING = {"Halted", "Stalled", "Paused", "Latched", "Conflict", "Contested"}


async def follow(client: KubeClient, body: Body, last: int, waiting: Waiting) -> int:
    """Wait for the end of the run after run number `last`; returns the exit code."""
    follower = _Follower(client, body, last, waiting, SystemClock())
    with _signals(follower.interrupt):
        return await follower.wait()


class _Follower:
    def __init__(
        self, client: KubeClient, body: Body, last: int, waiting: Waiting, clock: Clock
    ) -> None:
        self._client = client
        self._body = body
        self._last = last
        self._waiting = waiting
        self._clock = clock
        self._began = clock.monotonic()
        self._program = _compiled(body)
        self._told = ""
        self._told_at = self._began
        self._interrupts = 0
        self._woken = asyncio.Event()

    def interrupt(self) -> None:
        """A signal came."""
        self._interrupts += 1
        self._woken.set()

    async def wait(self) -> int:
        """Until the verdict, or until nobody waits any more."""
        timeout = self._waiting.timeout or _longest(self._program)
        while not self._over():
            if self._interrupts:
                return await self._end("interrupted", INTERRUPTED)
            if self._clock.monotonic() - self._began > timeout:
                return await self._end(f"no verdict in {durations.render(round(timeout))}", 3)
            if not await self._look():
                return 3
        return await self._result()

    async def _look(self) -> bool:
        """Wait a moment and look again; False where the experiment is gone."""
        self._tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await self._woken.wait()
        meta = self._body["metadata"]
        try:
            found = await self._client.get(EXPERIMENTS, meta["name"], meta.get("namespace"))
        except NotFound:
            found = None
        except ApiError as error:
            # It goes on without us; the time-out is the only end of this.
            self._say(f"the API doesn't answer: {error}")
            return True
        if found is None or found["metadata"]["uid"] != meta["uid"]:
            self._say("the experiment was deleted; its fault is removed with it")
            return False
        self._body = found
        return True

    async def _end(self, why: str, code: int) -> int:
        """The waiting ends before the run."""
        if self._waiting.leave:
            self._say(f"{why}: the experiment goes on (autopilot experiment abort ends it)")
            return code
        self._say(f"{why}: {await order_abort(self._client, self._body, why)}")
        if not phase_of(self._body):
            self._say("nobody has looked at it: whichever controller does will end it first")
            return code
        before, self._woken = self._interrupts, asyncio.Event()
        within = self._program.spec.recovery.within.total_seconds() if self._program else 0.0
        limit = self._clock.monotonic() + within + ENDING
        while not self._over():
            if self._interrupts > before or self._clock.monotonic() > limit:
                self._say("the controller goes on removing the fault; where none runs: halt")
                return code
            if not await self._look():
                return code
        await self._result()
        return code

    def _over(self) -> bool:
        return run_of(self._body) > self._last and phase_of(self._body) in machine.VERDICTS

    async def _result(self) -> int:
        """Say how it ended, and write the Report where it is wanted."""
        phase, status = phase_of(self._body), self._body.get("status") or {}
        cause = (status.get("cause") or {}).get("message") or ""
        self._say(f"{phase}: {cause}" if cause else phase)
        record = await self._report(str(status.get("report") or ""))
        if record is not None:
            for name, value, remark in facts(record):
                click.echo(f"  {name:<18} {value}" + (f"  ({remark})" if remark else ""), err=True)
            if self._waiting.report is not None:
                write(record, self._waiting.report)
                click.echo(f"  {'report':<18} {self._waiting.report}", err=True)
            if self._waiting.quiet:
                click.echo(export(record, "json"))
        elif self._waiting.quiet:
            click.echo(json.dumps({"verdict": phase, "cause": cause}))
        return CODES.get(phase, 3)

    async def _report(self, name: str) -> RunRecord | None:
        if not name:
            return None
        try:
            body = await self._client.get(REPORTS, name, self._body["metadata"].get("namespace"))
            return RunRecord.from_body(body)
        except (ApiError, InvalidInput) as error:
            self._say(f"its Report can't be read: {error}")
            return None

    # -- progress -----------------------------------------------------------------------------

    def _tell(self) -> None:
        """A line where the phase has changed, or some time has gone by."""
        now, phase = self._clock.monotonic(), phase_of(self._body)
        status = self._body.get("status") or {}
        fresh = run_of(self._body) > self._last
        held = [*_held(status)]
        state = f"{phase}/{run_of(self._body)}/{status.get('waits') or ''}/{held}"
        if not phase and now - self._began > NOBODY:
            state = "nobody"
        if state == self._told and not (fresh and now - self._told_at > TELL):
            return
        self._told, self._told_at = state, now
        if state == "nobody":
            self._say("nobody has looked at it yet: does an autopilot controller run?")
        elif phase and (fresh or phase == machine.PENDING or held):
            self._say("; ".join([phase, *held, *self._details(status, phase)]))

    def _details(self, status: dict[str, Any], phase: str) -> Iterator[str]:
        if phase == machine.PENDING and status.get("waits"):
            yield f"waits: {status['waits']}"
        deadline = parse_time(status.get("deadline"))
        if phase in machine.INJECTED and deadline is not None:
            left = max(0.0, (deadline - self._clock.now()).total_seconds())
            yield f"{durations.render(round(left))} left"
        if phase in {machine.RECOVERING, machine.RECOVERY_FAILED} and status.get("verdict"):
            yield f"{status['verdict']}: {(status.get('cause') or {}).get('message') or ''}"
        if phase in {machine.CHECKING, machine.RUNNING} and self._program is not None:
            watch = Watch.from_wire(status.get("watch"))
            for one in self._program.conditions:
                tally = watch.of(one.name)
                if tally.value is not None and one.query is not None:
                    limit = f"{one.operator} {render(one.threshold, one.unit)} fails"
                    yield f"{one.name} {render(tally.value, one.unit)} ({limit})"
                elif tally.why:
                    yield f"{one.name} {tally.why}"

    def _say(self, text: str) -> None:
        since = self._clock.monotonic() - self._began
        click.echo(f"{since:6.1f}s  {text}", err=True)


def _held(status: dict[str, Any]) -> Iterator[str]:
    """What keeps the controller from going on."""
    for one in status.get("conditions") or ():
        if one.get("type") in _HOLDING and one.get("status") == "True":
            yield f"{one['type']}: {one.get('message') or one.get('reason') or ''}"


def _compiled(body: Body) -> Program | None:
    """As it stands in the cluster, which a webhook may have changed; None where that is wrong."""
    try:
        return compile_experiment(body["spec"], str(body["metadata"].get("namespace") or ""))
    except InvalidInput:
        return None


def _longest(program: Program | None) -> float:
    """Seconds that a run may take."""
    if program is None:
        return LATER
    spec = program.spec
    checks = (spec.baseline.samples + spec.max_errors) * spec.poll_interval
    whole = spec.duration + checks + spec.effect.within + spec.recovery.within
    return whole.total_seconds() + LATER


@contextlib.contextmanager
def _signals(handler: Any) -> Iterator[None]:
    """Ctrl-C and a pipeline's end call `handler`, for as long as it lasts."""
    loop, those = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    for one in those:
        loop.add_signal_handler(one, handler)
    try:
        yield
    finally:
        for one in those:
            loop.remove_signal_handler(one)
