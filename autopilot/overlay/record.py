"""What an overlaid object says of its overlays: pure.

An annotation for each overlay, so that its undo needs nothing else, and a label by which the sweep
and `halt` find the object. Reading never fails: a mark that makes no sense is reported.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from autopilot.kube.marks import OVERLAID, OVERLAID_OWNERS, OVERLAY
from autopilot.overlay.locate import Locator
from autopilot.overlay.owners import FieldOwner
from autopilot.overlay.values import ABSENT, canonical, path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.client import Body

Effect = Literal["hazard", "protection"]
"""A hazard is safe to undo at any time; a protection holds traffic up."""

WHOLE = ""
"""The field of an inserted route: the route itself."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The resource that holds something of an object that others own.

    Attributes:
        kind: Its kind, like `Rule`.
        namespace: Its namespace.
        name: Its name.
        uid: Its uid.
    """

    kind: str
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} {self.namespace}/{self.name}"

    def body(self) -> Body:
        """As marks say it."""
        names = ("kind", "namespace", "name", "uid")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def parse(cls, said: Mapping[str, Any]) -> Holder:
        """From a mark.

        Raises:
            KeyError, TypeError: It makes no sense.
        """
        return cls(*(_text(said[name]) for name in ("kind", "namespace", "name", "uid")))

    def succeeds(self, other: Holder) -> bool:
        """Whether it is the other, or was made anew under its name: its marks pass on."""
        return (self.kind, self.namespace, self.name) == (other.kind, other.namespace, other.name)


@dataclass(frozen=True, slots=True)
class Overlay:
    """One action's change on an object.

    Attributes:
        id: Short; the end of the annotation's key.
        holder: Who wants it.
        action: What of the holder's it belongs to, like `fault`.
        effect: See `Effect`.
        target: The object's uid when it was made.
        locator: Which route, or the object itself.
        before: What stood there, by JSON pointer from there; a field that was absent is left out.
        after: What is held, likewise.
        fields: The pointers of all fields that are held.
        made: Pointers of parents that had to be made, the topmost first.
        deadline: When the sweep may undo it, whatever its holder says; hazards only.
        at: When it was made.
        asked: Values as they were asked, where the server made others of them.
    """

    id: str
    holder: Holder
    action: str
    effect: Effect
    target: str
    locator: Locator
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    fields: tuple[str, ...]
    at: datetime
    made: tuple[str, ...] = ()
    deadline: datetime | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The annotation's key."""
        return OVERLAY + self.id

    @property
    def inserted(self) -> bool:
        """Whether it is a route of its own."""
        return WHOLE in self.fields

    def was(self, name: str) -> Any:
        """What stood in a field before."""
        return self.before.get(name, ABSENT)

    def holds(self, name: str) -> Any:
        """What a field shall hold."""
        return self.after.get(name, ABSENT)

    def render(self) -> str:
        """As the annotation's text."""
        return json.dumps(self.body(), separators=(",", ":"), ensure_ascii=False)

    def body(self) -> Body:
        """What the annotation says."""
        said: Body = {
            "owner": self.holder.body(),
            "action": self.action,
            "effect": self.effect,
            "target": self.target,
            "locator": self.locator.render(),
            "fields": [*self.fields],
            "before": dict(self.before),
            "after": dict(self.after),
            "at": self.at.isoformat(),
        }
        if self.asked:
            said["asked"] = dict(self.asked)
        if self.made:
            said["made"] = [*self.made]
        if self.deadline is not None:
            said["deadline"] = self.deadline.isoformat()
        return said


@dataclass(frozen=True, slots=True)
class Broken:
    """A mark that makes no sense.

    Attributes:
        key: The annotation's key.
        why: What is wrong.
    """

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What an object says.

    Attributes:
        overlays: The overlays on it, the oldest first.
        broken: Marks that make no sense.
        owners: Field owners that were displaced.
        labelled: Whether it carries the sweep's label.
    """

    overlays: tuple[Overlay, ...] = ()
    broken: tuple[Broken, ...] = ()
    owners: tuple[FieldOwner, ...] = ()
    labelled: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything left to undo or to finish."""
        return bool(self.labelled or self.overlays or self.broken or self.owners)

    @property
    def ended(self) -> bool:
        """Whether no overlay is left, not even one that makes no sense."""
        return not self.overlays and not any(b.key.startswith(OVERLAY) for b in self.broken)


@dataclass(slots=True)
class _Reading:
    overlays: list[Overlay] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    owners: tuple[FieldOwner, ...] = ()


def read(body: Body) -> Marks:
    """The marks on an object."""
    meta = body["metadata"]
    reading = _Reading()
    for key, text in (meta.get("annotations") or {}).items():
        try:
            if key.startswith(OVERLAY):
                reading.overlays.append(parse(key.removeprefix(OVERLAY), text))
            elif key == OVERLAID_OWNERS:
                reading.owners = tuple(FieldOwner.parse(each) for each in _list(json.loads(text)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reading.broken.append(Broken(key, str(error) or type(error).__name__))
    reading.overlays.sort(key=lambda overlay: (overlay.at, overlay.id))
    labelled = (meta.get("labels") or {}).get(OVERLAID) == "true"
    return Marks(tuple(reading.overlays), tuple(reading.broken), reading.owners, labelled)


@lru_cache(maxsize=4096)
def parse(short: str, text: str) -> Overlay:
    """One overlay from its annotation; it is read far more often than it changes.

    Raises:
        ValueError, KeyError, TypeError, RecursionError: It makes no sense.
    """
    said = _mapping(json.loads(text))
    effect = said["effect"]
    if effect not in get_args(Effect):
        raise ValueError(f"the effect {effect!r} is neither hazard nor protection")
    fields = tuple(_pointer(each) for each in _list(said["fields"]))
    if not fields:
        raise ValueError("it holds no field")
    before, after = _mapping(said["before"]), _mapping(said["after"])
    if not {*before, *after} <= {*fields}:
        raise ValueError("it restores fields that it doesn't hold")
    return Overlay(
        id=short,
        holder=Holder.parse(_mapping(said["owner"])),
        action=_text(said["action"]),
        effect=effect,
        target=_text(said["target"]),
        locator=Locator.parse(said["locator"]),
        before=before,
        after=after,
        fields=fields,
        at=_time(said["at"]),
        made=tuple(_pointer(each) for each in _list(said.get("made", []))),
        asked=_mapping(said.get("asked", {})),
        deadline=None if said.get("deadline") is None else _time(said["deadline"]),
    )


def short_id(holder: Holder, action: str, locator: Locator, taken: Mapping[str, Any]) -> str:
    """An id that follows from whose overlay it is, and of what.

    Args:
        holder: Who wants it; its uid doesn't count, so that a successor finds the mark.
        action: The action.
        locator: What it is about.
        taken: The object's annotations: two ids never clash.
    """
    who = [holder.kind, holder.namespace, holder.name, action, locator.render()]
    digest = hashlib.sha256(canonical(who).encode()).hexdigest()
    lengths = (n for n in range(10, 41, 2) if OVERLAY + digest[:n] not in taken)
    return digest[: next(lengths, 42)]


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _pointer(value: Any) -> str:
    path_of(_text(value))
    return _text(value)


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return at
