"""Why an action can't be carried out, by consequence."""

from __future__ import annotations

from autopilot.base.errors import RetryLater, TerminalError


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


class Held(TerminalError):
    """Another resource holds the field; condition `Conflict`.

    Args:
        what: The field's object, like `replicas of Deployment demo/web`.
        holder: The resource, like `Canary demo/web`.
    """

    def __init__(self, what: str, holder: str) -> None:
        super().__init__(f"the {what} are held by {holder}; the first to ask keeps them")
        self.what = what
        self.holder = holder


class Contested(TerminalError):
    """Somebody changes a held field again and again; hands off. Condition `Contested`.

    Args:
        what: The field's object.
        times: How often it was set back.
        minutes: In how many minutes.
    """

    def __init__(self, what: str, times: int, minutes: float) -> None:
        super().__init__(
            f"the {what} were set back {times} times in {minutes:g} minutes and are being changed "
            "by somebody else still: hands off until what is wanted changes"
        )
        self.what = what


class WouldStarve(RetryLater):
    """The step would leave callers without a ready destination; condition, and tried again."""


class TargetMissing(RetryLater):
    """The object that an action is about isn't there (yet)."""


class Unfeasible(TerminalError):
    """The mesh can't do what is asked in this combination; the message says why."""


class PastDeadline(TerminalError):
    """A hazard is wanted beyond its deadline: it isn't made, and what stands of it is undone."""
