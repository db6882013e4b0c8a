"""The one worker of all rules: reads the signals, asks the engine, answers the runtime.

What a rule remembers between two looks is kept in memory, and in status as far as a restart must
not lose it. A look that decided something counts only once the status shows it: until then the
next look goes on from the one before, so a refused or failed write is decided anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.errors import TerminalError
from autopilot.kube.marks import APPROVE
from autopilot.rules import worker_view as view
from autopilot.rules.cause import event
from autopilot.rules.engine import Advanced, advance, wanted
from autopilot.rules.state import State
from autopilot.rules.worker_kept import SHOWN_EVERY, Kept, gap_of, next_look, paced
from autopilot.rules.worker_observe import Observer
from autopilot.rules.worker_read import read
from autopilot.runtime.result import Note, Result
from autopilot.verdict.transition import Moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.base.clock import Clock
    from autopilot.rules.program import Program
    from autopilot.rules.programs import Programs
    from autopilot.rules.status import RuleStatus
    from autopilot.rules.worker_read import Read
    from autopilot.runtime.context import Context
    from autopilot.runtime.inputs import Inputs
    from autopilot.runtime.resource import Resource
    from autopilot.spec.model import Spec

RESUMED = "Resumed"
ENFORCING = "Enforcing"

_MOST_KEPT = 50_000


class RuleWorker:
    """Runs rules.

    Args:
        clock: Its monotonic side measures what is counted.
        programs: Where rules are compiled.
    """

    def __init__(self, clock: Clock, programs: Programs) -> None:
        self._clock = clock
        self._programs = programs
        self._kept: dict[str, Kept] = {}

    async def __call__(
        self, res: Resource[Spec, RuleStatus], inputs: Inputs, ctx: Context[Any]
    ) -> Result[Any]:
        """One look at one rule.

        Raises:
            TerminalError: The rule was never compiled.
        """
        program = self._programs.known(res.uid, res.generation)
        if program is None:
            raise TerminalError("the rule isn't compiled")
        seen = await read(program, inputs, ctx.now)
        kept = self._kept.get(res.uid)
        if program.observe:
            look = Observer(program, res, seen, self._clock.monotonic(), ctx.now)
            result, self._kept[res.uid] = look.answer(kept)
            return result
        look_ = _Look(program, res, seen, self._clock.monotonic(), ctx)
        result, self._kept[res.uid] = look_.answer(kept)
        if len(self._kept) > _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return result


class _Look:
    """One look of a rule that enforces."""

    def __init__(
        self,
        program: Program,
        res: Resource[Spec, RuleStatus],
        seen: Read,
        now: float,
        ctx: Context[Any],
    ) -> None:
        self._program = program
        self._res = res
        self._seen = seen
        self._now = now
        self._ctx = ctx

    def answer(self, kept: Kept | None) -> tuple[Result[Any], Kept]:
        program, res = self._program, self._res
        started = res.status.would_be is not None or (kept is not None and kept.observing)
        if started:
            kept = Kept(State.begin(program).within(res.phase), self._now)
        elif kept is None and (left := self._left_undone()) is not None:
            return self._resume(left)
        machine = res.status.machine
        state = kept.settled(res.phase, machine) if kept else State.from_status(machine, res.phase)
        elapsed = self._now - kept.at if kept and not started else None
        opened = self._opened(kept)
        moment = Moment(self._seen.readings, elapsed, opened, gap_of(program))
        since = kept.since(res.phase, machine) if kept else None
        found = paced(advance(program, state, moment, self._seen.why), since, self._now)
        shown = kept.shown if kept else None
        next_kept = Kept(found.held, self._now, None, shown=shown, entered=since)
        if found.entered is not None or found.climbed:
            next_kept.pending, next_kept.opened = found.state, opened
        else:
            next_kept.held = found.state
        if found.entered is not None:
            return self._enter(found), next_kept
        return self._stay(found, next_kept, started=started), next_kept

    def _left_undone(self) -> State | None:
        """The state of a phase that was decided on by a process that was killed on its way there.

        What it wants is in the status, and maybe in the mesh: it is done, not judged anew, or
        traffic would go to and fro.
        """
        machine, program = self._res.status.machine, self._program
        target = (machine or {}).get("phase")
        if target == self._res.phase or target not in program.phases:
            return None
        judged = program.phases[self._res.phase].judged
        exits = (judged.max_stay, judged.when_blind)
        ways = {*(one.to for one in judged.transitions), *(one.to for one in exits if one)}
        return State.from_status(machine, target) if target in ways else None

    def _resume(self, state: State) -> tuple[Result[Any], Kept]:
        program, res = self._program, self._res
        message = f"the way from {res.phase} was decided on and not finished"
        result: Result[Any] = Result.to(
            state.phase,
            actions=wanted(program, state),
            status=view.people(program, state, self._seen, view.ways(program, state.phase)),
            reason=RESUMED,
            message=message,
            after=program.interval,
        )
        plan = program.phases[res.phase]
        back = state.phase == program.initial or any(
            one.key in plan.back for one in plan.judged.transitions if one.to == state.phase
        )
        kept = Kept(State(res.phase).within(res.phase), self._now, state)
        return result.beside(used=self._used(), back=back), kept

    def _opened(self, kept: Kept | None) -> frozenset[str]:
        """The phases to which a person has opened the way."""
        named = str(self._res.annotations.get(APPROVE) or "").strip()
        opened = frozenset({named}) if named else frozenset()
        if kept is None:
            return opened
        # One that was used up by a decision that couldn't be finished still counts for it.
        return opened | kept.still_opened(self._res.phase, self._res.status.machine)

    def _used(self) -> tuple[str, ...]:
        return (APPROVE,) if APPROVE in self._res.annotations else ()

    def _enter(self, found: Advanced) -> Result[Any]:
        program, entered = self._program, found.state.phase
        status: dict[str, Any] = {"machine": found.state.to_status(), "would_be": None}
        if (self._res.status.machine or {}).get("phase") != entered:
            # Tried again and again, a move that can't be made yet tells people of itself once.
            status |= view.people(program, found.state, self._seen, view.ways(program, entered))
        result: Result[Any] = Result.to(
            entered,
            actions=found.wanted,
            status=status,
            reason=found.reason,
            message=found.message,
            after=program.interval,
        )
        notices = view.notices(found, entered, self._seen, self._ctx.now)
        return result.beside(notices=notices, used=self._used(), back=found.back)

    def _stay(self, found: Advanced, kept: Kept, *, started: bool) -> Result[Any]:
        program, res = self._program, self._res
        stored = State.from_status(res.status.machine, res.phase)
        # A move that was decided on and could not be made must not be taken up by another process.
        elsewhere = (res.status.machine or {}).get("phase", res.phase) != res.phase
        matters = started or elsewhere or found.climbed or found.state.worth_keeping(stored)
        if not matters and view.knows_other(res.status, program, self._seen):
            matters = kept.shown is None or self._now - kept.shown >= SHOWN_EVERY
            # The first word, mostly that nothing is known yet, doesn't hold up the second.
            if matters and res.status.signals:
                kept.shown = self._now
        status: Mapping[str, Any] | None = None
        if matters:
            people = view.people(program, found.state, self._seen, found.message)
            status = {"machine": found.state.to_status(), "would_be": None, **people}
        events = []
        if matters and view.knows_other(res.status, program, self._seen):
            events += view.unanswered(self._seen)
        if found.climbed:
            events.append(Note("Normal", *event(found)))
        if started:
            events.append(Note("Normal", ENFORCING, f"enforces from now on, from {res.phase}"))
        result: Result[Any] = Result.stay(
            actions=found.wanted, status=status, after=next_look(program, found)
        )
        return result.beside(events=events)
