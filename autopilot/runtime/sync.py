"""The turns of the work queue: which resource is in what circumstances, and when it runs again.

Level-triggered: a sync looks at the world as it is, never at what woke it. Whether the timer fired
or the phase is new is all that a turn says.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from typing import TYPE_CHECKING

from autopilot.base.errors import AutopilotError
from autopilot.base.logs import fields
from autopilot.kube.client import Conflict, NotFound
from autopilot.kube.retry import AtOnce
from autopilot.runtime import reasons
from autopilot.runtime.attempt import Attempt
from autopilot.runtime.closing import Closing, closing_patch, paused_patch, still
from autopilot.runtime.ending import end, is_held, namespace_leaves
from autopilot.runtime.queue import Ran
from autopilot.runtime.record import SyncRecord
from autopilot.runtime.refused import Refused
from autopilot.runtime.served import Memory
from autopilot.runtime.setbacks import Setback, WorkerRaised, setback_of
from autopilot.runtime.status import difference
from autopilot.runtime.timers import Moment, timer_at_start
from autopilot.runtime.view import (
    is_leaving,
    is_paused,
    next_tick,
    stored_phase,
    stored_status,
    stored_tick,
)
from autopilot.runtime.wakes import CURRENT
from autopilot.runtime.workers import Overran

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.client import Body
    from autopilot.runtime.decide import Decision
    from autopilot.runtime.definition import PhaseDefinition
    from autopilot.runtime.record import Key
    from autopilot.runtime.schedule import Turn
    from autopilot.runtime.served import Commons, Served

_log = logging.getLogger("autopilot.sync")

HOPS = 10
"""So many phases in a row are entered at once; a machine that never stays goes on by the timer."""

LONGEST_ACTING = 10.0
"""The longest back-off, in seconds, of a resource that acts on the mesh."""

LONGEST_BEHIND = 2.0
"""The longest wait, in seconds, before a move back that failed is tried again."""


class Syncer:
    """Does the turns.

    Args:
        served: By primary kind, qualified.
        commons: What all operators share.
    """

    def __init__(self, served: Mapping[str, Served], commons: Commons) -> None:
        self._served = served
        self._commons = commons
        self._numbers = itertools.count(1)
        self._rng = random.Random()
        self._again = AtOnce()

    async def run(self, turn: Turn[Key]) -> Ran:
        """Do one turn; conflicts on the resource's version are run again at once."""
        commons, kind = self._commons, turn.key.kind
        began = commons.clock.monotonic()
        token = CURRENT.set(turn.key)
        result = "error"
        try:
            ran, result = await self._turn(self._served[kind], turn)
        finally:
            CURRENT.reset(token)
            commons.metrics.reconciles.labels(kind, result).inc()
            commons.metrics.seconds.labels(kind).observe(commons.clock.monotonic() - began)
        return ran

    async def _turn(self, served: Served, turn: Turn[Key]) -> tuple[Ran, str]:
        key = turn.key
        try:
            body = served.primary.get(key.namespace or None, key.name)
        except AutopilotError as error:
            setback = setback_of(error, turn.attempt)
            return Ran(
                failed=True, owed=turn.due, after=setback.after if setback else None
            ), "requeue"
        due = turn.due
        for number in range(self._again.attempts + 1):
            if body is None:
                return self._gone(key), "success"
            attempt = self._attempt(served, turn, body, due=due)
            try:
                return await self._do(attempt)
            except Conflict as error:
                due = attempt.due
                if number == self._again.attempts:
                    return await self._set_back(attempt, error)
            # A pause for the other writer to finish, so in real time whatever clock decides.
            await asyncio.sleep(self._again.delay(number, self._rng))
            body = await self._read(served, key)
        raise AssertionError("unreachable")

    def _attempt(self, served: Served, turn: Turn[Key], body: Body, *, due: bool) -> Attempt:
        commons, key = self._commons, turn.key
        uid = str(body["metadata"].get("uid"))
        memory = commons.memories.get(key)
        if memory is None or memory.uid != uid:
            memory = commons.memories[key] = Memory(uid)
        now = Moment(commons.clock.now(), commons.clock.monotonic())
        name = stored_phase(body) or served.definition.initial.name
        phase = served.definition.phase(name) or served.definition.initial
        record = SyncRecord(key, next(self._numbers), now.wall, name, due)
        return Attempt(commons, served, key, body, memory, phase, due, turn.attempt, now, record)

    async def _do(self, attempt: Attempt) -> tuple[Ran, str]:
        body = attempt.body
        try:
            if is_leaving(body) and not is_held(attempt):
                self._commons.queue.tick_at(attempt.key, None)
                return Ran(), "success"
            leaving = is_leaving(body)
            if is_paused(body) and not (leaving and await namespace_leaves(attempt)):
                return await self._pause(attempt, again=leaving)
            if leaving:
                return await self._end(attempt)
            self._see(attempt)
            phase = self._phase(attempt)
            if phase.final:
                return await self._rest(attempt)
            decision = await attempt.ask()
            await attempt.write(decision)
        except Conflict:
            self._use_up(attempt)
            attempt.tell()
            raise
        except Exception as error:
            return await self._set_back(attempt, error)
        return self._finish(attempt, decision)

    def _see(self, attempt: Attempt) -> None:
        """Settle whether the sync is due, where the queue can't know."""
        memory, queue, key = attempt.memory, self._commons.queue, attempt.key
        stored, tick = stored_phase(attempt.body), stored_tick(attempt.body)
        at = timer_at_start(
            next_tick(attempt.body),
            now=attempt.began,
            interval=self._commons.settings.work_interval,
        )
        if memory.phase is None and stored:
            attempt.due = attempt.due or at is None
            if at is not None and queue.schedule.timer(key) is None:
                queue.tick_at(key, at)
        elif not stored or (memory.phase != stored and (tick is None or tick == memory.tick)):
            attempt.due = True
        elif tick != memory.tick or self._was_made(attempt):
            # Another process, or a write of ours whose answer was lost, has used the tick up.
            attempt.due = at is None
            queue.tick_at(key, at)
            memory.unsure, memory.owed = None, False
        attempt.due = attempt.due or memory.owed
        memory.owed = False
        memory.phase, memory.tick = stored or attempt.phase.name, tick
        attempt.record.due = attempt.due

    @staticmethod
    def _was_made(attempt: Attempt) -> bool:
        """Whether a step (1) of which no answer came was made nevertheless."""
        unsure = attempt.memory.unsure
        return unsure is not None and not difference(stored_status(attempt.body), unsure)

    @staticmethod
    def _phase(attempt: Attempt) -> PhaseDefinition:
        stored = stored_phase(attempt.body)
        if stored and attempt.served.definition.phase(stored) is None:
            known = ", ".join(phase.name for phase in attempt.served.definition.phases)
            raise Refused(
                reasons.UNKNOWN_PHASE,
                f"status.phase is {stored}, which this operator doesn't have ({known}); "
                "set it to one of these",
            )
        return attempt.phase

    def _finish(self, attempt: Attempt, decision: Decision) -> tuple[Ran, str]:
        memory, queue, timer = attempt.memory, self._commons.queue, attempt.timer
        memory.input_missing, memory.raised = False, None
        if not self._commons.options.dry_run:
            memory.tick, memory.unsure = stored_tick(attempt.body), None
        queue.tick_at(attempt.key, timer.at if timer else None)
        if decision.enter is None:
            memory.hops = 0
        elif not self._commons.options.dry_run:
            self._enter(attempt, decision.enter, timed=timer is not None and timer.at is not None)
        else:
            interval = self._commons.settings.work_interval.total_seconds()
            queue.tick_at(attempt.key, attempt.began.monotonic + interval)
        attempt.tell()
        self._note(attempt)
        return Ran(), "success"

    def _enter(self, attempt: Attempt, name: str, *, timed: bool) -> None:
        """A new phase is looked at at once; it is due at once unless its timer was set."""
        memory, queue, key = attempt.memory, self._commons.queue, attempt.key
        memory.phase = name
        memory.hops += 1
        phase = attempt.served.definition.phase(name)
        if timed:
            queue.schedule.renew(key)
        if phase is not None and phase.final:
            queue.tick_at(key, None)
        elif memory.hops > HOPS and not timed:
            interval = self._commons.settings.work_interval.total_seconds()
            queue.tick_at(key, attempt.began.monotonic + interval)
        else:
            queue.wake(key, due=not timed)

    async def _pause(self, attempt: Attempt, *, again: bool) -> tuple[Ran, str]:
        """Workers and writes rest. Hazards at their deadline will be exempt, once there are any.

        Args:
            attempt: The sync.
            again: Look again after a while: nothing tells when the namespace goes.
        """
        interval = self._commons.settings.work_interval.total_seconds()
        at = attempt.began.monotonic + interval if again else None
        self._commons.queue.tick_at(attempt.key, at)
        # As after a restart: what is stored decides when it is due again.
        attempt.memory.phase = None
        patch = paused_patch(attempt.body, attempt.began.wall)
        await attempt.served.writer.status(attempt.body, patch, "conditions")
        return Ran(), "success"

    async def _rest(self, attempt: Attempt) -> tuple[Ran, str]:
        """A final phase has no worker; the status still says which generation it has seen."""
        self._commons.queue.tick_at(attempt.key, None)
        ready, stalled = still(attempt.body, attempt.phase.name)
        closing = Closing(now=attempt.began.wall, ready=ready, stalled=stalled, refresh=False)
        await attempt.served.writer.status(attempt.body, closing_patch(attempt.body, closing))
        return Ran(), "success"

    async def _end(self, attempt: Attempt) -> tuple[Ran, str]:
        if await end(attempt):
            self._commons.queue.tick_at(attempt.key, None)
        elif attempt.timer is not None:
            self._commons.queue.tick_at(attempt.key, attempt.timer.at)
        attempt.memory.input_missing = False
        attempt.tell()
        self._note(attempt)
        return Ran(), "success"

    def _gone(self, key: Key) -> Ran:
        self._commons.queue.forget(key)
        self._commons.samples.forget(key)
        self._commons.memories.pop(key, None)
        return Ran()

    async def _read(self, served: Served, key: Key) -> Body | None:
        """The resource from the server: after a conflict the cache may lag behind."""
        try:
            body = await self._commons.client.get(
                served.definition.kind, key.name, key.namespace or None
            )
        except NotFound:
            return None
        served.primary.observe(body)
        return body

    def _use_up(self, attempt: Attempt) -> None:
        """A tick whose step (1) was written is used up, whatever failed afterwards.

        Unless a phase is to be entered: its stored tick is the old one, until step (3).
        """
        memory, written = attempt.memory, attempt.written
        entering = attempt.record.enter is not None
        if written.first:
            memory.tick, memory.unsure = written.tick, None
        elif written.unsure is not None and not entering:
            memory.unsure = written.unsure
        if written.first and not entering and attempt.timer is not None:
            attempt.due = False
            self._commons.queue.tick_at(attempt.key, attempt.timer.at)

    async def _set_back(self, attempt: Attempt, error: Exception) -> tuple[Ran, str]:
        setback = setback_of(error, attempt.number)
        if setback is None:
            # Nobody expected this. The next try settles anew whether it is due.
            attempt.memory.phase = None
            raise error
        self._use_up(attempt)
        attempt.tell()
        attempt.memory.input_missing = setback.input_missing
        if isinstance(error, WorkerRaised):
            self._tell_raised(attempt, error)
        if isinstance(error, Overran) and error.still is not None:
            self._commons.queue.block(attempt.key)
            error.still.add_done_callback(lambda _: self._commons.queue.unblock(attempt.key))
        if setback.visible:
            await self._show(attempt, setback)
        attempt.record.enter = None
        attempt.record.reason, attempt.record.message = setback.reason, setback.message
        attempt.record.error = setback.message
        self._note(attempt)
        return self._again_after(attempt, setback), setback.result

    @staticmethod
    def _tell_raised(attempt: Attempt, error: WorkerRaised) -> None:
        """The traceback once; each retry that ends at the same place is one line."""
        about = {"resource": str(attempt.key), "phase": attempt.phase.name}
        if attempt.memory.raised == error.place:
            _log.warning("worker failed again", extra=fields(**about, error=str(error)))
        else:
            _log.warning("worker failed", extra=fields(**about), exc_info=error.error)
        attempt.memory.raised = error.place

    def _again_after(self, attempt: Attempt, setback: Setback) -> Ran:
        if setback.retry:
            at_most = LONGEST_ACTING if attempt.phase.actions and setback.after is None else None
            at_most = LONGEST_BEHIND if attempt.written.behind else at_most
            return Ran(failed=True, owed=attempt.due, after=setback.after, at_most=at_most)
        attempt.memory.owed = attempt.due
        if setback.reason == reasons.INVALID_SPEC:
            self._commons.queue.tick_at(attempt.key, None)
        elif self._commons.queue.schedule.timer(attempt.key) is None:
            interval = self._commons.settings.work_interval.total_seconds()
            self._commons.queue.tick_at(attempt.key, attempt.began.monotonic + interval)
        return Ran()

    async def _show(self, attempt: Attempt, setback: Setback) -> None:
        try:
            await attempt.show(setback)
        except AutopilotError as error:
            _log.warning(
                "the condition could not be written",
                extra=fields(resource=str(attempt.key), reason=setback.reason, why=str(error)),
            )

    def _note(self, attempt: Attempt) -> None:
        record, memory = attempt.record, attempt.memory
        record.report(memory.gist, dry_run=self._commons.options.dry_run)
        memory.gist = record.gist
        self._commons.records.append(record)
        if self._commons.on_record is not None:
            self._commons.on_record(record)
