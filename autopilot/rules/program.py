"""A rule, compiled: what the engine runs, whoever drives it.

Made by `compile` from what a person wrote; immutable, free of I/O. The controller, unit tests in
virtual time, backtests and plans all run the same program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.mesh.actions import Overlaid, Where
    from autopilot.telemetry.query import BoundQuery
    from autopilot.verdict.cel import Condition
    from autopilot.verdict.phase import Phase
    from autopilot.verdict.units import Unit

LADDER_DONE = "ladder.done"
"""The signal that is true once every ladder of the phase has stood on its last rung for a dwell."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A signal that counts ready endpoints, from EndpointSlices.

    Attributes:
        namespace: Of the service.
        service: Its bare name.
    """

    namespace: str
    service: str


@dataclass(frozen=True, slots=True)
class Signal:
    """A named value.

    Attributes:
        name: As conditions read it.
        unit: In which conditions read it.
        source: What is asked.
        factor: What the source's number is multiplied with to be in `unit`.
        min_requests: Requests that must stand behind the value, or it is unknown.
        empty: What no data means: `unknown`, or the number 0.
    """

    name: str
    unit: Unit
    source: BoundQuery | Ready
    factor: float = 1.0
    min_requests: float = 0.0
    empty: Literal["unknown", "zero"] = "unknown"


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """One action of a phase.

    Attributes:
        called: As the rule spells it: `failover`, `shed` …
        path: Where in the spec it stands, for messages: `spec.phases[1].actions[0].shed`.
        rungs: The action at each rung of its ladder; one where it has none.
    """

    called: str
    path: str
    rungs: tuple[Overlaid, ...]

    def at(self, rung: int) -> Overlaid:
        """The action at a rung; beyond its own last one, it stays there."""
        return self.rungs[min(rung, len(self.rungs) - 1)]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that is sent once a phase has been entered.

    Attributes:
        url: A webhook's; empty where `secret` names it.
        secret: Name of a Secret of the rule's own namespace whose key `url` holds it.
        slack: Whether the body is Slack's (`{"text": …}`); else it is ours, as JSON.
        text: What to say; may name signals as `[[ errors ]]`; empty for a default.
    """

    url: str = ""
    secret: str = ""
    slack: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """One phase.

    Attributes:
        judged: Its transitions and exits.
        actions: What is in force in it.
        climbs: The ladder's `while`; None for always.
        dwell: How long each rung is stood on at least.
        rungs: How many rungs the longest ladder has; 1 for none.
        back: Keys of transitions that move traffic back (see guardrails): `back: true`, and all
            that lead to the initial phase.
        notices: Sent on entering.
        description: For diagrams and people.
        path: Where in the spec it stands: `spec.phases[1]`.
    """

    judged: Phase
    actions: tuple[ActionPlan, ...] = ()
    climbs: Condition | None = None
    dwell: timedelta = timedelta(0)
    rungs: int = 1
    back: frozenset[str] = frozenset()
    notices: tuple[Notice, ...] = ()
    description: str = ""
    path: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.judged.name


@dataclass(frozen=True, slots=True)
class Limits:
    """Guardrails that a resource asks for; the installation's own hold as well.

    Attributes:
        max_transitions: How many transitions, in which time; None for no limit.
        min_dwell: The shortest time between two transitions.
        max_step: The largest share of traffic that one write may move forward, 0 to 100.
    """

    max_transitions: tuple[int, timedelta] | None = None
    min_dwell: timedelta = timedelta(0)
    max_step: float = 100.0


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled rule.

    Attributes:
        namespace: The rule's own.
        name: The rule's name.
        target: The service that it is about; namespace filled in.
        phases: By name, in the order of the file.
        initial: The name of the initial phase.
        signals: By name.
        interval: How often it is judged when nothing else wakes it.
        observe: Decide and record, write nothing.
        on_delete: What becomes of protections when the rule goes.
        limits: Its guardrails.
    """

    namespace: str
    name: str
    target: Where
    phases: Mapping[str, PhasePlan]
    initial: str
    signals: Mapping[str, Signal] = field(default_factory=dict)
    interval: timedelta = timedelta(seconds=5)
    observe: bool = False
    on_delete: Literal["keep", "restore"] = "keep"
    limits: Limits = Limits()
