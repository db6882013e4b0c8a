"""Putting back what stood before: pure.

Two writes. The first puts the fields back and takes the record away; the label stays. The second
(`finish`) gives the fields back to their owners and takes the label away. Killed in between, the
next one to look finds the label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from autopilot.kube.ownership import describe
from autopilot.overlay.owners import Steps, displaced, restored
from autopilot.overlay.places import Lost, Places
from autopilot.overlay.record import WHOLE, read
from autopilot.overlay.values import ABSENT, Editor, at, overlap, path_of, pointer, same
from autopilot.overlay.writing import take_label, take_note, write_overlay, write_owners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autopilot.kube.client import Body
    from autopilot.overlay.owners import FieldOwner
    from autopilot.overlay.record import Overlay
    from autopilot.overlay.values import Path

How = Literal["restored", "changed", "gone", "unclear"]
"""`changed`: others have changed it since, so it stays; `gone`: the route was deleted; `unclear`:
the route can't be told any more, so the mark stays for a person to look at."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one field of an overlay.

    Attributes:
        overlay: The overlay.
        field: The field.
        how: See `How`.
        why: For people; empty where it is plain.
    """

    overlay: Overlay
    field: str
    how: How
    why: str = ""


@dataclass(frozen=True, slots=True)
class Undoing:
    """One write, or none.

    Attributes:
        patch: A JSON patch; empty where nothing is to be written.
        outcomes: What becomes of each field.
        body: The object as the write leaves it; None where nothing is to be written.
    """

    patch: tuple[Body, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    body: Body | None = None


def undo(live: Body, chosen: Callable[[Overlay], bool]) -> Undoing:
    """The first write: fields back, records away.

    Args:
        live: The object, with its managedFields.
        chosen: Which overlays.
    """
    marks = read(live)
    ending = [overlay for overlay in marks.overlays if chosen(overlay)]
    if not ending:
        return Undoing()
    work = _Work(live, marks.overlays, marks.owners)
    outcomes = [outcome for overlay in ending for outcome in work.end(overlay)]
    work.close()
    return Undoing(work.editor.patch, tuple(outcomes), work.editor.body)


def finish(live: Body) -> tuple[Body, ...]:
    """The second write: owners back, and the label away when no overlay is left.

    Args:
        live: The object, with its managedFields.

    Returns:
        A JSON patch; empty where nothing is to be done.
    """
    marks = read(live)
    if not marks.any:
        return ()
    held = [_plain(overlay) for overlay in marks.overlays]
    last = marks.ended

    def free(steps: Steps) -> bool:
        plain = _plain_steps(steps)
        return not any(overlap(plain, path) for paths in held for path in paths)

    editor = Editor(live)
    managed, waiting = restored(live, marks.owners, free, last=last)
    if waiting == marks.owners and not last:
        return ()
    write_owners(editor, waiting)
    if last:
        take_label(editor)
    if live["metadata"].get("managedFields"):
        # An empty list would mean "leave as is" to the API; one empty entry clears the record.
        editor.put(("metadata", "managedFields"), managed or [{}])
    return editor.patch


class _Work:
    def __init__(
        self, live: Body, overlays: Sequence[Overlay], owners: Sequence[FieldOwner]
    ) -> None:
        self.editor = Editor(live)
        self._live = live
        self._places = Places(live, overlays)
        self._found = {each.id: self._places.find(each) for each in overlays}
        self._left = {each.id: each for each in overlays}
        self._known = tuple(owners)
        self._owners = tuple(owners)
        self._remove: list[tuple[Path, Overlay]] = []

    def end(self, overlay: Overlay) -> list[Outcome]:
        """Put an overlay's fields back."""
        if overlay.inserted:
            return self._remove_all(overlay)
        place = self._found[overlay.id]
        if isinstance(place, Lost):
            if not place.certain:
                return [Outcome(overlay, name, "unclear", place.why) for name in overlay.fields]
            self._forget(overlay)
            return [Outcome(overlay, name, "gone", place.why) for name in overlay.fields]
        self._forget(overlay)
        outcomes = [self._field(overlay, name, place) for name in overlay.fields]
        self._prune(overlay, place)
        return outcomes

    def close(self) -> None:
        """Take inserted routes out, the last first, so that no index shifts under another."""
        for place, overlay in sorted(self._remove, key=lambda one: one[0][-1], reverse=True):
            self.editor.put(place, ABSENT)
            self._prune(overlay, ())
        if self._owners != self._known:
            write_owners(self.editor, self._owners)

    def _remove_all(self, overlay: Overlay) -> list[Outcome]:
        """Take out whatever bears an inserted route's name: nobody else may use it."""
        self._forget(overlay)
        found = self._places.named(overlay)
        for place in found:
            self._owners = displaced(self._owners, self._live, place[:-1])
            self._remove.append((place, overlay))
        return [Outcome(overlay, WHOLE, "restored" if found else "gone")]

    def _forget(self, overlay: Overlay) -> None:
        del self._left[overlay.id]
        take_note(self.editor, overlay.key)

    def _field(self, overlay: Overlay, name: str, place: Path) -> Outcome:
        path = (*place, *path_of(name))
        there = at(self._live, path)
        if same(there, overlay.was(name)):
            return Outcome(overlay, name, "restored")
        if not same(there, overlay.holds(name)):
            why = f"{describe(self._live)} {pointer(path)} was changed by others: left as it is"
            return Outcome(overlay, name, "changed", why)
        try:
            self.editor.put(path, overlay.was(name))
        except ValueError as error:
            return Outcome(overlay, name, "changed", str(error))
        self._owners = displaced(self._owners, self._live, path)
        return Outcome(overlay, name, "restored")

    def _prune(self, overlay: Overlay, place: Path) -> None:
        """Take parents away that an overlay made, or leave them to one that stands in them."""
        for made in sorted(overlay.made, key=len, reverse=True):
            path = (*place, *path_of(made))
            if at(self.editor.body, path) in ({}, []):
                self.editor.put(path, ABSENT)
                continue
            heir = next((e for e in self._left.values() if self._stands_in(e, path)), None)
            if heir is not None and made not in heir.made:
                heir = replace(heir, made=(made, *heir.made))
                self._left[heir.id] = heir
                write_overlay(self.editor, heir)

    def _stands_in(self, overlay: Overlay, path: Path) -> bool:
        place = self._found[overlay.id]
        if isinstance(place, Lost):
            return False
        fields = [(*place, *path_of(name)) for name in overlay.fields]
        return any(each[: len(path)] == path for each in fields)


def _plain(overlay: Overlay) -> list[tuple[str, ...]]:
    """Where an overlay's fields are, as far as it can be said without an index."""
    routes = path_of(overlay.locator.routes)
    return [routes] if routes else [path_of(name) for name in overlay.fields]


def _plain_steps(steps: Steps) -> tuple[str, ...]:
    plain: list[str] = []
    for step in steps:
        if not step.startswith("f:"):
            break
        plain.append(step.removeprefix("f:"))
    return tuple(plain)
