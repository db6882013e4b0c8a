"""Planning an overlay: pure.

The fields and the record of what stood there are one JSON patch under the object's uid and
resourceVersion: so no moment exists at which one is there without the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autopilot.kube.ownership import describe
from autopilot.overlay.draft import Draft
from autopilot.overlay.errors import Foreign, Held, NotThere, NotUnique
from autopilot.overlay.locate import routes_of, shape_of
from autopilot.overlay.places import Places
from autopilot.overlay.record import Marks, Overlay, read
from autopilot.overlay.values import ABSENT, Editor, at, overlap, path_of, pointer, same
from autopilot.overlay.writing import write_overlay

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.overlay.draft import Change
    from autopilot.overlay.values import Path
    from autopilot.overlay.wish import Wish


@dataclass(frozen=True, slots=True)
class Planned:
    """One write, or none.

    Attributes:
        patch: A JSON patch; empty where all is as wanted.
        change: See `Change`.
        overlay: The record as it is, or will be.
        summary: For the log and the Event.
        body: The object as the write leaves it, but for what the server adds.
    """

    patch: tuple[Body, ...]
    change: Change
    overlay: Overlay
    summary: str
    body: Body


def plan(live: Body, wish: Wish, now: datetime) -> Planned:
    """The write that a wish needs.

    Args:
        live: The object; a write needs it with its managedFields, which caches leave out.
        wish: What is wanted.
        now: For the record.

    Raises:
        NotUnique, NotThere: The route can't be told, or isn't there.
        Foreign, Held: Somebody else has the field.
        TooLarge: The record would be.
    """
    marks = read(live)
    places = Places(live, marks.overlays)
    mine, place = _place(live, wish, marks, places)
    _check_free(live, wish, marks, places, place, mine)
    editor = Editor(live)
    try:
        draft = Draft(wish, place, mine, editor, places)
        overlay = draft.overlay = draft.write(now, marks)
    except ValueError as error:
        raise NotThere(f"{describe(live)}: {error}") from error
    change: Change = "none"
    if editor.changes:
        _check_findable(live, draft, places, marks)
        change = draft.change
    what = f"{describe(live)}: {wish.action} on {overlay.locator}"
    return Planned(editor.patch, change, overlay, f"{what}: {change}", editor.body)


def _place(
    live: Body, wish: Wish, marks: Marks, places: Places
) -> tuple[Overlay | None, Path | None]:
    """The holder's own overlay for this wish, if any, and the place; None: to be inserted."""
    own = [each for each in marks.overlays if wish.may_be(each)]
    for each in own:
        if not each.locator.fits(places.known(wish.known_by)):
            continue
        found = places.find(each)
        if isinstance(found, tuple):
            return each, found
        if not found.certain:
            raise NotUnique(f"{describe(live)}: {found.why}")
        if wish.insert is not None:
            return each, None
    if wish.insert is not None:
        names = [shape_of(route, "").name for route in routes_of(live, wish.locator.routes)]
        if wish.insert["name"] in names:
            taken = [e for e in marks.overlays if e.inserted and e.locator.fits(wish.known_by)]
            if not taken:
                raise Foreign(f"{describe(live)} has a {wish.known_by} that isn't autopilot's")
            raise Held(f"{describe(live)} {wish.known_by}", str(taken[0].holder))
        return None, None
    place = places.locate(wish.locator)
    # Known by another name than when it was overlaid: it is still the same route.
    return next((each for each in own if places.find(each) == place), None), place


def _check_free(
    live: Body,
    wish: Wish,
    marks: Marks,
    places: Places,
    place: Path | None,
    mine: Overlay | None,
) -> None:
    if place is None:
        return
    for other in marks.overlays:
        if other is mine or (mine is not None and other.id == mine.id):
            continue
        if places.find(other) != place:
            continue
        for name in wish.wanted:
            if any(overlap(path_of(name), path_of(theirs)) for theirs in other.fields):
                raise Held(
                    f"{describe(live)} {pointer(place)}{name}", f"{other.holder} ({other.action})"
                )


def _check_findable(live: Body, draft: Draft, places: Places, marks: Marks) -> None:
    """Make sure that no overlaid route looks like another afterwards: it must be undone.

    Raises:
        NotUnique: One would.
    """
    later = Places(draft.editor.body, read(draft.editor.body).overlays)
    others = [each for each in marks.overlays if each.id != draft.overlay.id]
    stand = [(each, draft.moved(places.find(each))) for each in others]
    for each, place in [*stand, (draft.overlay, draft.place)]:
        if isinstance(place, tuple) and later.find(each) != place:
            raise NotUnique(
                f"{describe(live)}: {each.locator} would look like another route, and couldn't be "
                "told from it for the undo; give it a name of its own"
            )


def as_stored(answer: Body, overlay: Overlay) -> tuple[Body, ...]:
    """Note what the server made of the values, where that isn't what was asked.

    A default or a webhook may add to a value; held is what then stands there, or every look at it
    would find a foreign change.

    Returns:
        A JSON patch; empty where all stands as it was asked.
    """
    marks = read(answer)
    mine = next((each for each in marks.overlays if each.id == overlay.id), None)
    place = None if mine is None else Places(answer, marks.overlays).find(mine)
    if mine is None or not isinstance(place, tuple):
        return ()
    stand = {name: at(answer, (*place, *path_of(name))) for name in mine.fields}
    other = [name for name in mine.fields if not same(stand[name], mine.holds(name))]
    if not other:
        return ()
    asked = {**mine.asked, **{n: mine.holds(n) for n in other if mine.holds(n) is not ABSENT}}
    after = {name: value for name, value in stand.items() if value is not ABSENT}
    editor = Editor(answer)
    write_overlay(editor, replace(mine, after=after, asked=asked))
    return editor.patch
