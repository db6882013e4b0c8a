"""Requests shared between destinations, as an overlay: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.kinds import KNOWN
from autopilot.mesh.errors import TargetMissing, WouldStarve
from autopilot.mesh.guard import guard_split, guard_undo, moved_forward, split_moves
from autopilot.mesh.istio.change import Change, Site
from autopilot.mesh.istio.destinations import Destination, Naming, shared, weights_of
from autopilot.mesh.istio.hosts import qualify
from autopilot.mesh.istio.readiness import ports_of, ready_of
from autopilot.overlay.foreign import a_split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Shift
    from autopilot.mesh.provider import World

DESTINATION_RULES = KNOWN["destinationrules"]
FIELD = "/route"


def shift_of(shift: Shift, pristine: Body, present: Body, site: Site) -> Change:
    """The destinations of one route.

    Args:
        shift: What is wanted.
        pristine: The route as it would be without overlays.
        present: The route as it is.
        site: Whence names are seen.

    Raises:
        WouldStarve: It would send requests to where nobody is ready.
        TargetMissing: A subset isn't defined.
        CacheUnavailable: It can't be told who is ready, and traffic would move forward.
    """
    naming = Naming(shift.weights, site.home, site.namespace)
    stood = naming.weights(present.get("route") or ())
    before = {name: stood.pop(name, 0) for name in shift.weights}
    before |= {name: weight for name, weight in stood.items() if weight}
    moves = split_moves(before, shift)
    if moves != "neutral":
        places = {name: where for where, name in naming.known.items()}
        for entry in present.get("route") or ():
            places.setdefault(naming.of(entry), Destination.of(entry, site.namespace))
        _check_subsets(naming.known, site.world)
        ready = ready_of(places, site.observed, site.world, lenient=moves == "back")
        problem = guard_split(shift, ready, before)
        if problem:
            raise WouldStarve(f"host {shift.where.host}: {problem}", after=1.0)
    entries = pristine.get("route") or []
    wanted = shared(entries, naming, shift.weights, _ports(naming, entries, site.world))
    parts = [
        f"{name} {weight}" if before[name] == weight else f"{name} {before[name]}→{weight}"
        for name, weight in shift.weights.items()
    ]
    moved = moved_forward(before, shift.weights) if moves == "forward" else 0.0
    return Change({FIELD: wanted}, ", ".join(parts), moves, {FIELD: a_split}, moved)


def starves(now: Sequence[Body], then: Sequence[Body], site: Site) -> str | None:
    """Why requests mustn't go back to where they went before, or None.

    Args:
        now: The entries of the route as they are.
        then: The entries as they would be.
        site: Whence names are seen.
    """
    receiving = [_receiving(entries, site.namespace) for entries in (now, then)]
    places = {**receiving[0], **receiving[1]}
    ready = ready_of(places, site.observed, site.world, lenient=True)
    return guard_undo([*receiving[0]], [*receiving[1]], ready)


def _receiving(entries: Sequence[Body], namespace: str) -> dict[str, Destination]:
    pairs = zip(entries, weights_of(entries), strict=True)
    found = [Destination.of(entry, namespace) for entry, weight in pairs if weight > 0]
    return {str(where): where for where in found}


def _ports(naming: Naming, entries: Sequence[Body], world: World) -> Mapping[str, int]:
    """The ports for destinations that are new to the route.

    Where the route names none, Istio takes the one that the caller addressed, or the only one.
    """
    said = [((entry.get("destination") or {}).get("port") or {}).get("number") for entry in entries]
    usual = next((port for port in said if isinstance(port, int)), None)
    if usual is None:
        return {}
    found: dict[str, int] = {}
    for where, name in naming.known.items():
        ports = [*(ports_of(world, *where.service) or ())]
        found[name] = ports[0] if len(ports) == 1 else usual
    return found


def _check_subsets(places: Iterable[Destination], world: World) -> None:
    wanted = [where for where in places if where.subset]
    if not wanted:
        return
    try:
        rules = world.objects(DESTINATION_RULES)
    except CacheUnavailable:
        return
    if rules is None:
        return
    known = set()
    for body in rules:
        spec = body.get("spec") or {}
        host = qualify(str(spec.get("host", "")), body["metadata"].get("namespace", ""))
        known |= {(host, each.get("name")) for each in spec.get("subsets") or ()}
    for where in wanted:
        if (where.host, where.subset) not in known:
            raise TargetMissing(f"no DestinationRule gives {where.host} the subset {where.subset}")
