"""Which route is meant: pure.

A route is known by its name, else by its match and its destinations, never by its place in the
list: so neither reordering nor a foreign edit of other routes leads astray. Weights are no part of
it, and a split that holds a route keeps it known by the destinations that it had before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.overlay.values import ABSENT, at, canonical, path_of, same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.kube.client import Body

MATCHES = ("match", "matches")
DESTINATIONS = ("route", "backendRefs")
"""The fields of a route that hold its destinations, in Istio and in the Gateway API."""

_BESIDE = {"weight", "headers", "filters"}


@dataclass(frozen=True, slots=True)
class Locator:
    """What an overlay is about within an object.

    Attributes:
        routes: JSON pointer of the list of routes; empty where fields of the object are meant.
        name: The route's name; empty for a route without one.
        match: What the route without a name matches; `ABSENT` where it matches all.
        destinations: Where it leads, without weights.
    """

    routes: str = ""
    name: str = ""
    match: Any = ABSENT
    destinations: tuple[Body, ...] = ()

    def __str__(self) -> str:
        """For people."""
        if not self.routes:
            return "the object itself"
        if self.name:
            return f"route {self.name!r} in {self.routes}"
        match = "all" if self.match is ABSENT else canonical(self.match)
        return f"the route in {self.routes} from {match} to {canonical(list(self.destinations))}"

    def fits(self, other: Locator) -> bool:
        """Whether it means the same."""
        return (
            self.name == other.name
            and self.routes == other.routes
            and same(self.match, other.match)
            and same([*self.destinations], [*other.destinations])
        )

    def render(self) -> Body:
        """As the record holds it."""
        if not self.routes:
            return {}
        if self.name:
            return {"routes": self.routes, "name": self.name}
        shape = {"routes": self.routes, "destinations": [*self.destinations]}
        return shape if self.match is ABSENT else {**shape, "match": self.match}

    @classmethod
    def parse(cls, said: Any) -> Locator:
        """From the record.

        Raises:
            ValueError: It makes no sense.
        """
        if not isinstance(said, dict):
            raise ValueError("the locator is no object")
        routes, name = said.get("routes", ""), said.get("name", "")
        where = said.get("destinations", [])
        if not (isinstance(routes, str) and isinstance(name, str) and isinstance(where, list)):
            raise ValueError("the locator makes no sense")
        path_of(routes)
        return cls(routes, name, said.get("match", ABSENT), tuple(where))


@dataclass(frozen=True, slots=True)
class Alias:
    """Destinations that a held route has now, and those by which it is known."""

    routes: str
    match: Any
    now: tuple[Body, ...]
    known: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Aliases:
    """The aliases of one object."""

    items: Sequence[Alias] = field(default=())

    def known(self, locator: Locator) -> Locator:
        """The locator with the destinations that the route had before it was held."""
        for alias in self.items:
            if (
                alias.routes == locator.routes
                and not locator.name
                and same(alias.match, locator.match)
                and same([*alias.now], [*locator.destinations])
            ):
                return Locator(locator.routes, "", locator.match, alias.known)
        return locator


def destinations_of(entries: Any) -> tuple[Body, ...]:
    """Where a `route` or `backendRefs` leads, in one order, without weights."""
    found = []
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            plain = {key: value for key, value in entry.items() if key not in _BESIDE}
            found.append(plain.get("destination", plain))
    return tuple(sorted(found, key=canonical))


def shape_of(route: Any, routes: str) -> Locator:
    """What a route is known by, as it stands."""
    if not isinstance(route, dict):
        return Locator(routes, "", route)
    name = route.get("name")
    if isinstance(name, str) and name:
        return Locator(routes, name)
    match = next((route[key] for key in MATCHES if key in route), ABSENT)
    leads: Any = next((route[key] for key in DESTINATIONS if key in route), [])
    return Locator(routes, "", match, destinations_of(leads))


def routes_of(body: Body, routes: str) -> list[Any]:
    """The list of routes; empty where there is none."""
    found = at(body, path_of(routes))
    return found if isinstance(found, list) else []
