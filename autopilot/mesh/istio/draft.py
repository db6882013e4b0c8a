"""One object while its overlays are planned, each on what the ones before it leave: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.errors import AutopilotError
from autopilot.mesh.steps import PutOverlay, TakeBack
from autopilot.overlay.apply import plan
from autopilot.overlay.execute import Target
from autopilot.overlay.places import Lost, Places
from autopilot.overlay.record import read
from autopilot.overlay.undo import undo
from autopilot.overlay.values import ABSENT, Path, at, clone, path_of, pointer
from autopilot.overlay.wish import is_inserted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.steps import Moves, Step
    from autopilot.overlay.locate import Locator
    from autopilot.overlay.record import Holder, Overlay
    from autopilot.overlay.wish import Wish

ROUTES = "/spec/http"


@dataclass(frozen=True, slots=True)
class Route:
    """A route that others own.

    Attributes:
        locator: What it is known by.
        present: As the draft has it.
        pristine: As it would be without any overlay.
        lasting: As it would be without hazards: they may be undone at any time.
        overlays: Those that hold fields of it.
        index: Where it stands.
    """

    locator: Locator
    present: Body
    pristine: Body
    lasting: Body
    overlays: tuple[Overlay, ...]
    index: int

    def __str__(self) -> str:
        """For people."""
        return f"route {self.locator.name}" if self.locator.name else "the route without a name"


class Draft:
    """One object while it is planned.

    Attributes:
        kind: Its kind.
        fresh: The object as it was given.
        target: The object.
        live: As observed; None when it is still to be made.
        body: As the steps so far leave it.
        own: The holder's overlays on it when it was observed.
        steps: So far.
        refused: Why some of what is wanted can't be.

    Args:
        kind: Its kind.
        body: The object, or what it will be when it is made.
        holder: Who plans.
        now: For marks.
        made: Whether the object is there.
    """

    def __init__(
        self, kind: ResourceType, body: Body, holder: Holder, now: datetime, *, made: bool = True
    ) -> None:
        meta = {"uid": "", "resourceVersion": "", **body["metadata"]}
        self.kind = kind
        self.fresh = body
        self.target = Target.of(kind, body)
        self.live = body if made else None
        self.body: Body = {**body, "metadata": meta}
        self.own = tuple(o for o in read(body).overlays if holder.succeeds(o.holder))
        self.steps: list[Step] = []
        self.refused: list[AutopilotError] = []
        self._holder = holder
        self._now = now
        self._looked: _Look | None = None

    @property
    def namespace(self) -> str:
        """The object's."""
        return self.target.namespace or ""

    def put(self, wish: Wish, summary: str, moves: Moves = "forward", moved: float = 0.0) -> None:
        """Add an overlay, if it can be."""
        try:
            planned = plan(self.body, wish, self._now)
        except AutopilotError as error:
            self.refused.append(error)
            return
        differs = planned.change != "none"
        self.body = planned.body
        moves = moves if planned.change not in {"none", "record"} else "neutral"
        text = f"{self.target}: {summary}"
        text += " (repaired)" if planned.change == "repair" else ""
        moved = moved if moves == "forward" else 0.0
        self.steps.append(PutOverlay(self.target, wish, self.live, moves, text, differs, moved))

    def take_back(self, overlays: Iterable[Overlay]) -> None:
        """Undo the holder's overlays."""
        ending = [*overlays]
        ids = frozenset(overlay.id for overlay in ending)
        if not ids or self.live is None:
            return
        self.body = undo(self.body, lambda overlay: overlay.id in ids).body or self.body
        words = ", ".join(f"{each.action} on {each.locator}" for each in ending)
        text = f"{self.target}: undone: {words}"
        self.steps.append(TakeBack(self.target, ids, self._holder, self.live, "back", text))

    def routes(self) -> list[Route]:
        """The routes that others own, in order."""
        return self._look().routes

    def inserted(self, name: str) -> Body | None:
        """A route of ours by its name."""
        listed = at(self.body, path_of(ROUTES))
        routes: Sequence[Any] = listed if isinstance(listed, list) else ()
        return next((r for r in routes if isinstance(r, dict) and r.get("name") == name), None)

    def placed(self, overlay: Overlay) -> Path | None:
        """Where the route of an overlay is; None where it can't be told."""
        look = self._look()
        found = look.found.get(overlay.id) or look.places.find(overlay)
        return found if isinstance(found, tuple) else None

    def route(self, locator: Locator) -> Route | None:
        """The route that others own and that is known by this, as the draft has it."""
        return next((route for route in self.routes() if route.locator.fits(locator)), None)

    def _look(self) -> _Look:
        """At the body as it is; it is the same one until a step changes it."""
        if self._looked is None or self._looked.body is not self.body:
            self._looked = _look(self.body)
        return self._looked


@dataclass(frozen=True, slots=True)
class _Look:
    body: Body
    places: Places
    found: Mapping[str, Path | Lost]
    routes: list[Route]


def _look(body: Body) -> _Look:
    overlays = read(body).overlays
    places = Places(body, overlays)
    found = {overlay.id: places.find(overlay) for overlay in overlays}
    listed = at(body, path_of(ROUTES))
    routes = []
    for index, present in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(present, dict) or is_inserted(present):
            continue
        here = [o for o in overlays if found[o.id] == (*path_of(ROUTES), index)]
        hazards = [o for o in here if o.effect == "hazard"]
        routes.append(
            Route(
                places.locator(ROUTES, index),
                present,
                without(present, here),
                without(present, hazards),
                tuple(here),
                index,
            )
        )
    return _Look(body, places, found, routes)


def without(route: Body, overlays: Iterable[Overlay]) -> Body:
    """A route as it would be without some of the overlays that hold its fields."""
    made: Body = clone(route)
    for overlay in overlays:
        for name in overlay.fields:
            put(made, name, overlay.was(name))
    return made


def put(route: Body, name: str, value: Any) -> None:
    """Let a field of a route, by its pointer, hold a value; `ABSENT` takes it away."""
    head, *rest = path_of(name)
    if rest:
        raise AssertionError(f"{pointer((head, *rest))} lies within a field of a route")
    if value is ABSENT:
        route.pop(head, None)
    else:
        route[head] = clone(value)
