"""What all workers of experiments share: one look at one experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import InvalidInput
from autopilot.base.timestamps import parse_time, render_time
from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.marks import ABORT
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.conditions import Outcome, Watch
from autopilot.overlay.record import Holder, read
from autopilot.runtime.result import Note, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from autopilot.base.clock import Clock
    from autopilot.operators.chaos.compile import Program, Programs
    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.operators.chaos.report_model import Recorder
    from autopilot.operators.chaos.status import ExperimentStatus
    from autopilot.operators.chaos.workers.places import Claims
    from autopilot.operators.chaos.workers.webhook import Webhooks
    from autopilot.overlay.record import Overlay
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

WRITTEN_EVERY = 5.0
"""Seconds between two writes of a status in which only polls are counted."""

BLIND = timedelta(seconds=30)
"""So long nobody may look, or three polls if that is longer, if a run is to succeed."""


_MOST_KEPT = 10_000


@dataclass(slots=True)
class Kept:
    """What the process remembers of a run between two looks; a restart reads the status.

    Attributes:
        run: Which run.
        stage: Which polls: those before the injection, or those after.
        watch: What is remembered of the polls.
        last: When the last one was.
        unwatched: For how long nobody looked, if it was too long.
        monotonic: When this process first saw the stage.
        before: How long the stage had lasted by then, in seconds.
        written: Monotonic time of the last write of the status.
        asked: Monotonic time of the last look at whether the namespace opts in.
    """

    run: int
    stage: str
    watch: Watch = field(default_factory=Watch)
    last: datetime | None = None
    unwatched: str = ""
    monotonic: float = 0.0
    before: float = 0.0
    written: float = -WRITTEN_EVERY
    asked: float = 0.0


@dataclass(slots=True)
class Crew:
    """What the workers work with.

    Attributes:
        clock: Its monotonic side guards against jumps of the wall clock.
        programs: Where experiments are compiled.
        recorder: Of runs.
        webhooks: Calls webhooks.
        refused: Namespaces in front of whose services nothing is injected.
        claims: Who has been let in and isn't seen to be in yet.
        kept: What is remembered of runs, by uid.
        recorded: Which runs are being recorded, by uid.
    """

    clock: Clock
    programs: Programs
    recorder: Recorder
    webhooks: Webhooks
    refused: frozenset[str]
    claims: Claims
    kept: dict[str, Kept] = field(default_factory=dict)
    recorded: dict[str, int] = field(default_factory=dict)

    def keep(self, uid: str, kept: Kept) -> None:
        """Remember a run; the oldest is forgotten where there are too many."""
        self.kept[uid] = kept
        if len(self.kept) > _MOST_KEPT:
            self.forget(next(iter(self.kept)))

    def forget(self, uid: str) -> None:
        """A run is over, or its experiment is gone."""
        self.recorder.forget(uid)
        self.kept.pop(uid, None)
        self.recorded.pop(uid, None)
        self.claims.drop(uid)


class Look:
    """One look at one experiment.

    Args:
        crew: See there.
        res: As stored.
        inputs: Of the sync.
        ctx: Of the sync.
    """

    def __init__(
        self,
        crew: Crew,
        res: Resource[Spec, ExperimentStatus],
        inputs: Inputs,
        ctx: Context[ChaosConfig],
    ) -> None:
        self.crew = crew
        self.res = res
        self.inputs = inputs
        self.ctx = ctx
        self.status = res.status
        self.now = ctx.now
        self.raw: Mapping[str, Any] = res.spec.model_extra or {}

    @property
    def program(self) -> Program:
        """The experiment, compiled.

        Raises:
            InvalidInput: It makes no sense.
        """
        res = self.res
        return self.crew.programs.of(res.uid, res.generation, self.raw, res.namespace)

    @property
    def holder(self) -> Holder:
        """As marks name the experiment."""
        return Holder("Experiment", self.res.namespace, self.res.name, self.res.uid)

    def time(self, name: str) -> datetime | None:
        """A time of the status."""
        return parse_time(getattr(self.status, name))

    def at(self, moment: datetime | None = None) -> str:
        """A time as the status writes it; now unless told."""
        return render_time(moment or self.now)

    # -- endings ------------------------------------------------------------------------------

    def end(self, outcome: Outcome, status: Mapping[str, Any] | None = None) -> Result[Any]:
        """The verdict is made, and what was injected is removed in the same breath."""
        cause = {"message": outcome.message}
        cause |= {"condition": outcome.condition} if outcome.condition else {}
        more: dict[str, Any] = {} if outcome.value is None else {"value": outcome.value}
        made = {"verdict": outcome.verdict, "cause": cause | more, "ended_at": self.at()}
        result: Result[Any] = Result.to(
            machine.RECOVERING,
            actions=(),
            status={**(status or {}), **made, "waits": None},
            reason=outcome.verdict,
            message=outcome.message,
        )
        bad = outcome.verdict in {machine.ERROR, machine.ABORTED}
        note = Note("Warning" if bad else "Normal", outcome.verdict, outcome.message)
        used = (ABORT,) if ABORT in self.res.annotations else ()
        return result.beside(events=(note,), used=used, back=True)

    def decided(self) -> Result[Any] | None:
        """The end of a run whose verdict was made, on a way that wasn't finished.

        What was decided is done, not judged anew: by now the fault may be gone. A removal that
        failed is tried again where it is told of: in the recovery.
        """
        status = self.status
        if status.verdict not in machine.VERDICTS:
            return None
        cause = status.cause
        message = cause.message if cause is not None else ""
        result: Result[Any] = Result.to(machine.RECOVERING, reason=status.verdict, message=message)
        return result.beside(back=True)

    def interrupted(self) -> Outcome | None:
        """Why a run that goes on must end, whatever is seen of its conditions."""
        if ABORT in self.res.annotations:
            why = str(self.res.annotations[ABORT]).strip()
            return Outcome(machine.ABORTED, f"aborted: {why}" if why else "aborted by a person")
        if self.status.generation != self.res.generation:
            suspended = self.raw.get("suspend") is True
            why = "it was suspended" if suspended else "the spec was changed"
            return Outcome(machine.ABORTED, f"{why} while it ran")
        try:
            _ = self.program
        except InvalidInput as error:
            return Outcome(machine.ERROR, str(error))
        return None

    # -- what is in the mesh ------------------------------------------------------------------

    def overlays(self) -> list[tuple[Mapping[str, Any], Overlay]]:
        """What the experiment holds, by the marks in the objects themselves.

        Raises:
            CacheUnavailable: It can't be told.
        """
        found = []
        for body in self.inputs.overlaid.of(True):
            found += [
                (body, overlay)
                for overlay in read(body).overlays
                if self.holder.succeeds(overlay.holder)
            ]
        return found

    def taken_away(self) -> Outcome | None:
        """Whether what carried the fault is gone, or the fault was removed by somebody else."""
        if self.program.fault is None:
            return None
        recorded = [one for one in self.status.overlays if one.undone is None]
        try:
            held = {str(body["metadata"].get("uid")) for body, _ in self.overlays()}
            if not recorded and not held:
                # It was there before the phase was entered: laid again, it would go into
                # whatever stands in the place of what is gone.
                return Outcome(machine.ABORTED, "what carried the fault is gone, or lost it")
            for one in recorded:
                namespace, _, name = one.object.partition(" ")[2].partition("/")
                there = self.inputs.routes.of((namespace, name))
                alive = [
                    body
                    for body in there
                    if str(body["metadata"].get("uid")) == one.uid
                    and not body["metadata"].get("deletionTimestamp")
                ]
                if not alive:
                    message = f"{one.object}, which carried the fault, is gone"
                    return Outcome(machine.ABORTED, message)
                if one.uid not in held:
                    return Outcome(
                        machine.ABORTED,
                        f"the fault was removed from {one.object} by somebody else: an order to "
                        "halt, the sweep, or a person",
                    )
        except CacheUnavailable:
            return None
        return None

    def carried(self) -> list[dict[str, Any]]:
        """`status.overlays`: what carries the fault now.

        Raises:
            CacheUnavailable: It can't be told.
        """
        made = []
        for body, overlay in self.overlays():
            meta = body["metadata"]
            route = overlay.locator.name or "its route"
            what = "a route inserted" if overlay.inserted else f"fault on {route}"
            made.append(
                {
                    "object": f"VirtualService {meta.get('namespace')}/{meta['name']}",
                    "uid": str(meta.get("uid") or ""),
                    "change": what,
                    "made": self.at(overlay.at),
                }
            )
        return made

    def stay(
        self,
        after: timedelta,
        *,
        status: Mapping[str, Any] | None = None,
        actions: Sequence[Any] | None = None,
        message: str = "",
    ) -> Result[Any]:
        """Remain in the phase, and let the Report grow."""
        reports = self.crew.recorder.checkpoint(self.res.uid, self.now)
        outputs = None if reports is None else {"reports": reports}
        return Result.stay(
            actions=actions, status=status, outputs=outputs, after=after, message=message
        )
