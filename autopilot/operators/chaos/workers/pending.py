"""Pending, and the phases of verdicts: what must hold before a run begins."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.base.errors import InvalidInput
from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.kube.marks import ABORT, ALLOW_FROM, CHAOS, OPT_OUT, RERUN
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.conditions import Outcome
from autopilot.operators.chaos.report_model import next_run
from autopilot.operators.chaos.status import FRESH
from autopilot.operators.chaos.workers.look import Look
from autopilot.operators.chaos.workers.places import at_once, waits_for
from autopilot.operators.chaos.workers.recording import begin
from autopilot.runtime.result import Result

if TYPE_CHECKING:
    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.operators.chaos.status import ExperimentStatus
    from autopilot.operators.chaos.workers.look import Crew
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

WAIT = timedelta(seconds=5)
"""Between two looks of one that waits for its turn."""

IDLE = timedelta(hours=1)
"""Between two looks of one that waits for a person."""


class Pending:
    """Waits for its turn.

    Args:
        crew: See there.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(
        self, res: Resource[Spec, ExperimentStatus], inputs: Inputs, ctx: Context[ChaosConfig]
    ) -> Result[Any]:
        """Begin a run, refuse it, or wait."""
        look = Look(self._crew, res, inputs, ctx)
        if (decided := look.decided()) is not None:
            return decided
        try:
            suspended = look.program.spec.suspend
        except InvalidInput as error:
            return self._refuse(look, Outcome(machine.ERROR, str(error)))
        if ABORT in res.annotations:
            return self._refuse(look, Outcome(machine.ABORTED, "aborted before it began"))
        if suspended:
            return self._wait(look, "suspended", IDLE)
        if (refused := await refusal(look)) is not None:
            return self._refuse(look, refused)
        if waits := self._turn(look):
            return self._wait(look, waits, WAIT)
        where = look.program.where
        self._crew.claims.claim(res.uid, (where.namespace, where.host))
        return Result.to(
            machine.CHECKING,
            status=self._fresh(look),
            reason=machine.CHECKING,
            message="the steady state is looked at before anything is injected",
        )

    def _turn(self, look: Look) -> str:
        """What it waits for before it begins; empty for nothing."""
        res, claims, where = look.res, self._crew.claims, look.program.where
        claims.drop(res.uid)
        target = (where.namespace, where.host)
        waits = waits_for(target, res.uid, look.inputs.experiments.of(target), claims)
        if waits:
            return waits
        most = look.ctx.config.chaos.max_at_once
        others = at_once(res.uid, look.inputs.running.of(True), claims)
        return f"{others} experiments run, and maxAtOnce is {most}" if others >= most else ""

    def _fresh(self, look: Look) -> dict[str, Any]:
        run = look.status.run
        if not look.status.started_at:
            # Else a process that was killed on its way out of this phase has counted it already.
            reports = look.inputs.reports.of((look.res.namespace, look.res.name))
            run = next_run(run, reports)
        begin(look, run, look.now)
        self._crew.kept.pop(look.res.uid, None)
        return {
            **FRESH,
            "run": run,
            "generation": look.res.generation,
            "started_at": look.status.started_at or look.at(),
            "report": f"{look.res.name}-{run}",
        }

    def _refuse(self, look: Look, outcome: Outcome) -> Result[Any]:
        return look.end(outcome, self._fresh(look))

    @staticmethod
    def _wait(look: Look, why: str, after: timedelta) -> Result[Any]:
        return Result.stay(status={"waits": why}, reason="Waiting", message=why, after=after)


class Over:
    """The phase of a verdict: it waits for a person who wants another run.

    Args:
        crew: See there.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(
        self, res: Resource[Spec, ExperimentStatus], inputs: Inputs, ctx: Context[ChaosConfig]
    ) -> Result[Any]:
        """Begin anew where that is asked for."""
        self._crew.forget(res.uid)
        # Where the verdict is gone from the status, another run was decided on already.
        if RERUN not in res.annotations and res.status.verdict is not None:
            # A late order to end what is over must not end the next run.
            late = [name for name in (ABORT,) if name in res.annotations]
            return Result[Any].stay(actions=(), after=IDLE).beside(used=late)
        again: Result[Any] = Result.to(
            machine.PENDING,
            actions=(),
            status=dict(FRESH),
            reason="Rerun",
            message=f"another run was asked for after run {res.status.run}",
        )
        used = tuple(name for name in (RERUN, ABORT) if name in res.annotations)
        return again.beside(used=used, back=True)


async def refusal(look: Look) -> Outcome | None:
    """Why an experiment must not be run here; None where it may.

    Raises:
        Unreadable: The namespace, or the service, can't be read.
    """
    program, limits = look.program, look.ctx.config.chaos
    spec, where = program.spec, program.where
    if program.share > limits.max_percentage:
        return _error(
            f"{program.share:g} % of the requests, and {limits.max_percentage:g} % is "
            "the most that the installation allows"
        )
    if spec.duration > limits.max_duration:
        longest = durations.render(limits.max_duration)
        return _error(
            f"a run of {durations.render(spec.duration)}, and {longest} is the longest "
            "that the installation allows"
        )
    for one in program.conditions:
        if one.url and not look.crew.webhooks.allowed(one.url):
            return _error(f"{one.name}: the installation doesn't allow the host of {one.reads}")
    if where.namespace in look.crew.refused | set(limits.refused_namespaces):
        return _error(
            f"the namespace {where.namespace} is the system's: it is never experimented on"
        )
    return await not_permitted(look) or await _empty(look)


async def not_permitted(look: Look) -> Outcome | None:
    """Why the target's namespace doesn't let the experiment in; None where it does.

    Raises:
        Unreadable: The namespace can't be read.
    """
    name, home = look.program.where.namespace, look.res.namespace
    found = await look.inputs.reader.get(NAMESPACES, name)
    if found is None or found.at("metadata.deletionTimestamp"):
        return _error(f"the namespace {name} isn't there, or goes")
    notes = found.at("metadata.annotations") or {}
    if str(notes.get(OPT_OUT, "false")).strip().lower() != "false":
        return _error(f"the namespace {name} opts out ({OPT_OUT})")
    if not look.program.spec.faults:
        return None
    if str(notes.get(CHAOS, "")).strip() != "enabled":
        return _error(f"the namespace {name} doesn't opt in: annotate it with {CHAOS}: enabled")
    allowed = {each.strip() for each in str(notes.get(ALLOW_FROM, "")).split(",")}
    if name != home and not allowed & {home, "*"}:
        return _error(f"{home} may not act in {name}: annotate it with {ALLOW_FROM}: {home}")
    return None


async def _empty(look: Look) -> Outcome | None:
    """Whether there is nothing behind the target, which a fault would hit in vain."""
    where = look.program.where
    service = f"{where.namespace}/{where.host}"
    if await look.inputs.reader.get(KNOWN["services"], where.host, where.namespace) is None:
        return _error(f"the target is empty: there is no Service {service}")
    slices = look.inputs.endpointslices.of((where.namespace, where.host))
    ready = sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for body in slices
        for endpoint in body.get("endpoints") or ()
    )
    return None if ready else _error(f"the target is empty: Service {service} has no ready pods")


def _error(message: str) -> Outcome:
    return Outcome(machine.ERROR, message)
