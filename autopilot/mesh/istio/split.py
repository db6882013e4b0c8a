"""A split as an owned VirtualService: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.kube.cache import CacheUnavailable
from autopilot.kube.kinds import KNOWN
from autopilot.kube.marks import OWNER, OWNER_UID
from autopilot.kube.ownership import NotOurs, belongs_to, describe, holder_of, ownership
from autopilot.mesh.errors import HostTaken, WouldStarve
from autopilot.mesh.guard import guard_split, moved_forward, split_moves
from autopilot.mesh.istio.hosts import for_host, qualify, service_of, short
from autopilot.mesh.istio.index import Index
from autopilot.mesh.istio.readiness import SERVICES, ready_endpoints
from autopilot.mesh.steps import ApplyOwned, DeleteOwned, Plan, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autopilot.base.errors import AutopilotError
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Split
    from autopilot.mesh.provider import Owner, World
    from autopilot.mesh.steps import Moves

VIRTUAL_SERVICES = KNOWN["virtualservices"]
ROUTE = "autopilot"
"""The name of the one route in a VirtualService of ours."""


def plan_splits(owner: Owner, splits: Sequence[Split], world: World) -> Plan:
    """Apply what is wanted; delete what this owner has and wants no longer.

    Deletions come last: the caller puts capacity back before.
    """
    index = world.derived(VIRTUAL_SERVICES, Index.of) or Index()
    everywhere = [*(world.objects(VIRTUAL_SERVICES) or ())] if splits else []
    steps: list[Step] = []
    refused: list[AutopilotError] = []
    kept: set[str] = set()
    for split in splits:
        kept.add(short(split.host))
        try:
            steps.append(_apply(owner, split, everywhere, world))
        except (HostTaken, NotOurs, WouldStarve, CacheUnavailable) as error:
            refused.append(error)
    for body in index.owned_by(owner.uid):
        meta = body["metadata"]
        if meta.get("namespace") != owner.namespace or meta["name"] in kept:
            continue
        try:
            problem = _starves(owner, body, world)
        except CacheUnavailable as error:
            refused.append(error)
            continue
        if problem:
            refused.append(WouldStarve(problem))
        else:
            steps.append(DeleteOwned(VIRTUAL_SERVICES, body, "back", f"{describe(body)}: deleted"))
    return Plan(tuple(steps), tuple(refused))


def virtual_service(owner: Owner, split: Split) -> Body:
    """The VirtualService for a split, with the marks of its owner."""
    names = [split.stable, *(name for name in split.weights if name != split.stable)]
    body: Body = {
        "apiVersion": VIRTUAL_SERVICES.api_version,
        "kind": VIRTUAL_SERVICES.kind,
        "metadata": {"name": short(split.host), "namespace": owner.namespace},
        "spec": {
            "hosts": [split.host],
            "http": [
                {
                    "name": ROUTE,
                    "route": [
                        _destination(name, split.weights[name], split.port) for name in names
                    ],
                }
            ],
        },
    }
    return ownership(owner.body, owner.operator).mark(body)


def weights_of(body: Body) -> dict[str, int]:
    """The weights that a VirtualService of ours holds, whatever somebody made of it."""
    weights: dict[str, int] = {}
    for route in (body.get("spec") or {}).get("http") or ():
        for entry in route.get("route") or ():
            host = (entry.get("destination") or {}).get("host")
            weight = entry.get("weight", 100 if len(route["route"]) == 1 else 0)
            if host and isinstance(weight, int):
                weights[str(host)] = weight
        break
    return weights


def unserved(owner: Owner, splits: Sequence[Split], world: World) -> str | None:
    """The first host whose requests would all go to destinations without a ready endpoint."""
    for split in splits:
        ready = _ready_of(split, owner.namespace, world)
        if all(ready.get(name) == 0 for name, weight in split.weights.items() if weight > 0):
            return split.host
    return None


def _apply(owner: Owner, split: Split, everywhere: Iterable[Body], world: World) -> ApplyOwned:
    body = virtual_service(owner, split)
    live: Body | None = None
    for other in everywhere:
        meta = other["metadata"]
        if (meta.get("namespace"), meta["name"]) == (owner.namespace, short(split.host)):
            live = other
    if live is not None and not _inherits(live, owner):
        routes = [*for_host([live], split.host, owner.namespace)]
        host = qualify(split.host, owner.namespace)
        if routes:
            raise HostTaken(host, f"{describe(live)} (of {holder_of(live)})")
        raise NotOurs(describe(live), holder_of(live))
    before = None if live is None else weights_of(live)
    moves = split_moves(before, split)
    for rival in for_host(everywhere, split.host, owner.namespace):
        if rival is not live and moves != "back":
            host = qualify(split.host, owner.namespace)
            raise HostTaken(host, f"{describe(rival)} (of {holder_of(rival)})")
    problem = guard_split(split, _known_ready(split, owner, world, moves), before)
    if problem:
        raise WouldStarve(f"host {split.host}: {problem}", after=1.0)
    differs = live is None or not _contains(live, body)
    summary = _summary(body, before, split, differs)
    stood = {split.stable: 100} if before is None else before
    moved = moved_forward(stood, split.weights) if moves == "forward" else 0.0
    return ApplyOwned(VIRTUAL_SERVICES, body, live, moves, summary, differs, moved)


def _known_ready(split: Split, owner: Owner, world: World, moves: Moves) -> Mapping[str, int]:
    """Ready endpoints; where they can't be told, a breach that is known is the greater harm."""
    try:
        return _ready_of(split, owner.namespace, world)
    except CacheUnavailable:
        if moves == "back":
            return {}
        raise


