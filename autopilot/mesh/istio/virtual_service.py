"""The overlays of one holder on one VirtualService: pure.

In the order in which they are safe: hazards away, fields that hold traffic up, those that aren't
wanted any more, inserted routes, hazards. An inserted route is a copy of the one before which it
stands, as the steps before leave that: so it follows a shift of the same sync. Hazards are never
copied: an undo of the original must be one of the copy too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import AutopilotError
from autopilot.kube.ownership import describe
from autopilot.mesh.actions import SHIFTS, Fault, Mirror, Retry, Shed, Shift, Timeout, word_of
from autopilot.mesh.istio.change import Change, Site
from autopilot.mesh.istio.draft import ROUTES, put
from autopilot.mesh.istio.faults import fault_of, mirror_of
from autopilot.mesh.istio.leaving import Still, leaving
from autopilot.mesh.istio.resilience import retry_of, timeout_of
from autopilot.mesh.istio.scope import name_of
from autopilot.mesh.istio.shed import share_of, shed_route, words_of
from autopilot.mesh.istio.shift import shift_of
from autopilot.overlay.errors import Foreign, Held
from autopilot.overlay.locate import Locator, routes_of
from autopilot.overlay.values import at, overlap, path_of, same
from autopilot.overlay.wish import Wish, is_inserted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.mesh.istio.aims import Aim, Aims
    from autopilot.mesh.istio.draft import Draft, Route
    from autopilot.mesh.provider import World
    from autopilot.mesh.steps import Moves
    from autopilot.overlay.record import Effect, Holder
    from autopilot.overlay.values import Path

CALLERS, HAZARD, SHED = "callers", "callers-hazard", "shed"
"""What inserted routes are for; a part of their names."""

_ORDER = (Shift, Timeout, Retry, Fault, Mirror)


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks, and what is observed.

    Attributes:
        holder: Who.
        world: What is observed.
        keep: Whether protections stay that aren't wanted any more.
    """

    holder: Holder
    world: World
    keep: bool = False


