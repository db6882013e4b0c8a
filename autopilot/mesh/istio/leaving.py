"""Which of a holder's overlays on a VirtualService go: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.mesh.actions import name_of
from autopilot.mesh.errors import WouldStarve
from autopilot.mesh.istio.shift import FIELD, starves
from autopilot.overlay.values import ABSENT, at, path_of, same

if TYPE_CHECKING:
    from collections.abc import Collection

    from autopilot.base.errors import AutopilotError
    from autopilot.mesh.istio.change import Site
    from autopilot.mesh.istio.draft import Draft
    from autopilot.overlay.record import Overlay
    from autopilot.overlay.values import Path


@dataclass(frozen=True, slots=True)
class Still:
    """What is wanted still.

    Attributes:
        places: Actions, and the paths of the routes whose fields they change.
        names: Names of inserted routes.
    """

    places: Collection[tuple[str, Path]]
    names: Collection[str]

    def wants(self, draft: Draft, overlay: Overlay) -> bool:
        """Whether an overlay is what somebody wants still."""
        if overlay.inserted:
            return overlay.locator.name in self.names
        return (name_of(overlay.action), draft.placed(overlay)) in self.places


@dataclass(slots=True)
class Leaving:
    """What goes, and what can't.

    Attributes:
        hazards: They go first.
        protections: They go once what replaces them stands.
        kept: Protections that stay though nobody wants them, in words.
        refused: Why some must stay for now.
    """

    hazards: list[Overlay] = field(default_factory=list)
    protections: list[Overlay] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: list[AutopilotError] = field(default_factory=list)


def leaving(draft: Draft, still: Still, site: Site, *, keep: bool) -> Leaving:
    """What goes of one VirtualService.

    Args:
        draft: The VirtualService as observed.
        still: What is wanted.
        site: What is observed besides.
        keep: Whether protections stay in any case.
    """
    gone = [overlay for overlay in draft.own if not still.wants(draft, overlay)]
    found = Leaving([overlay for overlay in gone if overlay.effect == "hazard"])
    for overlay in gone:
        if overlay.effect == "hazard":
            continue
        if keep:
            found.kept.append(f"{draft.target}: {overlay.action} on {overlay.locator} stays")
            continue
        now, then = _entries(draft, overlay, gone)
        problem = starves(now, then, site) if now and then else None
        if problem:
            found.refused.append(WouldStarve(f"{draft.target}: {problem}", after=1.0))
        else:
            found.protections.append(overlay)
    return found


def _entries(draft: Draft, overlay: Overlay, gone: Collection[Overlay]) -> tuple[Any, Any]:
    """Where an overlay's requests go, and where they would go without it; None: it has no say."""
    place = draft.placed(overlay)
    if place is None:
        return None, None
    now = at(draft.body, (*place, *path_of(FIELD)))
    if not overlay.inserted:
        holds = FIELD in overlay.fields and same(now, overlay.holds(FIELD))
        return (now, overlay.was(FIELD)) if holds else (None, None)
    after = next((route for route in draft.routes() if route.index > int(place[-1])), None)
    if now is ABSENT or after is None:
        return None, None
    ending = {each.id for each in gone}
    left = after.pristine if any(o.id in ending for o in after.overlays) else after.present
    return now, left.get("route")
