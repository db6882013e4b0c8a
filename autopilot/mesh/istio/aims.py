"""Which routes of a VirtualService an action is about: pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from autopilot.mesh.actions import Shed, Shift, word_of
from autopilot.mesh.errors import TargetMissing, Unfeasible
from autopilot.mesh.istio.destinations import Destination
from autopilot.mesh.istio.hosts import service_of
from autopilot.mesh.istio.readiness import ports_of
from autopilot.mesh.istio.scope import Scope, ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autopilot.base.errors import AutopilotError
    from autopilot.mesh.actions import Overlaid, Where
    from autopilot.mesh.istio.draft import Draft, Route
    from autopilot.mesh.provider import World


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of one host.

    Attributes:
        host: In full.
        home: The namespace that the actions' names are seen from.
        actions: About its routes.
    """

    host: str
    home: str
    actions: tuple[Overlaid, ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """One action on one route.

    Attributes:
        action: The action.
        route: The route, as it was observed.
        scope: Which of its requests.
        home: The namespace that the action's names are seen from.
    """

    action: Overlaid
    route: Route
    scope: Scope
    home: str


@dataclass(slots=True)
class Aims:
    """All that is wanted of one VirtualService.

    Attributes:
        fields: Actions on all requests of a route: they change its fields.
        scoped: By route and scope, actions on some of its requests: they need a route inserted.
        sheds: Requests to be answered: likewise.
        refused: What can't be.
    """

    fields: list[Aim] = field(default_factory=list)
    scoped: list[list[Aim]] = field(default_factory=list)
    sheds: list[Aim] = field(default_factory=list)
    refused: list[AutopilotError] = field(default_factory=list)

    def add(self, aim: Aim) -> None:
        """Put an aim where it belongs."""
        if isinstance(aim.action, Shed):
            same = [a for a in self.sheds if _alike(a, aim)]
            self.sheds += [aim] * (not same)
        elif aim.scope.whole:
            same = [a for a in self.fields if _alike(a, aim) and _kind(a) == _kind(aim)]
            self.fields += [aim] * (not same)
        else:
            group = next((g for g in self.scoped if _alike(g[0], aim)), None)
            same = [a for a in group or () if _kind(a) == _kind(aim)]
            if group is None:
                self.scoped.append([aim])
            elif not same:
                group.append(aim)
        if same:
            self.refused.append(
                Unfeasible(f"{_two(same[0], aim)} on {aim.route} {aim.scope}".rstrip())
            )

    def all_sheds(self) -> Iterator[Aim]:
        """The sheds, each after those of its requests that have a route inserted for them.

        Requests take the first route that fits: a shed of all would else pass those by.
        """
        for shed in self.sheds:
            for group in self.scoped:
                other = replace(shed, scope=replace(group[0].scope, headers=shed.scope.headers))
                if (
                    group[0].route.index == shed.route.index
                    and shed.scope.covers(group[0].scope)
                    and any(not aim.action.hazard for aim in group)
                    and not any(_alike(other, each) for each in self.sheds)
                ):
                    yield other
            yield shed


def aims_of(draft: Draft, wants: Sequence[Wanted], world: World) -> Aims:
    """What is wanted of the routes of one VirtualService."""
    aims = Aims()
    routes = draft.routes()
    for wanted in wants:
        leading = _leading(draft, routes, wanted)
        for action in wanted.actions:
            if isinstance(action, Shed) and action.share <= 0:
                continue
            found = False
            for route in leading:
                scope = _scope(action, route, wanted.host, world)
                if scope is None:
                    continue
                found = True
                if _reached(scope, route):
                    aims.add(Aim(action, route, scope, wanted.home))
            if not found:
                which = f"route {action.where.route} " if action.where.route else "route "
                aims.refused.append(
                    TargetMissing(f"{draft.target} has no {which}that leads to {wanted.host}")
                )
    return aims


def _leading(draft: Draft, routes: Sequence[Route], wanted: Wanted) -> list[Route]:
    """The routes that lead to the host, or to what a shift shares it between.

    Where none does, the host is but a name for what lies behind: then all of its routes count.
    """
    hosts = {wanted.host}
    for action in wanted.actions:
        if isinstance(action, Shift):
            hosts |= {Destination.parse(name, wanted.home).host for name in action.weights}
    forwarding = [route for route in routes if route.pristine.get("route")]
    found = [
        route
        for route in forwarding
        if any(Destination.of(e, draft.namespace).host in hosts for e in route.pristine["route"])
    ]
    single = len((draft.body.get("spec") or {}).get("hosts") or ()) == 1
    return found or (forwarding if single else [])


def _scope(action: Overlaid, route: Route, host: str, world: World) -> Scope | None:
    """Which requests of a route an action is about; None for none of them."""
    where = action.where
    if where.route and route.present.get("name") != where.route:
        return None
    port = where.port
    asked = {*ports(route.pristine)}
    if port is not None:
        if asked == {port} or (None in asked and _only_port(where, host, world)):
            port = None
        elif None not in asked and port not in asked:
            return None
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    if isinstance(action, Shed):
        headers = tuple(sorted((name, tuple(v)) for name, v in action.headers.items()))
    return Scope(tuple(sorted(where.callers)), port, headers)


def _reached(scope: Scope, route: Route) -> bool:
    """Whether any request can be both in a scope and on a route."""
    try:
        return scope.whole or scope.match(route.present) is not None
    except Unfeasible:
        return True  # It is refused when the route is to be inserted.


def _only_port(where: Where, host: str, world: World) -> bool:
    found = [*(ports_of(world, *service_of(host, where.namespace)) or ())]
    return found == [where.port]


def _alike(left: Aim, right: Aim) -> bool:
    return left.route.index == right.route.index and left.scope == right.scope


def _two(left: Aim, right: Aim) -> str:
    words = {word_of(left.action), word_of(right.action)}
    return " and ".join(sorted(words)) if len(words) > 1 else f"two {words.pop()} actions"


def _kind(aim: Aim) -> str:
    return aim.action.name
