"""A way back must not read what the action that it ends makes untrue.

A breaker's own 503s keep it open, a time-out caps the latency that it watches, a failover empties
the primary. A way back is a transition to a phase that does not hold the action, or holds less of
it; a way that holds as much of it (a further step) may read what it likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.mesh.actions import Overlaid, Shift
from autopilot.rules.compile_signals import MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.mesh.actions import Measure
    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import RuleSpec
    from autopilot.rules.model_signals import SignalSpec
    from autopilot.rules.program import ActionPlan, PhasePlan, Program
    from autopilot.spec.positions import Path
    from autopilot.verdict.transition import Transition


def check_bends(spec: RuleSpec, program: Program, findings: Findings) -> None:
    """Refuse ways back that read a bent signal; where a hazard ends, only say it."""
    for index, phase in enumerate(spec.phases):
        plan = program.phases.get(phase.name)
        if phase.initial:
            continue  # nothing leads back from where the rule begins
        if plan is None or plan.path != f"spec.phases[{index}]":
            continue
        for way, path in _ways(spec, plan, index):
            after = program.phases.get(way.to)
            for action in plan.actions:
                if after is not None and _ends(action, after):
                    _way(spec, action, way, path, findings)


def _ways(spec: RuleSpec, plan: PhasePlan, index: int) -> Iterator[tuple[Transition, Path]]:
    shared = len(spec.from_any)
    for number, way in enumerate(plan.judged.transitions):
        if way.to == plan.name:
            continue
        if number < shared:
            yield way, ("spec", "fromAny", number, "when")
        else:
            yield way, ("spec", "phases", index, "transitions", number - shared, "when")


def _ends(action: ActionPlan, after: PhasePlan) -> bool:
    """Whether a phase lifts an action of the phase before, or lessens it."""
    same = [one for one in after.actions if one.called == action.called]
    return not same or max(map(_strength, same)) < _strength(action)


def _strength(action: ActionPlan) -> float:
    """How much of an action a phase may hold at least once it stands, in percent."""
    first, last = action.rungs[0], action.rungs[-1]
    if isinstance(first, Shift) and isinstance(last, Shift):
        return 100.0 - min(first.weights[first.stable], last.weights[last.stable])
    return max(_share(first), _share(last))


def _share(rung: Overlaid) -> float:
    for field in ("share", "percentage"):
        if (share := getattr(rung, field, None)) is not None:
            return float(share)
    return 100.0


def _way(
    spec: RuleSpec, action: ActionPlan, way: Transition, path: Path, findings: Findings
) -> None:
    rung = action.rungs[-1]
    for name in way.when.reads if way.when else ():
        signal = spec.signals.get(name)
        if signal is None or not signal.builtin:
            continue
        if not _bent(rung, signal, MEASURED[signal.builtin]):
            continue
        message = f"the way back to {way.to} reads {name}, which {action.called} itself bends"
        hint = f"read {_instead(rung, signal)}"
        if rung.hazard:
            findings.note(path, message, hint)
        else:
            findings.wrong(path, message, hint)


def _bent(rung: Overlaid, signal: SignalSpec, measure: Measure) -> bool:
    where = rung.where
    if where.callers and signal.from_ and not set(where.callers) & set(signal.from_):
        return False  # other callers' requests are left alone
    if isinstance(rung, Shift):
        if signal.backend is None:
            return measure in rung.bends.callers
        # What still gets some requests answers for itself; what gets none says nothing.
        return measure in rung.bends.backend and not rung.weights.get(signal.backend, 1)
    if signal.reporter == "destination" and measure != "rate":
        return False  # the servers report what they did, whatever the callers' proxies do
    if signal.backend is None:
        return measure in rung.bends.callers
    own = signal.backend.partition("/")[0] == where.host
    return own and measure in rung.bends.backend


def _instead(rung: Overlaid, signal: SignalSpec) -> str:
    return rung.bends.instead.replace("`backend:`", f"`backend: {rung.where.host}`")
