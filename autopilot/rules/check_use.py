"""Checks across a rule: signals that nobody reads, ladders that nobody climbs, its own limits."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.mesh.actions import Shed, Shift
from autopilot.mesh.providers import PROVIDERS
from autopilot.rules.check_graph import targets
from autopilot.rules.compile_phases import noticed
from autopilot.rules.model_signals import DEFAULT_WINDOW
from autopilot.rules.program import LADDER_DONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import RuleSpec
    from autopilot.rules.program import ActionPlan, PhasePlan, Program
    from autopilot.spec.positions import Path


def check_signals(spec: RuleSpec, program: Program, findings: Findings) -> None:
    """Say which signals are declared for nothing; the short form's own may be."""
    if findings.problems:
        return  # what can't be read may have named them
    used = {name for plan in program.phases.values() for name in _read(plan)}
    for phase in spec.phases:
        for action in phase.actions:
            if action.notify:
                used.update(noticed(action.notify.text))
    for name in spec.signals:
        path: Path = ("spec", "signals", name)
        if name not in used and findings.written(path) == path:
            findings.note(path, "nothing reads it", "leave it out, or name it in a condition")


def check_ladders(spec: RuleSpec, program: Program, findings: Findings) -> None:
    """Refuse what speaks of a ladder where there is none."""
    hint = "give an action rungs and a dwell: share: [10%, 50%, 100%], dwell: 30s"
    for index, phase in enumerate(spec.phases):
        plan = program.phases.get(phase.name)
        path: Path = ("spec", "phases", index)
        if plan is None or plan.path != f"spec.phases[{index}]":
            continue
        none = plan.rungs == 1 and not plan.dwell
        if phase.while_ is not None and none:
            findings.wrong((*path, "while"), f"{phase.name} has no ladder to climb", hint)
        if plan.climbs is not None and LADDER_DONE in plan.climbs.reads:
            findings.wrong(
                (*path, "while"), f"reads {LADDER_DONE}, which ends the climb", "leave it out"
            )
        _windows(spec, plan, path, findings)
        shared = len(spec.from_any)
        for number, way in enumerate(plan.judged.transitions[shared:]):
            if none and way.when is not None and LADDER_DONE in way.when.reads:
                findings.wrong(
                    (*path, "transitions", number, "when"),
                    f"reads {LADDER_DONE}, and {phase.name} has no ladder",
                    hint,
                )


def _windows(spec: RuleSpec, plan: PhasePlan, path: Path, findings: Findings) -> None:
    """Say where a share of requests would be judged by the share before it."""
    if not any(isinstance(one.rungs[0], Shift) for one in plan.actions):
        return
    for name in plan.climbs.reads if plan.climbs else ():
        signal = spec.signals.get(name)
        window = (signal.window or DEFAULT_WINDOW) if signal and signal.builtin else None
        if window and plan.rungs > 1 and window > plan.dwell:
            findings.note(
                (*path, "while"),
                f"{name} looks back {durations.render(window)}, beyond a dwell of "
                f"{durations.render(plan.dwell)}: a rung is judged by the one before it as well",
                "make the dwell as long as the window",
            )


def check_limits(spec: RuleSpec, program: Program, findings: Findings) -> None:
    """Refuse phases that the rule's own guardrails would never let through."""
    most = program.limits.max_step
    if most >= 100 or findings.moved:
        return
    for index, phase in enumerate(spec.phases):
        plan = program.phases.get(phase.name)
        if plan is None or plan.path != f"spec.phases[{index}]":
            continue
        least = _before(spec, program, phase.name)
        for action in plan.actions:
            shares = [_away(rung) for rung in action.rungs if isinstance(rung, Shift)]
            steps = [after - before for before, after in pairwise([least, *shares])]
            if steps and max(steps) > most:
                rungs = ", ".join(f"{share}%" for share in _rungs(least, max(shares), most))
                findings.wrong(
                    ("spec", "guardrails", "maxStep"),
                    f"{phase.name} moves {max(steps):g}% in one step, and {most:g}% is allowed",
                    f"give it a ladder, like share: [{rungs}]",
                )


def check_conflicts(program: Program, findings: Findings) -> None:
    """Refuse two actions of one phase that would hold the same fields."""
    for index, plan in enumerate(program.phases.values()):
        seen: dict[tuple[object, ...], str] = {}
        for action in plan.actions:
            rung = action.rungs[0]
            # Requests that differ by header are different requests.
            headers = sorted(rung.headers.items()) if isinstance(rung, Shed) else []
            held = (type(rung), *headers)
            if held in seen:
                hint = "one fault may abort and delay" if action.called == "fault" else "write one"
                message = f"holds the same fields as the {seen[held]} beside it"
                findings.wrong(_path(index, action), message, hint)
            seen.setdefault(held, action.called)


def check_provider(program: Program, findings: Findings, provider: str = "Istio") -> None:
    """Refuse actions that the mesh's provider can't carry out."""
    mesh = PROVIDERS[provider]()
    for index, plan in enumerate(program.phases.values()):
        for action in plan.actions:
            try:
                mesh.needs({type(rung).name for rung in action.rungs})
            except ValueError as error:
                findings.wrong(_path(index, action), str(error), f"mesh provider {provider}")


def _path(index: int, action: ActionPlan) -> Path:
    number = action.path.rpartition("actions[")[2].partition("]")[0]
    return ("spec", "phases", index, "actions", int(number), action.called)


def _read(plan: PhasePlan) -> Iterator[str]:
    for way in plan.judged.transitions:
        yield from way.when.reads if way.when else ()
    yield from plan.climbs.reads if plan.climbs else ()


def _away(rung: Shift) -> int:
    return 100 - rung.weights[rung.stable]


def _before(spec: RuleSpec, program: Program, name: str) -> int:
    """The least share that may stand away when a phase is entered by a way forward."""
    shares = []
    for phase in spec.phases:
        plan = program.phases.get(phase.name)
        if plan is None or phase.name == name or name not in targets(spec, phase):
            continue
        if all(way.key in plan.back for way in plan.judged.transitions if way.to == name):
            continue
        away = [
            _away(rung) for one in plan.actions for rung in one.rungs if isinstance(rung, Shift)
        ]
        shares.append(max(away, default=0))
    return min(shares, default=0)


def _rungs(start: int, end: int, most: float) -> list[int]:
    rungs: list[int] = []
    share = start
    while share < end and len(rungs) < 10:
        share = min(end, share + max(1, int(most)))
        rungs.append(share)
    return rungs
