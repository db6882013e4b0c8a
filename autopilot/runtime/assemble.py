"""Puts together what serves one operator: caches, handlers, writer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.kube.apply import Applier
from autopilot.kube.events import EventRecorder
from autopilot.kube.marks import FIELD_MANAGER
from autopilot.machine.table import PhaseMachine, PhaseNode
from autopilot.mesh.execute import Executor
from autopilot.mesh.repairs import Repairs
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands
from autopilot.runtime.acting import Acting, CachedWorld
from autopilot.runtime.caches import Caches, Scope, bind
from autopilot.runtime.served import NO_MACHINE, Served
from autopilot.runtime.unchanged import Unchanged
from autopilot.runtime.writes import Means, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.base.clock import Clock
    from autopilot.kube.client import Body, KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.provider import Provider
    from autopilot.runtime.caches import BoundInput
    from autopilot.runtime.definition import OperatorDefinition, PhaseDefinition
    from autopilot.runtime.wakes import Wakes


@dataclass(frozen=True, slots=True)
class Parts:
    """What the operators of a process are put together from.

    Attributes:
        client: The API.
        clock: For everything.
        caches: Shared by all operators.
        wakes: Told of changes.
        scope: What part of the API is served.
        provider: The mesh; None where no operator acts on one.
        dry_run: Write nothing.
        instance: Which process this is, for Events.
        before_write: Called before each write to the mesh and of each output, with its namespace
            where that is known; raises to stop it.
    """

    client: KubeClient
    clock: Clock
    caches: Caches
    wakes: Wakes
    scope: Scope
    provider: Provider | None = None
    dry_run: bool = False
    instance: str = ""
    before_write: Callable[..., None] | None = None


def machine_of(definition: OperatorDefinition) -> PhaseMachine:
    """The table of an operator's transitions.

    Raises:
        InvalidInput: The phases don't make a state machine; names every problem.
    """
    machine = PhaseMachine(
        [
            PhaseNode(p.name, p.initial, p.final, p.transitions, p.description)
            for p in definition.phases
        ]
    )
    if problems := machine.problems():
        raise InvalidInput(Problem("", 0, definition.name, text) for text in problems)
    return machine


def assemble(definition: OperatorDefinition, parts: Parts) -> Served:
    """Put an operator together; its caches begin to fill when `Caches.run` runs.

    Raises:
        InvalidInput: Its phases don't make a state machine, or there is nothing to act with.
    """
    machine = NO_MACHINE if definition.machine_of is not None else machine_of(definition)
    caches, scope = parts.caches, parts.scope
    manager = f"{FIELD_MANAGER}.{definition.name}"
    primary = caches.need(definition.kind, scope.primary(definition))
    primary.on_change(parts.wakes.primary(definition))
    owned = {
        kind: caches.need(kind, scope.owned(definition.name, kind))
        for kind in {output.kind for phase in _all(definition) for output in phase.outputs}
    }
    applier = Applier(
        parts.client,
        manager,
        dry_run=parts.dry_run,
        observe=caches.observe,
        observe_deleted=caches.observe_deleted,
    )
    for kind, cache in owned.items():
        cache.on_change(parts.wakes.owned)
        cache.on_change(_forgetter(applier, kind))
    means = Means(
        operator=definition.name,
        kind=definition.kind,
        client=parts.client,
        manager=manager,
        caches=caches,
        owned=owned,
        applier=applier,
        acting=_acting(definition, parts, applier, manager),
        dry_run=parts.dry_run,
        before_write=parts.before_write,
    )
    return Served(
        definition=definition,
        machine=machine,
        primary=primary,
        inputs=_inputs(definition, parts),
        owned=owned,
        writer=Writer(means),
        about=parts.wakes.about(definition),
        events=EventRecorder(parts.client, manager, parts.instance, clock=parts.clock),
    )


def _forgetter(applier: Applier, kind: ResourceType) -> Callable[[Body | None, Body | None], None]:
    """What was remembered of an object goes with it."""

    def changed(old: Body | None, new: Body | None) -> None:
        if old is not None and new is None:
            meta = old["metadata"]
            applier.forget(kind, meta.get("namespace"), meta["name"], meta.get("uid", ""))

    return changed


def _all(definition: OperatorDefinition) -> tuple[PhaseDefinition, ...]:
    last = (definition.finalizer,) if definition.finalizer else ()
    return (*definition.phases, *last)


def _inputs(definition: OperatorDefinition, parts: Parts) -> dict[str, tuple[BoundInput, ...]]:
    bound = {phase.name: bind(phase, parts.caches, parts.scope) for phase in _all(definition)}
    for phase in definition.phases:
        for one in bound[phase.name]:
            declared = one.declared
            everywhere = declared.namespace is not None or not declared.kind.namespaced
            handler = parts.wakes.input(
                definition, [phase.name], declared.kind, everywhere=everywhere
            )
            for cache in one.caches:
                cache.on_change(handler)
    return bound


def _acting(
    definition: OperatorDefinition, parts: Parts, applier: Applier, manager: str
) -> Acting | None:
    acting = [phase for phase in _all(definition) if phase.actions]
    if not acting:
        return None
    names = {name for phase in acting for name in phase.actions}
    if parts.provider is None:
        raise InvalidInput(
            [Problem("", 0, definition.name, f"it acts ({', '.join(sorted(names))}), on no mesh")]
        )
    needs = parts.provider.needs(names)
    world = {
        need.kind: parts.caches.need(need.kind, parts.scope.selection(need.kind)) for need in needs
    }
    for kind, cache in world.items():
        cache.on_change(_forgetter(applier, kind))
        # What is observed bears on the deletion of a resource in any phase, too.
        phases = [phase.name for phase in definition.phases]
        cache.on_change(parts.wakes.input(definition, phases, kind, everywhere=False))
    executor = Executor(
        client=parts.client,
        applier=applier,
        repairs=Repairs(parts.clock),
        manager=manager,
        observe=parts.caches.observe,
        observe_deleted=parts.caches.observe_deleted,
        before_write=parts.before_write,
        hands=Hands(
            parts.client,
            parts.clock,
            Drift(parts.clock),
            parts.caches.observe,
            parts.before_write,
            observe_deleted=parts.caches.observe_deleted,
        ),
    )
    return Acting(
        parts.provider,
        executor,
        CachedWorld(world),
        parts.clock,
        definition.kind,
        definition.name,
        tuple(world),
        Unchanged(definition.concerns, world, parts.clock) if definition.concerns else None,
    )
