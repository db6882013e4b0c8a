"""The limits of an installation and of a resource; the strictest holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from autopilot.spec.guardrails import PROTECTED_NAMESPACES

if TYPE_CHECKING:
    from autopilot.spec.guardrails import Guardrails


class Asked(Protocol):
    """What a resource itself asks for."""

    @property
    def max_transitions(self) -> tuple[int, timedelta] | None:
        """How many transitions, in which time; None for no limit."""
        ...

    @property
    def min_dwell(self) -> timedelta:
        """The shortest stay before a transition forward."""
        ...

    @property
    def max_step(self) -> float:
        """The largest share that one write may move forward, in percent."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for a resource.

    Attributes:
        max_transitions: Pairs of a count and a span, each of which holds.
        min_dwell: The shortest stay in a phase before a transition forward.
        max_step: The largest share of a host's requests that one write may move forward, percent.
        max_off_initial: How many resources may be off their initial phase at once; None for all.
        protected_namespaces: Nothing in these is changed.
        protected_services: (namespace, name): no traffic to these is changed.
    """

    max_transitions: tuple[tuple[int, timedelta], ...] = ()
    min_dwell: timedelta = timedelta(0)
    max_step: float = 100.0
    max_off_initial: int | None = None
    protected_namespaces: frozenset[str] = frozenset(PROTECTED_NAMESPACES)
    protected_services: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, config: Guardrails) -> Limits:
        """The limits of an installation."""
        most = config.max_transitions
        services = (name.partition("/") for name in config.protected_services)
        return cls(
            max_transitions=((most.count, most.per),) if most else (),
            min_dwell=config.min_dwell,
            max_step=config.max_step,
            max_off_initial=config.max_off_initial,
            protected_namespaces=frozenset(config.protected_namespaces),
            protected_services=frozenset((home, name) for home, _, name in services),
        )

    def within(self, asked: Asked | None) -> Limits:
        """These, with what a resource asks for besides: it can only tighten them."""
        if asked is None:
            return self
        more = () if asked.max_transitions is None else (asked.max_transitions,)
        return replace(
            self,
            max_transitions=(*self.max_transitions, *more),
            min_dwell=max(self.min_dwell, asked.min_dwell),
            max_step=min(self.max_step, asked.max_step),
        )
