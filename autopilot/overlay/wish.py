"""What is wanted of an object that others own: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.overlay.locate import DESTINATIONS, MATCHES, Locator
from autopilot.overlay.record import WHOLE, Holder
from autopilot.overlay.values import ABSENT, overlap, path_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.overlay.foreign import Judge
    from autopilot.overlay.record import Effect, Overlay

INSERTED = "autopilot-"
"""How the name of an inserted route begins."""


def is_inserted(route: Any) -> bool:
    """Whether a route was inserted by an overlay."""
    return isinstance(route, dict) and str(route.get("name") or "").startswith(INSERTED)


_IDENTITY = ("name", *MATCHES)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one action of a resource wants of an object.

    Attributes:
        holder: The resource.
        action: The action's name: a holder has at most one overlay per action and route.
        effect: Whether it may be undone blindly.
        locator: The route, or the object itself.
        fields: Wanted values by JSON pointer from there; `ABSENT` wants a field gone.
        insert: A route to be inserted instead; its name begins with `autopilot-`. Then `locator`
            says before which route; its `name` and shape may be empty: at the top of `routes`.
        deadline: When the sweep may undo it.
        take_over: Whether a foreign fault or split is displaced rather than refused.
        foreign: By field, what in it would be somebody else's; see `foreign`.
        formerly: Other names under which the holder may have it already: then it is stepped.
    """

    holder: Holder
    action: str
    effect: Effect
    locator: Locator = field(default_factory=Locator)
    fields: Mapping[str, Any] = field(default_factory=dict)
    insert: Body | None = None
    deadline: datetime | None = None
    take_over: bool = False
    foreign: Mapping[str, Judge] = field(default_factory=dict)
    formerly: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check what could never be undone.

        Raises:
            ValueError: It changes what a route is known by, or fields within each other, or the
                inserted route has no name of ours.
        """
        if (self.insert is None) == (not self.fields):
            raise ValueError("an overlay wants fields, or one inserted route")
        if self.insert is not None:
            if not self.locator.routes or not str(self.insert.get("name")).startswith(INSERTED):
                raise ValueError(f"an inserted route goes into a list, its name is {INSERTED}…")
            return
        paths = [path_of(name) for name in self.fields]
        if any(not path or (self.locator.routes and path[0] in _IDENTITY) for path in paths):
            raise ValueError("an overlay changes no route as a whole, nor its name or match")
        if any(overlap(a, b) for n, a in enumerate(paths) for b in paths[:n]):
            raise ValueError("one wanted field lies within another")
        if any(path[0] in DESTINATIONS and len(path) > 1 for path in paths if self.locator.routes):
            raise ValueError("destinations are changed as one list")

    def may_be(self, overlay: Overlay) -> bool:
        """Whether an overlay may be this wish's own, as far as can be told without its place."""
        if not self.holder.succeeds(overlay.holder) or overlay.inserted != (
            self.insert is not None
        ):
            return False
        # An inserted route is known by its name, whatever it is for.
        return overlay.inserted or overlay.action in {self.action, *self.formerly}

    @property
    def wanted(self) -> Mapping[str, Any]:
        """The values, by field."""
        return self.fields if self.insert is None else {WHOLE: self.insert}

    @property
    def ahead(self) -> bool:
        """Whether an inserted route goes before a route, rather than to the top."""
        locator = self.locator
        return bool(locator.name or locator.destinations) or locator.match is not ABSENT

    @property
    def known_by(self) -> Locator:
        """The locator that the record gets."""
        if self.insert is None:
            return self.locator
        return Locator(self.locator.routes, str(self.insert["name"]))
