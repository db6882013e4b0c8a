"""Why an action can't be carried out, by consequence."""

from __future__ import annotations

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.overlay.errors import Contested, Held

__all__ = [
    "Contested",
    "Held",
    "HostTaken",
    "PastDeadline",
    "TargetMissing",
    "Unfeasible",
    "WouldStarve",
]


class HostTaken(TerminalError):
    """Somebody else's object already routes the host.

    Args:
        host: The host, qualified.
        holder: The object, like `VirtualService demo/web`.
    """

    def __init__(self, host: str, holder: str) -> None:
        super().__init__(
            f"{holder} already routes {host}: two for one host would fight, and a split makes one "
            "of its own; delete it, let go of the host, or share its requests by a rule, which "
            "changes the one that is there"
        )
        self.host = host
        self.holder = holder


class WouldStarve(RetryLater):
    """The step would leave callers without a ready destination; condition, and tried again."""


class TargetMissing(RetryLater):
    """The object that an action is about isn't there (yet)."""


class Unfeasible(TerminalError):
    """The mesh can't do what is asked in this combination; the message says why."""


class PastDeadline(TerminalError):
    """A hazard is wanted beyond its deadline: it isn't made, and what stands of it is undone."""
