"""What a sync stands on: the parts of one operator, and what all operators share."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.machine.table import PhaseMachine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autopilot.base.clock import Clock
    from autopilot.kube.cache import Cache
    from autopilot.kube.client import Body, KubeClient
    from autopilot.kube.events import EventRecorder
    from autopilot.kube.kinds import ResourceType
    from autopilot.runtime.caches import BoundInput
    from autopilot.runtime.definition import OperatorDefinition
    from autopilot.runtime.guardrails.guard import Guard
    from autopilot.runtime.halt import Halt
    from autopilot.runtime.metrics import Metrics
    from autopilot.runtime.notify import Notifier
    from autopilot.runtime.queue import WorkQueue
    from autopilot.runtime.record import Key, SyncRecord
    from autopilot.runtime.resource import Resource
    from autopilot.runtime.settings import LiveSettings, RuntimeOptions
    from autopilot.runtime.wakes import About
    from autopilot.runtime.workers import Workers
    from autopilot.runtime.writes import Writer
    from autopilot.telemetry.provider import SampleProvider

NO_MACHINE = PhaseMachine(())
"""The table of a resource of which none is known."""

RECORDS = 1000
"""How many syncs a process remembers."""


@dataclass(frozen=True, slots=True)
class Served:
    """One operator in this process.

    Attributes:
        definition: What the author declared.
        machine: Its table of transitions; where it depends on the resource, an empty one.
        primary: The cache of its own kind: the truth about what there is.
        inputs: The declared inputs with their caches, by phase; the finalizer's under its name.
        owned: The caches of what it made, by kind.
        writer: For every write.
        events: For Events.
        about: What its resources are about.
    """

    definition: OperatorDefinition
    machine: PhaseMachine
    primary: Cache
    inputs: Mapping[str, tuple[BoundInput, ...]]
    owned: Mapping[ResourceType, Cache]
    writer: Writer
    events: EventRecorder
    about: About

    def row(self, stored: str) -> str:
        """Under which name the inputs of a phase are kept."""
        return self.definition.row(stored)

    def machine_for(self, body: Body) -> PhaseMachine:
        """A resource's table of transitions.

        Raises:
            InvalidInput: The resource makes none.
        """
        made = self.definition.machine_of
        return self.machine if made is None else made(body)


@dataclass(slots=True)
class Memory:
    """What a process remembers of a resource. Losing it, by a restart, loses nothing.

    Attributes:
        uid: The object's; another one is another resource.
        phase: The phase last seen or written; None before the first sync.
        tick: The stored `nextTick` last seen or written: another one is somebody else's write,
            or one of ours whose answer was lost.
        unsure: The patch of the last step (1) of which no answer came.
        gist: Of the last decision, to tell news from repetition.
        raised: Where the worker last raised, until it returns, to tell news from repetition.
        hops: Phases entered in a row without staying in one.
        owed: Whether a tick is owed: the sync that it began was refused.
        input_missing: Whether the last sync lacked an input, so that a change of one may cure it.
        typed: The resource as a worker last saw it, with the version and phase that it was then.
    """

    uid: str
    phase: str | None = None
    tick: str | None = None
    unsure: Mapping[str, Any] | None = None
    gist: tuple[Any, ...] | None = None
    raised: tuple[Any, ...] | None = None
    hops: int = 0
    owed: bool = False
    input_missing: bool = False
    typed: tuple[tuple[str, str], Resource[Any, Any]] | None = None


@dataclass(slots=True)
class Commons:
    """What all operators of a process share.

    Attributes:
        client: The API.
        clock: For everything.
        options: As started.
        settings: As reloaded.
        samples: Who answers queries.
        workers: Where workers run.
        metrics: The runtime's own.
        queue: Who runs next.
        memories: By resource.
        records: The last syncs, the newest last.
        on_record: Told of each sync.
        notifier: Posts notifications.
        halt: Whether everything is halted.
        guard: Judges decisions.
    """

    client: KubeClient
    clock: Clock
    options: RuntimeOptions
    settings: LiveSettings
    samples: SampleProvider
    workers: Workers
    metrics: Metrics
    queue: WorkQueue[Key]
    notifier: Notifier
    halt: Halt
    guard: Guard
    memories: dict[Key, Memory] = field(default_factory=dict)
    records: deque[SyncRecord] = field(default_factory=lambda: deque(maxlen=RECORDS))
    on_record: Callable[[SyncRecord], None] | None = None
