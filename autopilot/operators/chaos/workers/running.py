"""Verifying and Running: the fault is on, and somebody watches."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.kube.cache import CacheUnavailable
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.conditions import Outcome
from autopilot.operators.chaos.evidence import gather, recent
from autopilot.operators.chaos.workers.expecting import disappointed, expected, unsure
from autopilot.operators.chaos.workers.injecting import fault, refused_by_mesh
from autopilot.operators.chaos.workers.look import Look
from autopilot.operators.chaos.workers.permitted import contested, withdrawn
from autopilot.operators.chaos.workers.poll import RUN, Polls
from autopilot.operators.chaos.workers.recording import resume
from autopilot.runtime.inputs import Unreadable
from autopilot.runtime.result import Result

if TYPE_CHECKING:
    from autopilot.operators.chaos.evidence import Evidence
    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.operators.chaos.status import ExperimentStatus
    from autopilot.operators.chaos.workers.look import Crew
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

VERIFY_EVERY = timedelta(seconds=2)
"""Between two looks at whether the fault bites, at most."""


class Running:
    """Watches the conditions until one comes true, or the time is over.

    Args:
        crew: See there.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(
        self, res: Resource[Spec, ExperimentStatus], inputs: Inputs, ctx: Context[ChaosConfig]
    ) -> Result[Any]:
        """One look."""
        look = Look(self._crew, res, inputs, ctx)
        if (decided := look.decided()) is not None:
            return decided
        if (outcome := look.interrupted() or look.taken_away()) is not None:
            return look.end(outcome)
        # Whether the Report can be read must not decide when the fault ends.
        with contextlib.suppress(Unreadable):
            await resume(look)
        return await _Watching(look).answer()


class _Watching:
    """One look at a run that goes on."""

    def __init__(self, look: Look) -> None:
        self._look = look
        since = look.time("injected_at") or look.res.phase_since
        # Whatever is written into the status, a run is no longer than its spec says.
        longest = since + look.program.spec.duration
        self._deadline = min(look.time("deadline") or since, longest)
        self._polls = Polls(look, RUN, since)
        self._found: dict[str, Any] = {}

    async def answer(self) -> Result[Any]:
        look, polls = self._look, self._polls
        await polls.poll()
        expects = await self._expects()
        outcome = self._outcome(expects) or contested(look) or await withdrawn(look, polls.kept)
        if outcome is not None:
            return self._end(await self._proven(outcome))
        self._carried()
        if look.res.phase == machine.VERIFYING and (settled := await self._verify()) is not None:
            return settled
        status = {**self._found, **polls.status(always=bool(self._found))}
        wait = polls.wait(self._deadline)
        if look.res.phase == machine.VERIFYING:
            wait = min(wait, VERIFY_EVERY)
        if look.program.spec.observe_only:
            return look.stay(wait, status=status or None)
        actions = [fault(look, self._deadline)]
        result = look.stay(wait, status=status or None, actions=actions)
        return result.beside(otherwise=refused_by_mesh(look, injecting=False))

    def _end(self, outcome: Outcome) -> Result[Any]:
        return self._look.end(outcome, {**self._found, **self._polls.status(always=True)})

    def _outcome(self, expects: list[dict[str, Any]]) -> Outcome | None:
        """How the run ends now; None where it goes on."""
        look, polls, watch = self._look, self._polls, self._polls.watch
        spec = look.program.spec
        over = look.now >= self._deadline or polls.elapsed >= self._deadline - polls.since
        if spec.observe_only:
            told = "a control run: nothing was injected"
            return Outcome(machine.COMPLETED, told) if over else None
        outcome = watch.tripped(polls.conditions) or disappointed(expects)
        outcome = outcome or watch.blinded(polls.conditions, spec.max_errors)
        if outcome is not None or not over:
            return outcome
        outcome = watch.at_end(polls.conditions, polls.kept.unwatched)
        return unsure(expects) or outcome if outcome.verdict == machine.SUCCEEDED else outcome

    async def _expects(self) -> list[dict[str, Any]]:
        """How others do that are expected to react."""
        look = self._look
        known = [one.model_dump(exclude_none=True) for one in look.status.expects]
        if not look.program.expects or (known and not self._polls.polled):
            return known
        now = await expected(look, self._polls.since)
        if now != known:
            self._found["expects"] = now
        return now

    def _carried(self) -> None:
        """Note what carries the fault, once it is in force."""
        if self._look.status.overlays:
            return
        with contextlib.suppress(CacheUnavailable):
            if carried := self._look.carried():
                self._found["overlays"] = carried

    async def _effect(self) -> tuple[Evidence, dict[str, Any]]:
        """What the fault is seen to do, and that for the status."""
        look = self._look
        window = recent(look.now - self._polls.since)
        evidence = await gather(look.inputs, fault(look, look.now), window)
        return evidence, effect_of(look, evidence)

    async def _proven(self, outcome: Outcome) -> Outcome:
        """The outcome; success only where the fault was seen to bite, however short the run."""
        if outcome.verdict != machine.SUCCEEDED or self._look.res.phase != machine.VERIFYING:
            return outcome
        evidence, effect = await self._effect()
        self._found["effect"] = effect
        return outcome if evidence.flags and not evidence.missing else _toothless(effect)

    async def _verify(self) -> Result[Any] | None:
        """What follows from what the fault is seen to do; None where it isn't seen yet."""
        look, polls = self._look, self._polls
        evidence, effect = await self._effect()
        if evidence.flags and not evidence.missing:
            self._found["effect"] = effect
            verified: Result[Any] = Result.to(
                machine.RUNNING,
                status={**self._found, **polls.status(always=True)},
                reason="Verified",
                message=effect["message"],
            )
            return verified.beside(back=True)
        if polls.elapsed < look.program.spec.effect.within:
            return None
        self._found["effect"] = effect
        return self._end(_toothless(effect))


def _toothless(effect: dict[str, Any]) -> Outcome:
    message = f"the fault wasn't seen to bite: {effect['message']}"
    return Outcome(machine.INCONCLUSIVE, message)


def effect_of(look: Look, evidence: Evidence) -> dict[str, Any]:
    """`status.effect`."""
    if evidence.requests is None:
        message = f"requests to {look.program.where.host}: {evidence.why}"
        return {"requests": 0.0, "faulted": 0.0, "message": message}
    flags = ",".join(evidence.flags)
    message = f"{evidence.faulted:g} of {evidence.requests:g} requests carried the flag"
    message += f" {flags or ','.join(evidence.missing)}"
    if evidence.flags and evidence.missing:
        message += f", and none {','.join(evidence.missing)}"
    made = {"requests": evidence.requests, "faulted": evidence.faulted, "message": message}
    return made | ({"flag": flags, "at": look.at()} if flags else {})
