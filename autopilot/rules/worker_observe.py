"""A rule that only observes: its phases are virtual, and nothing is written to the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import render_time
from autopilot.rules import worker_view as view
from autopilot.rules.cause import event
from autopilot.rules.engine import Advanced, advance
from autopilot.rules.state import State
from autopilot.rules.worker_kept import SHOWN_EVERY, Kept, gap_of, next_look, paced
from autopilot.runtime.result import Note, Result
from autopilot.verdict.transition import Moment

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.rules.program import Program
    from autopilot.rules.status import RuleStatus
    from autopilot.rules.worker_read import Read
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

OBSERVING = "Observing"


class Observer:
    """One look of a rule that observes.

    Args:
        program: The rule.
        res: As stored.
        seen: The signals.
        monotonic: Now, for what is counted.
        now: Now, for people.
    """

    def __init__(
        self,
        program: Program,
        res: Resource[Spec, RuleStatus],
        seen: Read,
        monotonic: float,
        now: datetime,
    ) -> None:
        self._program = program
        self._res = res
        self._seen = seen
        self._monotonic = monotonic
        self._now = now

    def answer(self, kept: Kept | None) -> tuple[Result[Any], Kept]:
        """The answer, and what to remember."""
        program, would = self._program, self._res.status.would_be
        begins = would is None or would.phase not in program.phases
        if begins or (kept is not None and not kept.observing):
            kept = None
        phase = program.initial if would is None or begins else would.phase
        machine = None if would is None else would.machine
        state = kept.settled(phase, machine) if kept else State.from_status(machine, phase)
        elapsed = self._monotonic - kept.at if kept else None
        # Nobody is asked to approve what isn't done: a gate counts as opened, and Events say so.
        opened = frozenset(program.phases)
        moment = Moment(self._seen.readings, elapsed, opened, gap_of(program))
        since = kept.since(phase, machine) if kept else None
        found = paced(advance(program, state, moment, self._seen.why), since, self._monotonic)
        moved = found.entered is not None or found.climbed
        next_kept = Kept(
            found.held if moved else found.state,
            self._monotonic,
            found.state if moved else None,
            observing=True,
            shown=kept.shown if kept else None,
            entered=since,
        )
        return self._result(found, state, next_kept, begins=begins), next_kept

    def _result(self, found: Advanced, before: State, kept: Kept, *, begins: bool) -> Result[Any]:
        program, res = self._program, self._res
        would = res.status.would_be
        stored = State.from_status(would.machine if would else None, before.phase)
        matters = begins or found.entered is not None or found.state.worth_keeping(stored)
        if not matters and view.knows_other(res.status, program, self._seen):
            matters = kept.shown is None or self._monotonic - kept.shown >= SHOWN_EVERY
            # The first word, mostly that nothing is known yet, doesn't hold up the second.
            if matters and res.status.signals:
                kept.shown = self._monotonic
        status = self._status(found, begins=begins) if matters else None
        events = [*self._events(found)]
        if matters and view.knows_other(res.status, program, self._seen):
            events += view.unanswered(self._seen)
        ending = program.on_delete
        if res.phase != program.initial:
            leaves: Result[Any] = Result.to(
                program.initial,
                actions=(),
                status=status,
                reason=OBSERVING,
                message=f"observes from now on and writes nothing: {self._left(ending)}",
                after=next_look(program, found),
            )
            return leaves.beside(events=events, ending=ending, back=True)
        if begins:
            message = f"decides and records, and writes nothing to the mesh: {self._left(ending)}"
            events.insert(0, Note("Normal", OBSERVING, message))
        stays: Result[Any] = Result.stay(actions=(), status=status, after=next_look(program, found))
        return stays.beside(events=events, ending=ending)

    @staticmethod
    def _left(ending: str) -> str:
        kept = "kept" if ending == "keep" else "restored"
        return f"hazards that it held are undone, protections are {kept} (onDelete: {ending})"

    def _status(self, found: Advanced, *, begins: bool) -> dict[str, Any]:
        program, would = self._program, self._res.status.would_be
        virtual = {
            "phase": found.state.phase,
            "since": would.since if would and not begins else render_time(self._now),
            "why": would.why if would and not begins else "",
            "machine": found.state.to_status(),
        }
        waits = found.message
        if found.entered is not None:
            virtual |= {"since": render_time(self._now), "why": found.message}
            waits = view.ways(program, found.state.phase)
        told = view.people(program, found.state, self._seen, waits)
        # It holds nothing: what it would hold is said in the Events.
        return {"machine": None, "would_be": virtual, **told, "holds": None}

    def _events(self, found: Advanced) -> list[Note]:
        happened = found.entered is not None or found.climbed
        return [Note("Normal", *event(found))] if happened else []
