"""What templates are rendered with: a project's names, spelled for every place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot import __version__
from autopilot.kube.kinds import METRICS
from autopilot.project.kinds import attribute
from autopilot.spec import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.spec.project import FinalizerSpec, OperatorSpec, PhaseSpec

_LINE = 86
"""How long a phase's name and description may be together, to stay on a line in docstrings."""


@dataclass(frozen=True, slots=True)
class PhaseNames:
    """One phase (or the finalizer) for a template.

    Attributes:
        name: As in the status; `Finalizer` for the finalizer.
        member: Of the enum `Phase`.
        module: The worker's module.
        description: One line; never empty.
        initial: See autopilot.yaml.
        final: See autopilot.yaml.
        inputs: Attributes of the inputs, `metrics` left out.
        outputs: Attributes of the outputs.
        metrics: Whether it reads queries.
        next: Members of the phases that it may enter, in order.
    """

    name: str
    member: str
    module: str
    description: str
    initial: bool
    final: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    metrics: bool
    next: tuple[str, ...]


def member(phase: str) -> str:
    """A phase's name in the enum: `RollBack` is `ROLL_BACK`."""
    return names.snake(phase).upper()


def phase_names(operator: OperatorSpec) -> list[PhaseNames]:
    """All phases in the order of the file, the finalizer not among them."""
    return [_phase(operator, phase) for phase in operator.phases]


def finalizer_names(operator: OperatorSpec) -> PhaseNames | None:
    """The finalizer; None where there is none."""
    if not operator.enable_finalizer:
        return None
    about = f"clean up before a {operator.kind} goes"
    return _made("Finalizer", about, operator.finalizer, module="finalizer")


def _phase(operator: OperatorSpec, phase: PhaseSpec) -> PhaseNames:
    if phase.transitions is not None:
        ways: Sequence[str] = [way.to for way in phase.transitions]
    else:
        ways = [other.name for other in operator.phases if other.name != phase.name]
    about = " ".join(phase.description.split()) or "say here what happens"
    return _made(
        phase.name,
        about,
        phase,
        module=names.python_name(phase.name),
        flags=(phase.initial, phase.final),
        ways=() if phase.final else ways,
    )


def _made(
    name: str,
    about: str,
    owner: FinalizerSpec,
    *,
    module: str,
    flags: tuple[bool, bool] = (False, False),
    ways: Sequence[str] = (),
) -> PhaseNames:
    kinds = [entry.kind for entry in owner.inputs]
    return PhaseNames(
        name=name,
        member=member(name),
        module=module,
        description=_shortened(about, max(20, _LINE - len(name))),
        initial=flags[0],
        final=flags[1],
        inputs=tuple(attribute(kind) for kind in kinds if kind != METRICS),
        outputs=tuple(attribute(kind) for kind in owner.outputs),
        metrics=METRICS in kinds,
        next=tuple(member(way) for way in ways),
    )


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def worker_names(operator: OperatorSpec) -> list[PhaseNames]:
    """All that have a worker: the phases that aren't final, and the finalizer if there is one."""
    finalizer = finalizer_names(operator)
    working = [phase for phase in phase_names(operator) if not phase.final]
    return [*working, *([finalizer] if finalizer else [])]


def variables(operator: OperatorSpec, module: str) -> dict[str, object]:
    """What every template may use.

    Args:
        operator: The kind.
        module: The dotted module that holds its spec and workers.
    """
    phases = phase_names(operator)
    return {
        "kind": operator.kind,
        "group": operator.group,
        "version": operator.version,
        "api_version": operator.api_version,
        "plural": operator.plural,
        "singular": operator.kind.lower(),
        "operator_name": operator.operator_name,
        "package": operator.package,
        "module": module,
        "phases": phases,
        "working": [phase for phase in phases if not phase.final],
        "finalizer": finalizer_names(operator),
        "autopilot_version": __version__,
    }
