"""One try at one sync in a phase: ask the worker, check its answer, write it, tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.base.timestamps import render_time
from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.marks import UNLATCH
from autopilot.runtime import reasons
from autopilot.runtime.caches import snapshot
from autopilot.runtime.closing import (
    Closing,
    closing_patch,
    held_up,
    latched,
    ready_reason,
    still,
    succeeded,
)
from autopilot.runtime.context import Context
from autopilot.runtime.decide import Decision, Subject, changed_status, decide
from autopilot.runtime.guardrails.guard import Question
from autopilot.runtime.guardrails.latch import is_approved
from autopilot.runtime.inputs import Reader
from autopilot.runtime.refused import Refused
from autopilot.runtime.served import NO_MACHINE
from autopilot.runtime.setbacks import WorkerRaised
from autopilot.runtime.status import Entered, difference
from autopilot.runtime.timers import Timer, timer_after
from autopilot.runtime.view import NeedsAsync, WorkerLog, resource_of, stored_phase, stored_status
from autopilot.runtime.workers import is_async
from autopilot.runtime.writes import Wanted, Written
from autopilot.telemetry.provider import MetricsReader

REMEMBERED = 50
"""How many names per input a record keeps."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.base.errors import AutopilotError
    from autopilot.kube.client import Body
    from autopilot.kube.events import EventType
    from autopilot.machine.table import PhaseMachine
    from autopilot.mesh.steps import Plan
    from autopilot.runtime.definition import PhaseDefinition
    from autopilot.runtime.guardrails.guard import Guarded
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.record import Key, SyncRecord
    from autopilot.runtime.resource import Resource
    from autopilot.runtime.result import Aside
    from autopilot.runtime.served import Commons, Memory, Served
    from autopilot.runtime.setbacks import Setback
    from autopilot.runtime.timers import Moment