def _ready_of(split: Split, namespace: str, world: World) -> dict[str, int]:
    ready: dict[str, int] = {}
    for name in split.weights:
        home, service = service_of(name, namespace)
        counts = ready_endpoints(world, home)
        # Of other namespaces the caches may hold nothing.
        if counts is not None and home == namespace:
            ready[name] = counts.get(service, 0)
    return ready


def _starves(owner: Owner, body: Body, world: World) -> str | None:
    """Whether callers would be left without a ready endpoint when the route goes."""
    host = str(((body.get("spec") or {}).get("hosts") or [body["metadata"]["name"]])[0])
    home, service = service_of(host, owner.namespace)
    services = world.objects(SERVICES, home)
    if services is not None and service not in {each["metadata"]["name"] for each in services}:
        return None  # Nobody calls what isn't there; the deletion mustn't hang on it.
    ready = ready_endpoints(world, home)
    if ready is None or ready.get(service, 0) > 0:
        return None
    serving = [
        name
        for name, weight in weights_of(body).items()
        if weight > 0 and (ready.get(service_of(name, owner.namespace)[1], 0) > 0)
    ]
    if not serving:
        return None
    return f"{service} has no ready endpoint yet: its requests stay with {' and '.join(serving)}"


def _destination(name: str, weight: int, port: int | None) -> Body:
    destination: Body = {"host": name}
    if port is not None:
        destination["port"] = {"number": port}
    return {"destination": destination, "weight": weight}


def _summary(body: Body, before: dict[str, int] | None, split: Split, differs: bool) -> str:
    stood = before or {}
    names = [*dict.fromkeys([*weights_of(body), *stood])]
    parts = []
    for name in names:
        old, new = stood.get(name), split.weights.get(name, 0)
        parts.append(f"{name} {new}" if old in {None, new} else f"{name} {old}→{new}")
    note = " (repaired)" if differs and before == dict(split.weights) else ""
    return f"{describe(body)}: {', '.join(parts)}{note}"


def _owner_uid(body: Body) -> str:
    return str((body["metadata"].get("labels") or {}).get(OWNER_UID, ""))


def _inherits(live: Body, owner: Owner) -> bool:
    """Ours, or left by an owner of our name before us: the applier waits until that is gone."""
    if belongs_to(live, owner.uid):
        return True
    words = (live["metadata"].get("annotations") or {}).get(OWNER)
    return bool(_owner_uid(live)) and words == f"{owner.kind.kind}/{owner.namespace}/{owner.name}"


def _contains(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            _contains(live.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(map(_contains, live, wanted))
        )
    return bool(live == wanted)
