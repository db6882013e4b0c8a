"""An operator kind as the runtime needs it: made from a project's files, or by hand in tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.spec.model import Config, Spec, Status

if TYPE_CHECKING:
    from autopilot.kube.kinds import ResourceType
    from autopilot.runtime.result import Result
    from autopilot.telemetry.queries import QuerySet

Worker = Callable[..., "Result[Any] | Awaitable[Result[Any]]"]
"""`sync(res, inputs, ctx)`, plain or async."""


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input.

    Attributes:
        attribute: How the worker spells it: `inputs.<attribute>`; the plural of the kind.
        kind: The kind.
        selector: A label selector, evaluated by the server; empty for all.
        namespace: None for the resource's own namespace, `*` for all, else its name.
        names: Only these objects, read by name (Secrets); empty for all.
    """

    attribute: str
    kind: ResourceType
    selector: str = ""
    namespace: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One declared output.

    Attributes:
        attribute: How the worker spells it in `Outputs`; the plural of the kind.
        kind: The kind.
    """

    attribute: str
    kind: ResourceType


@dataclass(frozen=True, slots=True)
class PhaseDefinition:
    """One phase.

    Attributes:
        name: As in `status.phase`.
        worker: None for a final phase.
        initial: True for exactly one.
        final: No worker, nothing leaves it.
        description: For diagrams and docs.
        inputs: Declared kinds.
        outputs: Declared kinds.
        metrics: Whether it reads queries.
        actions: Declared action names.
        transitions: Where it may go; None for anywhere (the original's format says nothing).
    """

    name: str
    worker: Worker | None = None
    initial: bool = False
    final: bool = False
    description: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    metrics: bool = False
    actions: tuple[str, ...] = ()
    transitions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class OperatorDefinition:
    """One operator kind.

    Attributes:
        name: The operator's name: labels, field manager and logs carry it.
        kind: The primary kind.
        phases: In the order of the file.
        queries: Named queries; None where no phase reads metrics.
        finalizer: The finalizer's worker with inputs and outputs of its own; None for none.
        spec: The author's model of the spec.
        status: The author's model of the status.
        config: The author's model of `config:`.
        extra: The author's own package, for messages.
    """

    name: str
    kind: ResourceType
    phases: tuple[PhaseDefinition, ...]
    queries: QuerySet | None = None
    finalizer: PhaseDefinition | None = None
    spec: type[Spec] = Spec
    status: type[Status] = Status
    config: type[Config] = Config
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def initial(self) -> PhaseDefinition:
        """The phase that a new resource enters."""
        return next(phase for phase in self.phases if phase.initial)

    def phase(self, name: str) -> PhaseDefinition | None:
        """The phase of that name, or None."""
        return next((phase for phase in self.phases if phase.name == name), None)
