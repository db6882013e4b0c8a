"""`guardrails:` in an installation's configuration: limits that hold whatever a resource says."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from autopilot.spec.model import Model
from autopilot.spec.names import is_dns_label
from autopilot.spec.types import Duration

MOST_TRANSITIONS = 19
"""A status keeps the last 20 phases, the first of which may be the one that it began in."""

PROTECTED_NAMESPACES = ("kube-system", "istio-system", "autopilot-system")


def _percent(value: Any) -> Any:
    """`25%` or 25."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?\s*%?", value.strip()):
        return float(value.strip().rstrip("% "))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no share; a percentage, like 25%")
    return value


Percent = Annotated[float, BeforeValidator(_percent)]


class MaxTransitions(Model):
    """How many phases may be entered in which time."""

    count: int = Field(ge=1, le=MOST_TRANSITIONS)
    """At most so many; no more than 19, as a status remembers no more."""
    per: Duration
    """In any span of this length."""

    @field_validator("per")
    @classmethod
    def _some_time(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("a span of nothing limits nothing; like 1h")
        return value


class Guardrails(Model):
    """Limits of an installation; of these and a resource's own the strictest holds."""

    max_transitions: MaxTransitions | None = None
    """Phases entered per time, by each resource."""
    min_dwell: Duration = timedelta(0)
    """The shortest stay in a phase before one that moves traffic forward."""
    max_step: Percent = Field(default=100.0, gt=0, le=100)
    """The largest share of a host's requests that one write may move forward, in percent."""
    max_off_initial: int | None = Field(default=None, ge=0)
    """How many resources of all kinds served may be off their initial phase at once."""
    protected_namespaces: tuple[str, ...] = PROTECTED_NAMESPACES
    """Nothing in these is changed."""
    protected_services: tuple[str, ...] = ()
    """`NAMESPACE/NAME`: no traffic to these is changed."""

    @field_validator("protected_namespaces")
    @classmethod
    def _namespaces(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not is_dns_label(name):
                raise ValueError(f"{name!r} is no namespace")
        return value

    @field_validator("protected_services")
    @classmethod
    def _services(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            namespace, slash, service = name.partition("/")
            if not slash or not is_dns_label(namespace) or not is_dns_label(service):
                raise ValueError(f"{name!r} is no service; NAMESPACE/NAME, like shop/checkout")
        return value
