"""Phases: transitions, ladders and notices, from what a person wrote to what the engine runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from autopilot.rules.compile_actions import At, compile_action
from autopilot.rules.model_actions import ACTION_NAMES
from autopilot.rules.program import LADDER_DONE, ActionPlan, Notice, PhasePlan, Ready
from autopilot.rules.words import TOLD
from autopilot.spec.positions import spelled
from autopilot.spec.problems import did_you_mean
from autopilot.verdict.phase import Exit, Phase
from autopilot.verdict.transition import Transition
from autopilot.verdict.units import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.mesh.actions import Where
    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import ExitSpec, PhaseSpec, RuleSpec, TransitionSpec
    from autopilot.rules.model_actions import ActionSpec, NotifySpec
    from autopilot.rules.program import Signal
    from autopilot.spec.positions import Path

_PLACE = re.compile(r"\[\[(?P<name>[^\[\]]*)\]\]")


@dataclass(slots=True)
class Actions:
    """A phase's actions, as they are gathered.

    Attributes:
        plans: Those that make sense.
        notices: What is sent.
        dwells: Each dwell that was written, with its path.
        ladders: Paths of ladders of more than one rung.
    """

    plans: list[ActionPlan]
    notices: list[Notice]
    dwells: dict[Path, timedelta]
    ladders: list[Path]


class PhaseCompiler:
    """Compiles the phases of one rule.

    Args:
        spec: The rule, in its long form.
        where: Which requests its actions are about.
        units: Of all its signals, sound or not.
        signals: Those that are sound.
        findings: What is wrong goes there.
    """

    def __init__(
        self,
        spec: RuleSpec,
        where: Where,
        units: Mapping[str, Unit],
        signals: Mapping[str, Signal],
        findings: Findings,
    ) -> None:
        self._spec = spec
        self._where = where
        self._units = {**units, LADDER_DONE: Unit.BOOL}
        self._findings = findings
        self._unsampled = frozenset(
            {LADDER_DONE} | {n for n, one in signals.items() if isinstance(one.source, Ready)}
        )
        initial = [phase.name for phase in spec.phases if phase.initial]
        self._initial = initial[0] if initial else ""
        self._names = [phase.name for phase in spec.phases]
        self._any = [
            self._transition(way, ("spec", "fromAny", index), from_any=True)
            for index, way in enumerate(spec.from_any)
        ]

    def phase(self, index: int) -> PhasePlan:
        """One phase; what is wrong with it is left out of it."""
        spec = self._spec.phases[index]
        path: Path = ("spec", "phases", index)
        actions = self._actions(spec, path)
        rungs = max((len(plan.rungs) for plan in actions.plans), default=1)
        dwell = self._dwell(actions, path, rungs)
        own = [
            self._transition(way, (*path, "transitions", number))
            for number, way in enumerate(spec.transitions)
        ]
        ways = [] if spec.final else [*self._any, *own]
        judged = Phase(
            spec.name,
            tuple(ways),
            spec.initial,
            spec.final,
            _exit(spec.max_stay),
            _exit(spec.when_blind),
            self._unsampled,
        )
        climbs = None
        if spec.while_ is not None:
            climbs = self._findings.condition((*path, "while"), spec.while_, self._units, {})
        asked = [*self._spec.from_any, *spec.transitions]
        back = frozenset(
            way.key
            for way, written in zip([*self._any, *own], asked, strict=True)
            if written.back or written.to == self._initial
        )
        return PhasePlan(
            judged,
            tuple(actions.plans),
            climbs,
            dwell,
            rungs,
            back if ways else frozenset(),
            tuple(actions.notices),
            spec.description,
            spelled(path),
        )

    def _transition(
        self, spec: TransitionSpec, path: Path, *, from_any: bool = False
    ) -> Transition:
        if spec.to not in self._names:
            hint = did_you_mean(spec.to, self._names) if self._names else ""
            self._findings.wrong((*path, "to"), f"there is no phase {spec.to!r}", hint)
        when = None
        if spec.when is not None:
            when = self._findings.condition((*path, "when"), spec.when, self._units, {})
        if spec.times is not None and when is not None and not {*when.reads} - {LADDER_DONE}:
            message = f"counts samples, and {LADDER_DONE} is none"
            self._findings.wrong((*path, "times"), message, "write for: 30s")
        return Transition(spec.to, when, spec.for_, spec.times, spec.after, spec.approve, from_any)

    def _actions(self, spec: PhaseSpec, path: Path) -> Actions:
        gathered = Actions([], [], {}, [])
        for index, action in enumerate(spec.actions):
            self._action(action, (*path, "actions", index), gathered)
        return gathered

    def _action(self, action: ActionSpec, path: Path, gathered: Actions) -> None:
        if action.one is None:
            given = [name for name in ACTION_NAMES if _field(action, name) is not None]
            message = f"has {' and '.join(given)}" if given else "names no action"
            hint = f"exactly one of {', '.join(ACTION_NAMES)}" if not given else "write two actions"
            self._findings.wrong(path, message, hint)
            return
        called, fields = action.one
        here: Path = (*path, called)
        if called == "notify":
            if notice := self._notice(fields, here):
                gathered.notices.append(notice)
            return
        for ladder in getattr(fields, "ladders", ()):
            self._ladder(fields, ladder, here, gathered)
        if (dwell := getattr(fields, "dwell", None)) is not None:
            gathered.dwells[(*here, "dwell")] = dwell
        at = At(here, spelled(here), self._where, self._findings)
        if plan := compile_action(called, fields, at):
            gathered.plans.append(plan)

    def _ladder(self, fields: Any, ladder: str, here: Path, gathered: Actions) -> None:
        value = fields
        for part in ladder.split("."):
            value = getattr(value, part, None)
        if not isinstance(value, tuple) or len(value) < 2:
            return
        path: Path = (*here, *ladder.split("."))
        gathered.ladders.append(path)
        steps = [after - before for before, after in pairwise(value)]
        if not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
            rungs = ", ".join(f"{rung:g}%" for rung in value)
            hint = "each rung is larger than the one before, or each is smaller"
            self._findings.wrong(path, f"[{rungs}] goes no one way", hint)

    def _dwell(self, actions: Actions, path: Path, rungs: int) -> timedelta:
        if len(set(actions.dwells.values())) > 1:
            last = list(actions.dwells)[-1]
            hint = "all ladders of a phase climb together; write one dwell"
            self._findings.wrong(last, "differs from another dwell of the phase", hint)
        if actions.ladders and not actions.dwells and rungs > 1:
            hint = "say how long each rung is stood on at least, like dwell: 30s"
            self._findings.wrong(actions.ladders[0][:-1], "has a ladder without dwell", hint)
        for where, length in actions.dwells.items():
            if not length:
                self._findings.wrong(where, "is no time", "write it like 30s")
        return next(iter(actions.dwells.values()), timedelta(0))

    def _notice(self, spec: NotifySpec, path: Path) -> Notice | None:
        if (spec.url is None) == (spec.secret is None):
            which = "has url and secret" if spec.url else "doesn't say where to"
            self._findings.wrong(path, which, "exactly one of url, secret")
            return None
        for found in _PLACE.finditer(spec.text):
            name = found["name"].strip()
            if name not in self._units and name not in TOLD:
                hint = did_you_mean(name, [*self._units, *TOLD])
                self._findings.wrong((*path, "text"), f"there is no signal {name[:63]!r}", hint)
        if "[[" in _PLACE.sub("", spec.text):
            self._findings.wrong((*path, "text"), "a [[ isn't closed", "write it like [[ p99 ]]")
        return Notice(spec.url or "", spec.secret or "", spec.slack, spec.text)


def noticed(text: str) -> list[str]:
    """The signals that a notification names."""
    return [found["name"].strip() for found in _PLACE.finditer(text)]


def _exit(spec: ExitSpec | None) -> Exit | None:
    return Exit(spec.to, spec.after) if spec else None


def _field(action: ActionSpec, wire: str) -> Any:
    fields = type(action).model_fields
    return next(getattr(action, n) for n, info in fields.items() if (info.alias or n) == wire)
