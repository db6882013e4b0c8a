"""One overlay while it is being written: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from autopilot.kube.ownership import describe
from autopilot.overlay.errors import Foreign, NotThere, NotUnique
from autopilot.overlay.foreign import nothing
from autopilot.overlay.locate import routes_of
from autopilot.overlay.owners import displaced
from autopilot.overlay.places import Lost, Places
from autopilot.overlay.record import WHOLE, Marks, Overlay, short_id
from autopilot.overlay.values import ABSENT, Editor, at, path_of, pointer, same
from autopilot.overlay.wish import is_inserted
from autopilot.overlay.writing import write_overlay, write_owners

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.overlay.owners import FieldOwner
    from autopilot.overlay.values import Path
    from autopilot.overlay.wish import Wish

Change = Literal["none", "new", "step", "repair", "record"]
"""`step`: other values than before; `repair`: others had changed a field; `record`: marks only."""


class Draft:
    """One overlay being written."""

    overlay: Overlay

    def __init__(
        self,
        wish: Wish,
        place: Path | None,
        mine: Overlay | None,
        editor: Editor,
        places: Places,
    ) -> None:
        self._live = editor.live
        self._wish = wish
        self.place = place
        self._mine = mine
        self.editor = editor
        self.places = places
        self._owners: tuple[FieldOwner, ...] = ()
        self._made: list[str] = [*mine.made] if mine else []
        self._inserted: int | None = None
        self._cut: int | None = None
        self.change: Change = "new" if mine is None else "record"

    def write(self, now: datetime, marks: Marks) -> Overlay:
        """Write the fields and the record."""
        wish, mine = self._wish, self._mine
        self._owners = marks.owners
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        asked: dict[str, Any] = {}
        for name, value in wish.wanted.items():
            stored = _as_stored(mine, name, value)
            if not same(stored, value):
                asked[name] = value
            stood = self._field(name, stored)
            before |= {} if stood is ABSENT else {name: stood}
            after |= {} if stored is ABSENT else {name: stored}
        self._give_up()
        meta = self._live["metadata"]
        locator = self.places.known(wish.known_by)
        taken = meta.get("annotations") or {}
        overlay = Overlay(
            id=mine.id if mine else short_id(wish.holder, wish.action, locator, taken),
            holder=wish.holder,
            action=wish.action,
            effect=wish.effect,
            target=meta["uid"],
            locator=locator,
            before=before,
            after=after,
            fields=tuple(wish.wanted),
            at=mine.at if mine else now,
            made=tuple(dict.fromkeys(self._made)),
            deadline=wish.deadline,
            asked=asked,
        )
        if mine is None or not same(mine.body(), overlay.body()) or not marks.labelled:
            write_overlay(self.editor, overlay)
        if self._owners != marks.owners:
            write_owners(self.editor, self._owners)
        return overlay

    def _field(self, name: str, value: Any) -> Any:
        """Let one field hold what is wanted; returns what is to stand there afterwards."""
        path = None if self.place is None else (*self.place, *path_of(name))
        there = ABSENT if path is None else at(self._live, path)
        mine = self._mine
        if mine is not None and name in mine.fields:
            stood = mine.was(name)
            if name == WHOLE and self._strays():
                self._take_out()
                path, there = None, ABSENT
            if not same(there, mine.holds(name)):
                self.change = "repair"
            elif not same(value, there):
                self._stepped()
        else:
            stood = there
            whose = self._wish.foreign.get(name, nothing)(there)
            if whose and not self._wish.take_over:
                raise Foreign(
                    f"{describe(self._live)} {pointer(path or ())} already holds {whose}; "
                    "it is left alone unless it is taken over"
                )
            self._stepped()
        if not same(there, value):
            self._put(path, value)
        return stood

    def moved(self, place: Path | Lost) -> Path | Lost:
        """Where a place is once the route is inserted."""
        if isinstance(place, Lost) or self._inserted is None or len(place) < 2:
            return place
        if place[:-1] != path_of(self._wish.locator.routes):
            return place
        index = int(place[-1])
        index -= self._cut is not None and index > self._cut
        index += index >= self._inserted
        return (*place[:-1], index)

    def _stepped(self) -> None:
        self.change = "step" if self.change == "record" else self.change

    def _put(self, path: Path | None, value: Any) -> None:
        if path is None:
            # What an inserted route needs made lies around it, so it is told from the top.
            routes = path_of(self._wish.locator.routes)
            self._owners = displaced(self._owners, self._live, routes)
            index = self._inserted = self._index()
            self.place = (*routes, index)
            made = self.editor.insert(routes, index, value)
            self._made += [pointer(each) for each in made]
            return
        self._owners = displaced(self._owners, self._live, path)
        made = self.editor.put(path, value)
        self._made += [pointer(each[len(self.place or ()) :]) for each in made]

    def _index(self) -> int:
        """Where the inserted route goes."""
        if not self._wish.ahead:
            return 0
        index = int(self.places.locate(self._wish.locator)[-1])
        return index - (self._cut is not None and index > self._cut)

    def _strays(self) -> bool:
        place = self.place
        return place is not None and strayed(self._live, self.places, self._wish, place)

    def _take_out(self) -> None:
        if self.place is None:
            raise AssertionError("what isn't there can't be taken out")
        self._cut = int(self.place[-1])
        self._owners = displaced(self._owners, self._live, self.place[:-1])
        self.editor.put(self.place, ABSENT)

    def _give_up(self) -> None:
        """Put back the fields that an earlier wish held and this one doesn't."""
        if self._mine is None or self.place is None:
            return
        for name in self._mine.fields:
            path = (*self.place, *path_of(name))
            if name in self._wish.wanted:
                continue
            self._stepped()
            there = at(self.editor.body, path)
            if same(there, self._mine.holds(name)) and not same(there, self._mine.was(name)):
                self._owners = displaced(self._owners, self._live, path)
                self.editor.put(path, self._mine.was(name))


def strayed(body: Body, places: Places, wish: Wish, place: Path) -> bool:
    """Whether others moved an inserted route from before the one that it goes before.

    Between the two there may be nothing but inserted routes.

    Args:
        body: The object.
        places: Of its overlays.
        wish: What wants the route inserted.
        place: Where the route is.
    """
    index, routes = int(place[-1]), routes_of(body, wish.locator.routes)
    if not wish.ahead:
        return not all(map(is_inserted, routes[:index]))
    try:
        ahead = int(places.locate(wish.locator)[-1])
    except (NotThere, NotUnique):
        return False  # Where it should be can't be told.
    return index > ahead or not all(map(is_inserted, routes[index:ahead]))


def _as_stored(mine: Overlay | None, name: str, value: Any) -> Any:
    if mine is not None and name in mine.asked and same(mine.asked[name], value):
        return mine.holds(name)
    return value
