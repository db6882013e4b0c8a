"""What a rule's status holds beside the runtime's own fields: the machine's memory, and for people.

What is for people is written along with what matters, never for its own sake: an idle rule costs
no call.
"""

from __future__ import annotations

from typing import Any

from autopilot.spec.model import Model, Status


class SignalStatus(Model):
    """A signal when the status was last written."""

    name: str
    """As conditions read it."""
    value: str | None = None
    """With its unit; absent while it isn't known."""
    at: str | None = None
    """When its data was scraped."""
    why: str | None = None
    """Why it isn't known."""


class WouldBe(Model):
    """In observe mode: what the rule would have done."""

    phase: str
    """The phase that it would be in."""
    since: str = ""
    """Since when."""
    why: str = ""
    """Why it would have been entered."""
    machine: dict[str, Any] | None = None
    """What the state machine remembers."""


class RuleStatus(Status):
    """What a rule's status holds beside phase, phaseHistory and conditions."""

    machine: dict[str, Any] | None = None
    """What the state machine remembers."""
    would_be: WouldBe | None = None
    """In observe mode: the phase that it would be in."""
    signals: tuple[SignalStatus, ...] = ()
    """The signals' values, for people."""
    ladder: str | None = None
    """Where the phase's ladder stands: `rung 2 of 3`."""
    holds: tuple[str, ...] | None = None
    """What it does to the mesh, for people; the marks on the objects themselves count."""
    next: str | None = None
    """What it waits for."""
