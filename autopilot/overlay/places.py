"""Where in an object its overlays are: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.overlay.errors import NotThere, NotUnique
from autopilot.overlay.locate import (
    DESTINATIONS,
    MATCHES,
    Alias,
    Aliases,
    Locator,
    destinations_of,
    routes_of,
    shape_of,
)
from autopilot.overlay.values import ABSENT, Path, at, path_of, same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.kube.client import Body
    from autopilot.overlay.record import Overlay


@dataclass(frozen=True, slots=True)
class Lost:
    """An overlay whose route can't be found.

    Attributes:
        certain: Whether nothing of it is left in the object.
        why: For people.
    """

    certain: bool
    why: str


class Places:
    """Finds routes in one object, whatever its overlays made of them.

    Args:
        body: The object; it must not be changed as long as this is used.
        overlays: All overlays on it.
    """

    def __init__(self, body: Body, overlays: Sequence[Overlay]) -> None:
        self._body = body
        self._shapes: dict[str, list[Locator]] = {}
        self._aliases = Aliases([alias for each in overlays if (alias := _alias(each))])

    def locate(self, locator: Locator) -> Path:
        """The path of the route that a locator means; empty for the object itself.

        Raises:
            NotThere: There is no such route.
            NotUnique: There are several.
        """
        if not locator.routes:
            return ()
        found = self._fitting(locator)
        if not found:
            raise NotThere(f"{locator} isn't there")
        if len(found) > 1:
            where = ", ".join(str(index) for index in found)
            raise NotUnique(f"{locator} could be any of {where}; give the route a name of its own")
        return self._path(locator, found[0])

    def find(self, overlay: Overlay) -> Path | Lost:
        """The path of the route that an overlay is on.

        Where others changed where it leads, the only route with its match is the one; where its
        locator has become ambiguous, the only one that still holds its values.
        """
        locator = overlay.locator
        if not locator.routes:
            return ()
        found = self._fitting(locator)
        if len(found) == 1:
            return self._path(locator, found[0])
        routes = routes_of(self._body, locator.routes)
        near = found or [n for n, route in enumerate(routes) if _matches_alike(route, locator)]
        if not found and len(near) == 1:
            return self._path(locator, near[0])
        among = [index for index in near if all(_holds(routes[index], overlay))]
        if len(among) == 1:
            return self._path(locator, among[0])
        # An inserted route is ours by its name, whatever others made of it.
        left = overlay.inserted and found
        if not left and not any(any(_holds(route, overlay)) for route in routes):
            return Lost(True, f"{locator} is gone")
        if found:
            return Lost(False, f"{locator} fits {len(found)} routes by now")
        return Lost(False, f"{locator} is gone, but its change stands elsewhere: was it renamed?")

    def named(self, overlay: Overlay) -> list[Path]:
        """The paths of all routes that bear an inserted route's name."""
        found = self._fitting(overlay.locator)
        return [self._path(overlay.locator, index) for index in found]

    def known(self, locator: Locator) -> Locator:
        """A locator as it was before overlays changed where the route leads."""
        return self._aliases.known(locator)

    def locator(self, routes: str, index: int) -> Locator:
        """What one route of a list is known by.

        Raises:
            IndexError: The list isn't that long.
        """
        return self.known(shape_of(routes_of(self._body, routes)[index], routes))

    def _fitting(self, locator: Locator) -> list[int]:
        """The indexes of all routes that a locator fits."""
        wanted, name = self.known(locator), locator.routes
        if name not in self._shapes:
            routes = routes_of(self._body, name)
            self._shapes[name] = [self.known(shape_of(route, name)) for route in routes]
        return [n for n, shape in enumerate(self._shapes[name]) if shape.fits(wanted)]

    @staticmethod
    def _path(locator: Locator, index: int) -> Path:
        return (*path_of(locator.routes), index)


def _alias(overlay: Overlay) -> Alias | None:
    locator = overlay.locator
    field = next((f for f in overlay.fields if f.removeprefix("/") in DESTINATIONS), None)
    if not locator.routes or locator.name or field is None:
        return None
    now = destinations_of(overlay.holds(field))
    return Alias(locator.routes, locator.match, now, locator.destinations)


def _holds(route: object, overlay: Overlay) -> list[bool]:
    """By field that an overlay set in a route, whether it still holds the overlay's value."""
    set_ = [name for name in overlay.fields if overlay.holds(name) is not ABSENT]
    return [same(at(route, path_of(name)), overlay.holds(name)) for name in set_] or [False]


def _matches_alike(route: object, locator: Locator) -> bool:
    if locator.name or not isinstance(route, dict) or route.get("name"):
        return False
    match = next((route[key] for key in MATCHES if key in route), ABSENT)
    return same(match, locator.match)
