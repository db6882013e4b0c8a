"""The turns of the work queue: in what circumstances a resource is, and what is done.

Level-triggered: a sync looks at the world as it is, never at what woke it. Whether the timer fired
or the phase is new is all that a turn says.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import AutopilotError, InvalidInput
from autopilot.base.logs import fields
from autopilot.kube.client import Conflict, NotFound
from autopilot.kube.retry import AtOnce
from autopilot.runtime import pace, reasons
from autopilot.runtime.attempt import Attempt
from autopilot.runtime.closing import Closing, closing_patch, halted_patch, paused_patch, still
from autopilot.runtime.decide import Decision
from autopilot.runtime.ending import end, is_held, namespace_leaves
from autopilot.runtime.queue import Ran
from autopilot.runtime.record import SyncRecord
from autopilot.runtime.refused import Refused
from autopilot.runtime.served import Memory
from autopilot.runtime.setbacks import Setback, WorkerRaised, setback_of
from autopilot.runtime.timers import Moment
from autopilot.runtime.view import is_leaving, is_paused, stored_phase
from autopilot.runtime.wakes import CURRENT
from autopilot.runtime.workers import Overran

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.client import Body
    from autopilot.runtime.record import Key
    from autopilot.runtime.schedule import Turn
    from autopilot.runtime.served import Commons, Served

_log = logging.getLogger("autopilot.sync")


def lost(attempt: Attempt) -> Decision | None:
    """What to do about a stored phase that there is no more; None where there is it.

    Raises:
        Refused: Where phases are the operator's own, only a person can tell which one is meant.
    """
    stored = stored_phase(attempt.body)
    if not stored or attempt.machine.node(stored) is not None:
        return None
    known = ", ".join(node.name for node in attempt.machine.nodes)
    if attempt.served.definition.machine_of is None:
        raise Refused(
            reasons.UNKNOWN_PHASE,
            f"status.phase is {stored}, which this operator doesn't have ({known}); "
            "set it to one of these",
        )
    initial = attempt.phase.name
    message = f"there is no phase {stored} any more ({known}): it begins anew"
    attempt.record.enter = initial
    attempt.record.reason, attempt.record.message = reasons.PHASE_GONE, message
    return Decision(stored, initial, reason=reasons.PHASE_GONE, message=message)


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
        phase = served.definition.initial
        record = SyncRecord(key, next(self._numbers), now.wall, name, due)
        return Attempt(commons, served, key, body, memory, phase, due, turn.attempt, now, record)

    async def _do(self, attempt: Attempt) -> tuple[Ran, str]:
        body = attempt.body
        try:
            if is_leaving(body) and not is_held(attempt):
                self._commons.queue.tick_at(attempt.key, None)
                return Ran(), "success"
            leaving = is_leaving(body)
            order = self._commons.halt.over(attempt.key.namespace)
            if order is not None and not (leaving and await namespace_leaves(attempt)):
                return await self._halt(attempt, str(order), again=leaving)
            if is_paused(body) and not (leaving and await namespace_leaves(attempt)):
                return await self._pause(attempt, again=leaving)
            if leaving:
                return await self._end(attempt)
            self._find_phase(attempt)
            pace.see(attempt)
            decision = lost(attempt)
            if decision is None and attempt.phase.final:
                return await self._rest(attempt)
            if decision is None:
                decision = await attempt.ask()
            decision = await attempt.write(decision)
        except Conflict:
            pace.use_up(attempt)
            attempt.tell()
            raise
        except Exception as error:
            return await self._set_back(attempt, error)
        return self._finish(attempt, decision)

    @staticmethod
    def _find_phase(attempt: Attempt) -> None:
        """Settle the resource's table and its present phase.

        Raises:
            Refused: The resource makes no table.
        """
        attempt.served.about.learn(attempt.key, attempt.body)
        try:
            attempt.machine = attempt.served.machine_for(attempt.body)
        except InvalidInput as error:
            raise Refused(reasons.INVALID_SPEC, str(error)) from error
        initial = attempt.machine.initial.name
        phase = attempt.phase_named(stored_phase(attempt.body) or initial)
        attempt.phase = phase or attempt.phase_named(initial) or attempt.phase
        attempt.record.phase = attempt.phase.name

    def _finish(self, attempt: Attempt, decision: Decision) -> tuple[Ran, str]:
        attempt.memory.input_missing, attempt.memory.raised = False, None
        pace.after_decision(attempt, decision)
        self._commons.guard.ledger.settle(attempt.key)
        attempt.tell()
        self._note(attempt)
        return Ran(), "success"

    async def _pause(self, attempt: Attempt, *, again: bool) -> tuple[Ran, str]:
        """Workers and writes rest. Hazards at their deadline will be exempt, once there are any.

        Args:
            attempt: The sync.
            again: Look again after a while: nothing tells when the namespace goes.
        """
        return await self._hold(attempt, paused_patch(attempt.body, attempt.began.wall), again)

    async def _halt(self, attempt: Attempt, order: str, *, again: bool) -> tuple[Ran, str]:
        """As a pause, for everybody. The sweep removes hazards, whoever holds them."""
        return await self._hold(
            attempt, halted_patch(attempt.body, order, attempt.began.wall), again
        )

    async def _hold(
        self, attempt: Attempt, patch: Mapping[str, Any], again: bool
    ) -> tuple[Ran, str]:
        self._commons.queue.tick_at(attempt.key, pace.one_interval(attempt) if again else None)
        # As after a restart: what is stored decides when it is due again.
        attempt.memory.phase = None
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
        self._commons.guard.ledger.settle(key)
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

    async def _set_back(self, attempt: Attempt, error: Exception) -> tuple[Ran, str]:
        setback = setback_of(error, attempt.number)
        if setback is None:
            # Nobody expected this. The next try settles anew whether it is due.
            attempt.memory.phase = None
            raise error
        pace.use_up(attempt)
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
        return pace.after_setback(attempt, setback), setback.result

    @staticmethod
    def _tell_raised(attempt: Attempt, error: WorkerRaised) -> None:
        """The traceback once; each retry that ends at the same place is one line."""
        about = {"resource": str(attempt.key), "phase": attempt.phase.name}
        if attempt.memory.raised == error.place:
            _log.warning("worker failed again", extra=fields(**about, error=str(error)))
        else:
            _log.warning("worker failed", extra=fields(**about), exc_info=error.error)
        attempt.memory.raised = error.place

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
