"""Who holds which field of an object, since when, and what stood there before: pure.

Read from the marks on the objects themselves; a status is only a copy of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import parse_time
from autopilot.kube.marks import OWNER, OWNER_UID
from autopilot.kube.ownership import describe
from autopilot.mesh.scaling import read_mark, replicas_of
from autopilot.overlay.places import Lost, Places
from autopilot.overlay.record import WHOLE, Overlay, read
from autopilot.overlay.values import ABSENT, at, canonical, path_of, same
from autopilot.rules.inspect_words import destinations_text, route_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from autopilot.kube.client import Body

_LONGEST = 90
"""Characters of a value that is shown to people."""


@dataclass(frozen=True, slots=True)
class HeldField:
    """One field that is held.

    Attributes:
        field: JSON pointer from the route, or from the object; empty for an inserted route.
        before: What stood there, for people; `nothing` for an absent field.
        after: What the holder set.
        now: What stands there now.
        stands: Whether that is what the holder set.
    """

    field: str
    before: str
    after: str
    now: str
    stands: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """One action's hold on an object.

    Attributes:
        object: Like `VirtualService shop/checkout`.
        holder: Like `Rule shop/checkout-failover`.
        action: The holder's action: `failover`, `fault` …
        effect: `hazard`, `protection`, or `owned` for an object that is autopilot's as a whole.
        since: When it was made; None where nothing says.
        deadline: When the sweep may undo it; None for never.
        where: Which route, for people; empty for the object itself.
        fields: What it holds.
        problem: Why it can't be undone as it should; empty where it can.
        uid: The holder's; empty where the mark says none.
    """

    object: str
    holder: str
    action: str
    effect: str
    since: datetime | None
    deadline: datetime | None = None
    where: str = ""
    fields: tuple[HeldField, ...] = ()
    problem: str = ""
    uid: str = ""


def holds_on(bodies: Iterable[Body]) -> list[Hold]:
    """All holds on these objects, the oldest first on each; broken marks among them."""
    return [hold for body in bodies for hold in _on(body)]


def scaled_on(deployment: Body) -> Hold | None:
    """The hold on a Deployment's replicas; None where there is none."""
    mark = read_mark(deployment)
    if mark is None:
        return None
    now = replicas_of(deployment)
    count = HeldField(
        "/spec/replicas", str(mark.before), str(mark.after), str(now), now == mark.after
    )
    return Hold(
        object=describe(deployment),
        holder=str(mark.holder),
        action="scale",
        effect="protection",
        since=parse_time(mark.at),
        fields=(count,),
        uid=mark.holder.uid,
    )


def forsaken(holds: Iterable[Hold], alive: Collection[str], kinds: Collection[str]) -> list[Hold]:
    """The holds, with a problem on those whose holder is gone.

    Args:
        holds: What is held.
        alive: The uids of all resources of these kinds.
        kinds: The kinds whose resources are known.
    """
    found = []
    for hold in holds:
        kind, _, name = hold.holder.partition(" ")
        gone = bool(hold.uid) and kind in kinds and hold.uid not in alive
        undo = "the sweep undoes it"
        if hold.effect == "protection":
            undo = f"`autopilot halt --restore {kind}/{name}` gives it back"
        found.append(replace(hold, problem=f"its holder is gone; {undo}") if gone else hold)
    return found


def owner_of(body: Body) -> str:
    """The resource that an object was made for, as `Kind ns/name`; empty where autopilot made none.

    A neutral object that was made only to carry overlays belongs to its overlays.
    """
    meta = body["metadata"]
    if OWNER_UID not in (meta.get("labels") or {}):
        return ""
    kind, _, rest = str((meta.get("annotations") or {}).get(OWNER, "")).partition("/")
    return f"{kind} {rest}".strip()


def _on(body: Body) -> Iterator[Hold]:
    marks = read(body)
    if owner := owner_of(body):
        yield Hold(describe(body), owner, "", "owned", None)
    places = Places(body, marks.overlays)
    for overlay in marks.overlays:
        yield _hold(body, overlay, places)
    for broken in marks.broken:
        why = f"the mark {broken.key} makes no sense: {broken.why}"
        yield Hold(describe(body), "nobody that can be told", "", "broken", None, problem=why)


def _hold(body: Body, overlay: Overlay, places: Places) -> Hold:
    found = places.find(overlay)
    problem = found.why if isinstance(found, Lost) else ""
    if overlay.target != body["metadata"].get("uid"):
        problem = "the mark came along when another object was copied"
    fields = []
    for field in overlay.fields:
        path = ABSENT if isinstance(found, Lost) else at(body, (*found, *path_of(field)))
        fields.append(_field(field, overlay, path))
    return Hold(
        object=describe(body),
        holder=str(overlay.holder),
        action=overlay.action,
        effect=overlay.effect,
        since=overlay.at,
        deadline=overlay.deadline,
        where=_where(overlay),
        fields=tuple(fields),
        problem=problem,
        uid=overlay.holder.uid,
    )


def _field(field: str, overlay: Overlay, now: Any) -> HeldField:
    after = overlay.holds(field)
    return HeldField(
        field=field,
        before=shown(field, overlay.was(field)),
        after=shown(field, after),
        now=shown(field, now),
        stands=(now is after) if ABSENT in (now, after) else same(now, after),
    )


def _where(overlay: Overlay) -> str:
    locator = overlay.locator
    if not locator.routes:
        return ""
    if overlay.inserted:
        whole = overlay.holds(WHOLE)
        return f"inserted route {whole.get('name')!r}" if isinstance(whole, dict) else "a route"
    return f"route {locator.name!r}" if locator.name else str(locator)


def shown(field: str, value: Any) -> str:
    """A field's value for people: destinations by weight, all else as short JSON."""
    if value is ABSENT:
        return "nothing"
    if field == WHOLE and isinstance(value, dict):
        return route_text(value)
    if field == "/route" and isinstance(value, list):
        return destinations_text(value)
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
