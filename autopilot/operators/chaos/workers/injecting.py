"""Checking and Injecting: the steady state, then the fault."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.kube.cache import CacheUnavailable
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.compile import with_deadline
from autopilot.operators.chaos.conditions import Outcome
from autopilot.operators.chaos.workers.look import Look
from autopilot.operators.chaos.workers.pending import refusal
from autopilot.operators.chaos.workers.poll import BASELINE, Polls
from autopilot.operators.chaos.workers.recording import resume
from autopilot.overlay.errors import Held
from autopilot.runtime.result import Result
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from autopilot.base.errors import AutopilotError
    from autopilot.mesh.actions import Fault
    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.operators.chaos.status import ExperimentStatus
    from autopilot.operators.chaos.workers.look import Crew
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

GRACE = timedelta(seconds=5)
"""How long after the end of a run the sweep removes what its operator should have removed."""

STALE = timedelta(seconds=30)
"""An injection that wasn't finished within this time isn't taken up again."""


LONGEST = 10
"""So many times the polls that are needed, the steady state is looked for."""


class Checking:
    """Looks whether the steady state holds.

    Args:
        crew: See there.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(
        self, res: Resource[Spec, ExperimentStatus], inputs: Inputs, ctx: Context[ChaosConfig]
    ) -> Result[Any]:
        """Poll, and go on when it has held for long enough."""
        look = Look(self._crew, res, inputs, ctx)
        if (decided := look.decided()) is not None:
            return decided
        await resume(look)
        if (outcome := look.interrupted()) is not None:
            return look.end(outcome)
        self._crew.claims.drop(res.uid)
        spec = look.program.spec
        polls = Polls(look, BASELINE, res.phase_since)
        if spec.observe_only:
            return self._control(look)
        await polls.poll()
        good = res.status.baseline
        if polls.polled:
            outcome = self._judged(polls)
            if outcome is not None:
                return look.end(outcome, polls.status(always=True))
            settled = all(
                polls.watch.of(one.name).last is Verdict.FALSE or one.on_no_data == "ignore"
                for one in polls.conditions
            )
            good = good + 1 if settled else 0
        if good < spec.baseline.samples:
            if (endless := self._endless(polls, spec.baseline.samples)) is not None:
                return look.end(endless, polls.status(always=True))
            status = {"baseline": good, **polls.status(always=polls.polled)}
            return look.stay(polls.wait(), status=status if polls.polled else None)
        begins: Result[Any] = Result.to(
            machine.INJECTING,
            # The last poll isn't counted up here: this may have to be said again.
            status={"watch": None, "last_poll": None, "unwatched": None},
            reason=machine.INJECTING,
            message=f"the steady state held in {good} polls",
        )
        # No traffic is moved by it: guardrails judge the injection.
        return begins.beside(back=True)

    @staticmethod
    def _judged(polls: Polls) -> Outcome | None:
        """Why nothing is injected; None where it may be, or may be yet."""
        watch = polls.watch
        for one in polls.conditions:
            tally = watch.of(one.name)
            if tally.last is Verdict.TRUE:
                message = f"before anything was injected: {one.told(tally.value)}"
                return Outcome(machine.INCONCLUSIVE, message, one.name, tally.value)
        most = polls.most
        if watch.errors >= most:
            why = next((t.why for t in watch.tallies.values() if t.why), "no telemetry")
            return Outcome(machine.INCONCLUSIVE, f"there is no telemetry to judge by: {why}")
        for one in polls.conditions:
            tally = watch.of(one.name)
            if tally.blank >= most and one.on_no_data != "ignore":
                message = f"before anything was injected: {one.name}: {one.reads}: {tally.why}"
                return Outcome(machine.INCONCLUSIVE, message, one.name)
        return None

    @staticmethod
    def _endless(polls: Polls, samples: int) -> Outcome | None:
        """Whether telemetry comes and goes for so long that nobody will be able to say."""
        if polls.watch.polls < LONGEST * (samples + polls.most):
            return None
        message = f"the steady state wasn't seen to last in {polls.watch.polls} polls"
        return Outcome(machine.INCONCLUSIVE, message)

    def _control(self, look: Look) -> Result[Any]:
        deadline = look.now + look.program.spec.duration
        self._crew.kept.pop(look.res.uid, None)
        begins: Result[Any] = Result.to(
            machine.RUNNING,
            status={"deadline": look.at(deadline), "watch": None, "last_poll": None},
            reason=machine.RUNNING,
            message="a control run: nothing is injected",
        )
        return begins.beside(back=True)


class Injecting:
    """Puts the fault into the mesh.

    Args:
        crew: See there.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(
        self, res: Resource[Spec, ExperimentStatus], inputs: Inputs, ctx: Context[ChaosConfig]
    ) -> Result[Any]:
        """Order the fault: its end stands in the status before it stands in the mesh."""
        look = Look(self._crew, res, inputs, ctx)
        if (decided := look.decided()) is not None:
            return decided
        await resume(look)
        if (outcome := look.interrupted()) is not None:
            return look.end(outcome)
        injected = look.time("injected_at")
        if injected is None:
            if (refused := await refusal(look)) is not None:
                return look.end(refused)
            injected = look.now
        elif look.now - injected > STALE:
            message = "the injection was interrupted, and its time is over"
            return look.end(Outcome(machine.ABORTED, message))
        spec = look.program.spec
        deadline = injected + spec.duration
        # Of the stage that begins nothing is remembered, and nothing of the one before counts.
        self._crew.kept.pop(res.uid, None)
        verify = spec.effect.verify
        result: Result[Any] = Result.to(
            machine.VERIFYING if verify else machine.RUNNING,
            actions=[fault(look, deadline)],
            status={
                "injected_at": look.at(injected),
                "deadline": look.at(deadline),
                "baseline": spec.baseline.samples,
            },
            reason="Injected",
            message="the fault is in the mesh",
        )
        return result.beside(otherwise=refused_by_mesh(look, injecting=True))


def fault(look: Look, deadline: datetime) -> Fault:
    """What is injected until a time.

    Raises:
        AssertionError: It is a control run, which never comes here.
    """
    made = look.program.fault
    if made is None:
        raise AssertionError("a control run injects nothing")
    return with_deadline(made, deadline + GRACE)


def refused_by_mesh(
    look: Look, *, injecting: bool
) -> Callable[[Sequence[AutopilotError]], Result[Any] | None]:
    """What is done where the mesh refuses the fault."""

    def otherwise(why: Sequence[AutopilotError]) -> Result[Any] | None:
        told = [error for error in why if not isinstance(error, CacheUnavailable)]
        if not told:
            return None
        message = "; ".join(str(error) for error in told)
        if not injecting:
            return look.end(Outcome(machine.ABORTED, f"the fault can't be held: {message}"))
        theirs = [error for error in told if isinstance(error, Held)]
        if theirs and all(error.holder.startswith("Experiment ") for error in theirs):
            waits: Result[Any] = Result.to(
                machine.PENDING,
                actions=(),
                status={"injected_at": None, "deadline": None, "waits": message},
                reason="Waiting",
                message=message,
                after=timedelta(seconds=5),
            )
            return waits.beside(back=True)
        return look.end(Outcome(machine.ERROR, f"the mesh refuses the fault: {message}"))

    return otherwise
