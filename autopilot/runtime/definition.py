"""An operator kind as the runtime needs it: made from a project's files, or by hand in tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from autopilot.spec.model import Config, Spec, Status

if TYPE_CHECKING:
    from autopilot.kube.kinds import ResourceType
    from autopilot.machine.table import PhaseMachine
    from autopilot.runtime.guardrails.limits import Asked
    from autopilot.runtime.result import Result
    from autopilot.telemetry.queries import QuerySet

Worker = Callable[..., "Result[Any] | Awaitable[Result[Any]]"]
"""`sync(res, inputs, ctx)`, plain or async."""

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Concerns:
    """What a resource is about, so that a change wakes those resources alone that it is about.

    Attributes:
        of: What a resource is about; called when it is seen or has changed.
        touched: What an object that is observed for inputs or actions is about.
    """

    of: Callable[[Body], Iterable[Hashable]]
    touched: Callable[[ResourceType, Body], Iterable[Hashable]]


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input.

    Attributes:
        attribute: How the worker spells it: `inputs.<attribute>`; the plural of the kind.
        kind: The kind.
        selector: A label selector, evaluated by the server; empty for all.
        namespace: None for the resource's own namespace, `*` for all, else its name.
        names: Only these objects, read by name (Secrets); empty for all.
        index: What an object is looked up by: then the worker is given a `Lookup` by that instead
            of a listing, and it is for the worker to bear with a cache that can't tell.
    """

    attribute: str
    kind: ResourceType
    selector: str = ""
    namespace: str | None = None
    names: tuple[str, ...] = ()
    index: Callable[[Body], Hashable] | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One declared output.

    Attributes:
        attribute: How the worker spells it in `Outputs`; the plural of the kind.
        kind: The kind.
        record: Whether it tells of its owner rather than being a part of it: it carries no owner
            reference, so it outlives its owner, and a later owner of that name has it as its own
            to keep or to prune.
    """

    attribute: str
    kind: ResourceType
    record: bool = False


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
        reads: Whether it reads single objects of any kind, by GET: `inputs.reader`.
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
    reads: bool = False


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
        machine_of: For a kind whose phases depend on the resource: its table of transitions;
            raises `InvalidInput` for a resource that has none. `phases` is then one row, which
            holds for every phase.
        keeps: Whether a resource that is being deleted leaves its protections in force; None: no.
        concerns: See `Concerns`; None: a change concerns every resource of its namespace.
        stores_tick: Whether the time of the next tick is kept in status. Where nothing is counted
            in ticks a restart may forget it, and a tick costs no write.
        limits: The guardrails that a resource asks for itself, beside the installation's; raises
            `InvalidInput` for a resource that makes no sense. None: none does.
        rests: Phases in which nothing is held and all is over: who is in one of these doesn't
            count among those that are off their initial phase.
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
    machine_of: Callable[[Body], PhaseMachine] | None = None
    keeps: Callable[[Body], bool] | None = None
    concerns: Concerns | None = None
    stores_tick: bool = True
    limits: Callable[[Body], Asked | None] | None = None
    rests: frozenset[str] = frozenset()

    def row(self, stored: str) -> str:
        """Under which name the declarations of a phase are kept; the initial one's for none."""
        return self.initial.name if self.machine_of is not None or not stored else stored

    def phase_in(self, machine: PhaseMachine, name: str) -> PhaseDefinition | None:
        """The phase of that name in a resource's own table, or None."""
        if self.machine_of is None:
            return self.phase(name)
        node = machine.node(name)
        if node is None:
            return None
        row = self.initial
        return replace(
            row,
            name=node.name,
            worker=None if node.final else row.worker,
            initial=node.initial,
            final=node.final,
            transitions=node.transitions,
            description=node.description,
        )

    @property
    def initial(self) -> PhaseDefinition:
        """The phase that a new resource enters."""
        return next(phase for phase in self.phases if phase.initial)

    def phase(self, name: str) -> PhaseDefinition | None:
        """The phase of that name, or None."""
        return next((phase for phase in self.phases if phase.name == name), None)