@dataclass(slots=True)
class Attempt:
    """One try.

    Attributes:
        commons: What all operators share.
        served: The operator.
        key: The resource.
        body: The resource as last read or answered.
        memory: What is remembered of it.
        phase: Whose worker runs; the finalizer's own definition on deletion.
        due: Whether the timer fired or the phase is new.
        number: How many syncs have failed in a row before this one.
        began: When it began.
        record: What it reads, decides and changes.
        finalizing: Whether it is the finalizer's.
        written: What it has changed so far.
        timer: The timer after it, once that is known.
        machine: The resource's table of transitions; empty until it is known.
        guarded: What guardrails made of its decision; None until it is known.
    """

    commons: Commons
    served: Served
    key: Key
    body: Body
    memory: Memory
    phase: PhaseDefinition
    due: bool
    number: int
    began: Moment
    record: SyncRecord
    finalizing: bool = False
    written: Written = field(default_factory=Written)
    timer: Timer | None = None
    machine: PhaseMachine = NO_MACHINE
    guarded: Guarded | None = None

    def phase_named(self, name: str) -> PhaseDefinition | None:
        """The phase of that name in the resource's own table, or None."""
        return self.served.definition.phase_in(self.machine, name)

    async def ask(self) -> Decision:
        """Call the worker and check its answer.

        Raises:
            Refused: The resource doesn't fit its models, or the answer isn't allowed.
            RetryLater: An input is missing or can't be told, the worker overran or raised.
            TerminalError: The worker said so.
        """
        served, phase = self.served, self.phase
        resource = self._resource()
        worker = phase.worker
        if worker is None:
            raise TerminalError(f"phase {phase.name} has no worker")
        reader = self._reader() if is_async(worker) else None
        metrics = (reader or NeedsAsync()) if phase.metrics else None
        self._see_outputs()
        bound = served.inputs[phase.name if self.finalizing else served.row(phase.name)]
        objects = Reader(self.commons.client) if phase.reads else None
        inputs = snapshot(phase.name, bound, resource.namespace, metrics, objects)
        try:
            result = await self._call(worker, resource, inputs)
        finally:
            self.record.inputs = {
                name: listing.names(REMEMBERED) for name, listing in inputs.read.items()
            }
            self.record.samples = tuple(reader.reads) if reader else ()
        return self._decided(result)

    def _decided(self, result: Any) -> Decision:
        """Check an answer and note it.

        Raises:
            Refused: It isn't allowed.
        """
        subject = Subject(
            self.served.definition,
            self.machine,
            self.phase,
            str(self.body["metadata"].get("namespace") or ""),
            stored_status(self.body),
            self.finalizing,
        )
        decision = decide(subject, result)
        self.record.result = result
        self.record.enter = decision.enter
        self.record.reason, self.record.message = decision.reason, decision.message
        return decision

    def _resource(self) -> Resource[Any, Any]:
        """The typed view; that of the last sync where nothing of the resource has changed.

        Raises:
            Refused: The resource doesn't fit its models.
        """
        phase, meta = stored_phase(self.body), self.body["metadata"]
        version = (str(meta.get("resourceVersion") or ""), phase)
        known = self.memory.typed
        if known is not None and known[0] == version and all(version):
            return known[1]
        made = resource_of(
            self.served.definition, self.body, phase or self.phase.name, self.began.wall
        )
        self.memory.typed = (version, made)
        return made

    async def write(self, decision: Decision) -> Decision:
        """Steps (1) to (3).

        Returns:
            What was carried out: guardrails may leave less of a decision than was decided.

        Raises:
            ApiError: A write failed.
            Refused: The resource may not act where it wants to.
        """
        decision, plan = await self._guarded(decision)
        queue, settings = self.commons.queue, self.commons.settings
        self.timer = timer_after(
            decision,
            due=self.due,
            pending=queue.schedule.timer(self.key),
            began=self.began,
            interval=settings.work_interval,
            stored=self.served.definition.stores_tick,
        )
        first = self._first_patch(decision, self.timer)
        wanted = Wanted(
            status=first,
            along=self._along(decision, self.timer) if first else {},
            outputs=decision.outputs,
            plan=plan,
            finalizer=not self.finalizing
            and (self.served.definition.finalizer is not None or bool(decision.actions)),
        )
        self.body = await self.served.writer.carry_out(self.body, wanted, self.written)
        self.body = await self.served.writer.use_up(self.body, decision.aside.used)
        if self.guarded is not None and self.guarded.forbidden:
            raise Refused(decision.reason, decision.message)
        await self._close(decision, self.timer)
        self._tell_aside(decision.aside)
        return decision

    async def _guarded(self, decision: Decision) -> tuple[Decision, Plan]:
        """The decision and its plan, as far as guardrails let it be carried out."""
        writer = self.served.writer
        approved = is_approved(self.body)
        if approved:
            # Before all else: an approval is for what is held now, not for what will be.
            self.body = await writer.use_up(self.body, (UNLATCH,))
        plan = writer.plan(self.body, decision.actions, decision.aside.ending)
        if self.finalizing:
            return decision, plan
        if plan.refused and (other := self._otherwise(decision, plan.refused)) is not None:
            decision = other
            plan = writer.plan(self.body, decision.actions, decision.aside.ending)
        guarded = self.commons.guard.judge(self._question(decision, plan, approved))
        told = TerminalError(guarded.decision.message)
        if guarded.forbidden and (other := self._otherwise(decision, [told])) is not None:
            plan = writer.plan(self.body, other.actions, other.aside.ending)
            guarded = self.commons.guard.judge(self._question(other, plan, approved))
        self.guarded = guarded
        if guarded.trip is not None:
            self.record.enter = None
            self.record.reason = guarded.decision.reason
            self.record.message = guarded.decision.message
        return guarded.decision, guarded.plan

    def _otherwise(self, decision: Decision, why: Sequence[AutopilotError]) -> Decision | None:
        """What is answered instead, where the worker has another answer."""
        ask = decision.aside.otherwise
        if ask is None or (result := ask(why)) is None:
            return None
        return self._decided(replace(result, aside=replace(result.aside, otherwise=None)))

    def _question(self, decision: Decision, plan: Plan, approved: bool) -> Question:
        definition, limits = self.served.definition, self.commons.settings.limits
        asked = definition.limits
        return Question(
            key=self.key,
            body=self.body,
            decision=decision,
            plan=plan,
            limits=limits if asked is None else limits.within(asked(self.body)),
            now=self.began.wall,
            initial=self.machine.initial.name,
            leaves=self.phase.initial,
            inferred=definition.machine_of is None,
            approved=approved,
        )

    async def show(self, setback: Setback) -> None:
        """Write the conditions of a sync that went wrong, if they differ.

        Raises:
            ApiError: The write failed.
        """
        body = self.served.primary.get(self.key.namespace or None, self.key.name) or self.body
        ready, stalled = held_up(setback)
        before = ready_reason(body)
        patch = closing_patch(
            body,
            Closing(
                now=self.began.wall,
                entered=self._first_entry(body),
                ready=ready,
                stalled=stalled,
                refresh=self.due,
                more=setback.conditions,
            ),
        )
        self.body = await self.served.writer.status(body, patch, "conditions")
        if before != ready_reason(self.body):
            self.event("Warning", setback.reason, setback.message)

    def tell(self) -> None:
        """Events of what was put back; once per repair, whatever became of the rest."""
        for repair in self.written.repairs:
            self.event("Normal", reasons.REPAIRED, repair)
        self.record.changes = list(self.written.changes)
        count = self.commons.metrics.writes.labels
        name = self.key.kind
        count(name, "outputs").inc(self.written.outputs)
        count(name, "mesh").inc(self.written.mesh)
        count(name, "status").inc(int(self.written.first))

    def _see_outputs(self) -> None:
        """Make sure that what stands of the phase's outputs can be told.

        Raises:
            CacheUnavailable: It can't; nothing could be compared, pruned or told from others'.
        """
        for output in self.phase.outputs:
            cache = self.served.owned[output.kind]
            # What is done mustn't wait for what is told of it.
            if not (cache.available or output.record):
                raise CacheUnavailable(cache.why)

    def _reader(self) -> MetricsReader | None:
        queries = self.served.definition.queries
        if not self.phase.metrics or queries is None:
            return None
        return MetricsReader(queries, self.commons.samples, self.key, namespace=self.key.namespace)

    async def _call(self, worker: Any, resource: Any, inputs: Inputs) -> Any:
        commons = self.commons
        limit = commons.options.deadline
        context = Context(
            now=self.began.wall,
            due=self.due,
            attempt=self.number,
            deadline=self.began.wall + limit,
            config=commons.settings.config(self.key.kind),
            log=WorkerLog(self.served.definition.name, self.key, self.phase.name, self.record.sync),
        )
        try:
            return await commons.workers.call(
                worker, (resource, inputs, context), limit.total_seconds()
            )
        except (RetryLater, TerminalError):
            raise
        except Exception as error:
            raise WorkerRaised(error) from error

    def _first_patch(self, decision: Decision, timer: Timer) -> dict[str, Any]:
        """Step (1): the author's fields, and the tick that belongs to them."""
        patch = changed_status(decision, stored_status(self.body))
        if decision.enter is None and timer.stored is not ... and not self.finalizing:
            tick = None if timer.stored is None else render_time(timer.stored)
            patch |= difference(stored_status(self.body), {"nextTick": tick})
        return patch

    def _along(self, decision: Decision, timer: Timer) -> dict[str, Any]:
        """What of step (3) may be written with step (1): all, where nothing comes in between."""
        between = decision.outputs or decision.actions is not None
        if between or decision.enter is not None or not stored_phase(self.body):
            return {}
        return self._closing(decision, timer, [])

    async def _close(self, decision: Decision, timer: Timer) -> None:
        """Step (3): phase and conditions, if they differ."""
        entered = self._first_entry(self.body)
        if decision.enter is not None:
            entered.append(Entered(decision.enter, decision.reason, decision.message))
        patch = self._closing(decision, timer, entered)
        self.body = await self.served.writer.status(self.body, patch)
        if patch:
            self.commons.metrics.writes.labels(self.key.kind, "status").inc()
        self._announce(entered)
        if self.guarded is not None and self.guarded.news[0]:
            kind: EventType = "Normal" if self.guarded.latch is None else "Warning"
            self.event(kind, *self.guarded.news)

    def _closing(self, decision: Decision, timer: Timer, entered: list[Entered]) -> dict[str, Any]:
        if decision.quiet:
            ready, stalled = still(self.body, decision.reason)
        else:
            ready, stalled = succeeded(decision.reason, decision.message)
        guarded = self.guarded
        if guarded is not None and guarded.latch is not None:
            ready, stalled = latched(guarded.latch.reason, guarded.latch.message)
        return closing_patch(
            self.body,
            Closing(
                now=self.began.wall,
                entered=entered,
                ready=ready,
                stalled=stalled,
                more=() if guarded is None else guarded.conditions,
                refresh=self.due or bool(entered),
                tick=timer.stored if decision.enter is not None else ...,
            ),
        )

    def _announce(self, entered: list[Entered]) -> None:
        for step in entered:
            self.commons.metrics.transitions.labels(self.key.kind, step.phase).inc()
            text = f"entered {step.phase}: {step.message}" if step.message else step.phase
            reason = step.reason or reasons.INITIALIZED
            self.event("Normal", reason, text)

    def _tell_aside(self, aside: Aside) -> None:
        """Events and notifications that the worker asked for: after its phase is written."""
        for note in aside.events:
            self.event(note.type, note.reason, note.message)
        if not self.commons.options.dry_run:
            for notice in aside.notices:
                self.commons.notifier.send(self.key, notice)

    def event(self, kind: EventType, reason: str, message: str, about: Body | None = None) -> None:
        """Record an Event, on the resource unless it is about another object."""
        if not self.commons.options.dry_run:
            self.served.events.record(about or self.body, kind, reason, message)

    def _first_entry(self, body: Body) -> list[Entered]:
        if stored_phase(body):
            return []
        return [Entered(self.machine.initial.name)] if self.machine.nodes else []