class Layers:
    """Plans one VirtualService.

    Attributes:
        kept: Protections that stay though nobody wants them, in words.

    Args:
        draft: The VirtualService.
        aims: What is wanted of it.
        ask: Who asks.
    """

    def __init__(self, draft: Draft, aims: Aims, ask: Ask) -> None:
        self.kept: list[str] = []
        self._draft = draft
        self._aims = aims
        self._ask = ask

    def lay(self) -> None:
        """Add all steps to the draft."""
        site = self._site(self._draft.namespace)
        gone = leaving(self._draft, self._wanted(), site, keep=self._ask.keep)
        self.kept = gone.kept
        self._draft.refused += gone.refused
        self._draft.take_back(gone.hazards)
        ordered = sorted(self._aims.fields, key=lambda aim: _rank(aim.action))
        for aim in ordered:
            if not aim.action.hazard:
                self._put(aim)
        self._draft.take_back(gone.protections)
        for group in self._aims.scoped:
            if lasting := [aim for aim in group if not aim.action.hazard]:
                self._insert(lasting, CALLERS, "protection")
        for aim in self._aims.all_sheds():
            self._shed(aim)
        for aim in ordered:
            if aim.action.hazard:
                self._put(aim)
        for group in self._aims.scoped:
            if passing := [aim for aim in group if aim.action.hazard]:
                self._insert(passing, HAZARD, "hazard")

    def _wanted(self) -> Still:
        routes: Path = path_of(ROUTES)
        places = {(aim.action.name, (*routes, aim.route.index)) for aim in self._aims.fields}
        names = {self._name(aim, SHED) for aim in self._aims.all_sheds()}
        for aim in (aim for group in self._aims.scoped for aim in group):
            names.add(self._name(aim, HAZARD if aim.action.hazard else CALLERS))
        return Still(places, names)

    # -- fields -------------------------------------------------------------------------------

    def _put(self, aim: Aim) -> None:
        """Overlay a route's fields."""
        draft, action = self._draft, aim.action
        route = draft.route(aim.route.locator) or aim.route
        try:
            change = self._change(aim, route, route.present)
        except AutopilotError as error:
            draft.refused.append(error)
            return
        wish = Wish(
            holder=self._ask.holder,
            action=word_of(action),
            effect="hazard" if action.hazard else "protection",
            locator=route.locator,
            fields=change.fields,
            deadline=_deadline([aim]),
            take_over=_takes_over(action),
            foreign=change.foreign,
            formerly=SHIFTS if isinstance(action, Shift) else frozenset(),
        )
        words = f"{word_of(action)} on {route}: {change.words}"
        draft.put(wish, words, change.moves, change.moved)

    def _change(self, aim: Aim, route: Route, present: Body) -> Change:
        action, site = aim.action, self._site(aim.home)
        if isinstance(action, Shift):
            return shift_of(action, route.pristine, present, site)
        if isinstance(action, Timeout):
            return timeout_of(action, present)
        if isinstance(action, Retry):
            return retry_of(action, present)
        if isinstance(action, Fault):
            return fault_of(action)
        if isinstance(action, Mirror):
            return mirror_of(action, site)
        raise AssertionError(f"{action.name} changes no field of a route")

    # -- inserted routes ----------------------------------------------------------------------

    def _insert(self, aims: Sequence[Aim], role: str, effect: Effect) -> None:
        """Insert a copy of a route for some of its requests."""
        draft, first = self._draft, aims[0]
        aims = sorted(aims, key=lambda each: _rank(each.action))
        name = self._name(first, role)
        route = draft.route(first.route.locator) or first.route
        source, ahead = route.lasting, self._ahead(first, route)
        if role == HAZARD:
            source, ahead = self._before(first, route)
        made = dict(source)
        words: list[str] = []
        moves: Moves = "neutral"
        moved = 0.0
        stood = draft.inserted(name)
        try:
            for aim in aims:
                change = self._change(aim, route, stood or route.present)
                self._check_free(aim, route, change)
                for field, value in change.fields.items():
                    put(made, field, value)
                words.append(f"{word_of(aim.action)}: {change.words}")
                moves = _joined(moves, _unless_stands(stood, change))
                moved += change.moved
            insert = _named(made, name, first.scope.match(route.present))
        except AutopilotError as error:
            draft.refused.append(error)
            return
        if insert is not None:
            wish = self._wish(effect, ahead, insert, aims)
            draft.put(wish, f"{first.scope} on {route}: {', '.join(words)}", moves, moved)

    def _shed(self, aim: Aim) -> None:
        """Insert a route that answers some requests itself."""
        draft, shed = self._draft, aim.action
        if not isinstance(shed, Shed):
            raise AssertionError("only sheds are shed")
        route = draft.route(aim.route.locator) or aim.route
        name = self._name(aim, SHED)
        source, ahead = self._before(aim, route)
        hazard = self._name(aim, HAZARD)
        if draft.inserted(hazard) is not None:
            ahead = Locator(ROUTES, hazard)
        before = share_of(draft.inserted(name))
        try:
            insert = _named(shed_route(shed, source), name, aim.scope.match(route.present))
        except AutopilotError as error:
            draft.refused.append(error)
            return
        if insert is None:
            return
        scope = f" {aim.scope}" if not aim.scope.whole else ""
        moves: Moves = "forward"
        if shed.share <= before:
            moves = "back" if shed.share < before else "neutral"
        wish = self._wish("protection", ahead, insert, [aim])
        draft.put(wish, f"shed{scope} on {route}: {words_of(shed, before)}", moves)

    def _wish(self, effect: Effect, ahead: Locator, insert: Body, aims: Sequence[Aim]) -> Wish:
        return Wish(
            holder=self._ask.holder,
            action="+".join(word_of(aim.action) for aim in aims),
            effect=effect,
            locator=ahead,
            insert=insert,
            deadline=_deadline(aims),
        )

    def _before(self, aim: Aim, route: Route) -> tuple[Body, Locator]:
        """What requests of a scope get, hazards aside, and the route that they get it from."""
        groups = [g[0] for g in self._aims.scoped if g[0].route.index == aim.route.index]
        names = {self._name(g, CALLERS) for g in groups if g.scope.covers(aim.scope)}
        for made in routes_of(self._draft.body, ROUTES):
            if is_inserted(made) and made["name"] in names:
                return made, Locator(ROUTES, made["name"])
        return route.lasting, route.locator

    def _ahead(self, aim: Aim, route: Route) -> Locator:
        """Before what a route for some requests goes: a shed of more, or the route itself."""
        names = {
            self._name(shed, SHED)
            for shed in self._aims.sheds
            if shed.route.index == aim.route.index
            and shed.scope.covers(aim.scope)
            and shed.scope.without_headers != aim.scope
        }
        for made in routes_of(self._draft.body, ROUTES):
            if is_inserted(made) and made["name"] in names:
                return Locator(ROUTES, made["name"])
        return route.locator

    def _check_free(self, aim: Aim, route: Route, change: Change) -> None:
        """Make sure that nobody else has the field on the route that is copied.

        Raises:
            Held, Foreign: Somebody has.
        """
        for field in change.fields:
            for other in route.overlays:
                theirs = any(overlap(path_of(field), path_of(each)) for each in other.fields)
                if theirs and not self._ask.holder.succeeds(other.holder):
                    what = f"{describe(self._draft.body)} {field} on {route}"
                    raise Held(what, f"{other.holder} ({other.action})")
            judge = change.foreign.get(field)
            whose = judge(at(route.pristine, path_of(field))) if judge else ""
            if whose and not _takes_over(aim.action):
                raise Foreign(
                    f"{describe(self._draft.body)} {field} on {route} already holds {whose}; "
                    "it is left alone unless it is taken over"
                )

    def _name(self, aim: Aim, role: str) -> str:
        scope = aim.scope if role == SHED else aim.scope.without_headers
        return name_of(self._ask.holder, role, scope, aim.route.locator)

    def _site(self, home: str) -> Site:
        holder = self._ask.holder
        return Site(home, self._draft.namespace, holder.namespace, self._ask.world)


def _named(route: Body, name: str, match: list[Body] | None) -> Body | None:
    """A route under a name of ours; None where no request is left for it."""
    if match is None:
        return None
    rest = {key: value for key, value in route.items() if key not in {"name", "match"}}
    return {"name": name, **({} if match == [{}] else {"match": match}), **rest}


def _unless_stands(stood: Body | None, change: Change) -> Moves:
    """Whither a change moves traffic; nowhere where all of it stands already."""
    if stood is None:
        return change.moves
    held = (same(at(stood, path_of(name)), value) for name, value in change.fields.items())
    return "neutral" if all(held) else change.moves


def _joined(left: Moves, right: Moves) -> Moves:
    if "forward" in (left, right):
        return "forward"
    return "back" if "back" in (left, right) else "neutral"


def _rank(action: object) -> int:
    return next(n for n, kind in enumerate(_ORDER) if isinstance(action, kind))


def _takes_over(action: object) -> bool:
    return bool(getattr(action, "take_over", False))


def _deadline(aims: Sequence[Aim]) -> datetime | None:
    found = [getattr(aim.action, "deadline", None) for aim in aims]
    return min((each for each in found if each is not None), default=None)
