"""Why an overlay can't be made, by consequence."""

from __future__ import annotations

from autopilot.base.errors import RetryLater, TerminalError


class NotUnique(TerminalError):
    """The locator fits several routes, or it can't be told which one it meant."""


class Foreign(TerminalError):
    """The field holds somebody else's fault or split; it is left alone unless taken over."""


class Held(TerminalError):
    """Another resource's overlay holds the field; condition `Conflict`.

    Args:
        what: The field, like `VirtualService shop/web /spec/http/0/fault`.
        holder: Who holds it, like `Rule shop/checkout-failover`.
    """

    def __init__(self, what: str, holder: str) -> None:
        super().__init__(f"{what} is held by {holder}; the first to ask keeps it until it lets go")
        self.what = what
        self.holder = holder


class NotThere(RetryLater):
    """The object, or the route in it, isn't there (yet)."""


class TooLarge(TerminalError):
    """What would have to be recorded for the undo doesn't fit into annotations."""


class Contested(TerminalError):
    """Somebody changes an overlaid field again and again; hands off. Condition `Contested`.

    Args:
        what: The field's object.
        times: How often it was set back.
        minutes: In how many minutes.
    """

    def __init__(self, what: str, times: int, minutes: float) -> None:
        super().__init__(
            f"{what} was set back {times} times in {minutes:g} minutes and is being changed by "
            "somebody else still: hands off until what is wanted changes"
        )
        self.what = what
