"""From what a person wrote to what the engine runs; every problem at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.mesh.actions import Where
from autopilot.rules.check import check_program
from autopilot.rules.check_short import check_short
from autopilot.rules.check_spec import check_spec
from autopilot.rules.compile_actions import destinations
from autopilot.rules.compile_findings import MOST, Findings
from autopilot.rules.compile_phases import PhaseCompiler
from autopilot.rules.compile_salvage import salvage
from autopilot.rules.compile_signals import Asker, compile_signals, unit_of
from autopilot.rules.expand import MOVED, expand
from autopilot.rules.model import RuleDocument, RuleSpec
from autopilot.rules.program import Limits, Program
from autopilot.spec.positions import Document
from autopilot.spec.problems import validated
from autopilot.telemetry.source import SourceRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.base.errors import Problem
    from autopilot.spec.positions import Path

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Analysis:
    """A rule, looked at.

    Attributes:
        name: The rule's name, as far as it can be told.
        program: What the engine runs; None where anything is wrong.
        problems: All that is wrong.
        notes: What is allowed, and may not be meant.
    """

    name: str
    program: Program | None
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


def compile_rule(body: Mapping[str, Any], source: Document | None = None) -> Program:
    """Compile a rule.

    Args:
        body: The whole object.
        source: The same with its lines, where it was read from a file.

    Raises:
        InvalidInput: Every problem, with path and, from a file, its line.
    """
    findings = Findings(source or Document("", dict(body)))
    program = _compile(findings)
    findings.refuse()
    assert program is not None
    return program


def analyse(document: Document) -> Analysis:
    """Look at a rule without raising."""
    findings = Findings(document)
    program = _compile(findings)
    value = document.value if isinstance(document.value, dict) else {}
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    problems = tuple(sorted(findings.problems))
    return Analysis(
        str(name or ""), None if problems else program, problems, tuple(sorted(findings.notes))
    )


def long_form(document: Document) -> dict[str, Any]:
    """The whole object with its spec written out; itself a valid rule.

    Raises:
        InvalidInput: The rule is wrong, with every problem.
    """
    findings = Findings(document)
    _compile(findings)
    findings.refuse()
    rule = RuleDocument.model_validate(document.value, by_alias=True, by_name=False)
    kept = {key: one for key, one in document.value.items() if key not in {"spec", "status"}}
    short = rule.spec.failover is not None
    return {**kept, "spec": expand(rule.spec) if short else document.value["spec"]}


def _compile(findings: Findings) -> Program | None:
    document = findings.document
    findings.problems += document.problems
    rule, problems = validated(RuleDocument, document)
    findings.problems += problems[:MOST]
    if rule is None and isinstance(document.value, dict):
        rule, findings.holes = salvage(document)
    if rule is None:
        return None
    namespace, name = _identity(rule, findings)
    check_spec(rule.spec, namespace, findings)
    spec = _written_out(rule.spec, findings)
    return _program(spec, namespace, name, findings) if spec else None


def _identity(rule: RuleDocument, findings: Findings) -> tuple[str, str]:
    texts = []
    for key, default in (("namespace", DEFAULT_NAMESPACE), ("name", "")):
        value = rule.metadata.get(key) or default
        path: Path = ("metadata", key)
        if not isinstance(value, str):
            findings.wrong(path, f"is {type(value).__name__}", "a text is wanted")
            value = default
        elif not value and not rule.metadata.get("generateName"):
            findings.wrong(path, "is missing", "it is required")
        texts.append(value)
    return texts[0], texts[1]


def _written_out(spec: RuleSpec, findings: Findings) -> RuleSpec | None:
    """The long form, which is told in the words of the short one."""
    if spec.failover is None:
        return spec
    if spec.phases:
        findings.wrong(("spec", "phases"), "stands beside failover", "keep one of the two")
        return None
    findings.doubtful = _doubtful(spec, findings)
    sound = check_short(spec, spec.failover, findings)
    if sound is None:
        return None
    own: dict[Path, Path] = {
        ("spec", "signals", name): ("spec", "signals", name) for name in spec.signals
    }
    findings.moved = {**MOVED, ("spec", "signals"): ("spec", "failover"), **own}
    if findings.problems:
        own_signals = {name: one for name, one in spec.signals.items() if one.sort}
        sound = sound.model_copy(update={"signals": own_signals})
    long, problems = validated(RuleSpec, Document("", expand(sound)))
    for problem in problems:
        findings.wrong(("spec", "failover"), f"{problem.path}: {problem.message}", problem.hint)
    return long


def _program(spec: RuleSpec, namespace: str, name: str, findings: Findings) -> Program | None:
    target = Where(
        spec.target.service,
        spec.target.namespace or namespace,
        spec.target.port,
        spec.target.route or "",
        spec.target.from_,
    )
    asker = _asker(spec, namespace, target)
    findings.doubtful |= _doubtful(spec, findings)
    signals = compile_signals(spec, asker, findings)
    units = {key: unit_of(signal) for key, signal in spec.signals.items()}
    compiler = PhaseCompiler(spec, target, units, signals, findings)
    plans = {plan.name: plan for plan in map(compiler.phase, range(len(spec.phases)))}
    rails = spec.guardrails
    program = Program(
        namespace=namespace,
        name=name,
        target=target,
        phases=plans,
        initial=next((phase.name for phase in spec.phases if phase.initial), ""),
        signals=signals,
        interval=spec.interval,
        observe=spec.mode == "observe",
        on_delete=spec.on_delete,
        limits=Limits(
            (rails.max_transitions.count, rails.max_transitions.per)
            if rails.max_transitions
            else None,
            rails.min_dwell or Limits().min_dwell,
            rails.max_step if rails.max_step is not None else Limits().max_step,
        ),
    )
    check_program(spec, program, findings)
    return None if findings.problems else program


def _doubtful(spec: RuleSpec, findings: Findings) -> frozenset[str]:
    """Signals of which too little was understood to know their unit."""
    holes = {str(hole[-1]) for hole in findings.holes if hole[:2] == ("spec", "signals")}
    return frozenset(
        name for name, signal in spec.signals.items() if name in holes or not signal.sort
    )


def _asker(spec: RuleSpec, namespace: str, target: Where) -> Asker:
    services = {target.host}
    for phase in spec.phases:
        for action in phase.actions:
            if action.one is not None:
                found = destinations(*action.one)
                services |= {one.partition("/")[0] for one in found}
    source = None
    if spec.source is not None:
        source = SourceRef(
            namespace, spec.source.url or "", spec.source.secret or "", spec.source.tenant
        )
    return Asker(
        namespace,
        target,
        tuple((target.namespace, service) for service in sorted(services)),
        source,
        spec.interval,
        spec.min_requests,
    )
