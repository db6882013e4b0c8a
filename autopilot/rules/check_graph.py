"""Checks of a rule's phases as a graph: where it begins, where it can go, where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.spec.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import PhaseSpec, RuleSpec, TransitionSpec
    from autopilot.rules.program import PhasePlan, Program
    from autopilot.spec.positions import Path


def check_graph(spec: RuleSpec, program: Program, findings: Findings) -> None:
    """Check the phases and the ways between them."""
    if not spec.phases:
        if findings.holes:
            return
        hint = "write phases, or the short form failover"
        findings.wrong(("spec",), "has neither phases nor failover", hint)
        return
    _names(spec, findings)
    _initial(spec, findings)
    for index, phase in enumerate(spec.phases):
        path: Path = ("spec", "phases", index)
        _final(phase, path, findings)
        _exits(spec, phase, path, findings)
        for number, way in enumerate(phase.transitions):
            _way(phase, way, (*path, "transitions", number), findings)
        _twice(phase, path, findings)
        if (plan := program.phases.get(phase.name)) is not None:
            _hazards(spec, phase, plan, path, findings)
    for number, way in enumerate(spec.from_any):
        _from_any(way, ("spec", "fromAny", number), findings)
    if not findings.holes:
        _reach(spec, findings)


def targets(spec: RuleSpec, phase: PhaseSpec) -> Iterator[str]:
    """Where a phase may go."""
    if phase.final:
        return
    for way in (*spec.from_any, *phase.transitions):
        if way.to != phase.name:
            yield way.to
    for left in (phase.max_stay, phase.when_blind):
        if left:
            yield left.to


def _names(spec: RuleSpec, findings: Findings) -> None:
    seen: set[str] = set()
    for index, phase in enumerate(spec.phases):
        if phase.name in seen:
            findings.wrong(
                ("spec", "phases", index, "name"), f"{phase.name} is there twice", "rename one"
            )
        seen.add(phase.name)


def _initial(spec: RuleSpec, findings: Findings) -> None:
    initial = [index for index, phase in enumerate(spec.phases) if phase.initial]
    if not initial:
        hint = f"write initial: true on one, perhaps {spec.phases[0].name}"
        findings.wrong(("spec", "phases"), "no phase is initial", hint)
    for index in initial[1:]:
        first = spec.phases[initial[0]].name
        hint = f"{first} is initial already"
        findings.wrong(("spec", "phases", index, "initial"), "a second initial phase", hint)


def _final(phase: PhaseSpec, path: Path, findings: Findings) -> None:
    if not phase.final:
        return
    for field, given in (
        ("transitions", phase.transitions),
        ("maxStay", phase.max_stay),
        ("whenBlind", phase.when_blind),
    ):
        if given:
            hint = "leave it out, or leave final out"
            findings.wrong((*path, field), f"nothing leaves {phase.name}, which is final", hint)
    if phase.initial:
        findings.wrong((*path, "final"), f"{phase.name} is initial and final", "it does nothing")


def _exits(spec: RuleSpec, phase: PhaseSpec, path: Path, findings: Findings) -> None:
    names = [one.name for one in spec.phases]
    for field, left in (("maxStay", phase.max_stay), ("whenBlind", phase.when_blind)):
        if left is None:
            continue
        if left.to not in names:
            findings.wrong(
                (*path, field, "to"),
                f"there is no phase {left.to!r}",
                did_you_mean(left.to, names),
            )
        elif left.to == phase.name:
            findings.wrong((*path, field, "to"), f"{phase.name} leads to itself", "name another")
        if not left.after:
            findings.wrong((*path, field, "after"), "is no time", "write it like 5m")
    if phase.when_blind and not any(way.when for way in (*phase.transitions, *spec.from_any)):
        hint = "it is reckoned from transitions that read signals; maxStay goes by time alone"
        findings.wrong((*path, "whenBlind"), f"{phase.name} judges nothing to be blind of", hint)


def _way(phase: PhaseSpec, way: TransitionSpec, path: Path, findings: Findings) -> None:
    if way.to == phase.name:
        hint = "what keeps a phase is no transition; leave it out"
        findings.wrong((*path, "to"), f"{phase.name} leads to itself", hint)
    _clauses(way, path, findings)
    if way.when is None and way.after is None and not way.approve:
        hint = "add when, after or approve"
        findings.wrong(path, f"always true: {phase.name} would be left at once", hint)


def _from_any(way: TransitionSpec, path: Path, findings: Findings) -> None:
    _clauses(way, path, findings)
    if way.when is None and not way.approve:
        findings.wrong(path, "leaves every phase without a condition", "add when, or approve: true")


def _clauses(way: TransitionSpec, path: Path, findings: Findings) -> None:
    if way.when is not None:
        return
    if way.times is not None:
        findings.wrong((*path, "times"), "counts nothing without when", "add when")
    if way.for_ is not None:
        hint = "after is the time in phase"
        findings.wrong((*path, "for"), "holds nothing without when", hint)


def _twice(phase: PhaseSpec, path: Path, findings: Findings) -> None:
    seen: dict[tuple[object, ...], int] = {}
    for number, way in enumerate(phase.transitions):
        same = (way.to, way.when, way.for_, way.times)
        if same in seen:
            findings.wrong(
                (*path, "transitions", number),
                f"is there twice (transitions[{seen[same]}])",
                "the first of two that are true is taken; keep one",
            )
        seen.setdefault(same, number)


def _hazards(
    spec: RuleSpec, phase: PhaseSpec, plan: PhasePlan, path: Path, findings: Findings
) -> None:
    hazards = [one for one in plan.actions if any(rung.hazard for rung in one.rungs)]
    if not hazards:
        return
    called = hazards[0].called
    where: Path = (*path, "actions")
    if phase.final:
        hint = "a hazard wants a way out; put it in a phase that is left"
        findings.wrong(where, f"{called} in a final phase would never end", hint)
    elif not any(True for _ in targets(spec, phase)):
        hint = "add maxStay: {to: …, after: 10m}"
        findings.wrong(where, f"{called} would never end: nothing leaves {phase.name}", hint)
    elif phase.max_stay is None:
        hint = "maxStay: {to: …, after: 10m} ends it whatever is known"
        findings.note(where, f"{called} is a hazard without a longest time", hint)


def _reach(spec: RuleSpec, findings: Findings) -> None:
    ways = {phase.name: set(targets(spec, phase)) for phase in spec.phases}
    initial = {phase.name for phase in spec.phases if phase.initial}
    if not initial or set().union(*ways.values()) - ways.keys():
        return  # a misspelt way may have been the one
    reached = _closure(initial, ways)
    into: dict[str, set[str]] = {}
    for name, ahead in ways.items():
        for one in ahead:
            into.setdefault(one, set()).add(name)
    home = _closure(initial, into)
    for index, phase in enumerate(spec.phases):
        path: Path = ("spec", "phases", index)
        if phase.name not in reached:
            hint = "add a transition that leads here, or leave it out"
            findings.wrong(path, f"{phase.name} can't be reached", hint)
        elif not phase.final and not ways[phase.name] and len(spec.phases) > 1:
            hint = "write final: true if that is meant"
            findings.note(path, f"nothing leads out of {phase.name}", hint)
        elif not phase.final and phase.name not in home:
            first = next(iter(initial))
            findings.note(path, f"no way leads back from {phase.name} to {first}")


def _closure(start: set[str], ways: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    ahead = list(start)
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead.extend(ways.get(name, ()))
    return seen
