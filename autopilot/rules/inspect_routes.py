"""What VirtualServices and DestinationRules do to a service's requests, in few words: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.kube.ownership import describe, holder_of
from autopilot.mesh.istio.hosts import qualify, service_of
from autopilot.overlay.wish import INSERTED
from autopilot.rules.inspect_words import Names, effects, match_text, mirrors, short, weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from autopilot.kube.client import Body


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """One route.

    Attributes:
        name: Its name; empty for one without.
        index: Its place in the list; the first that matches wins.
        match: Which requests, for people; `all` for the rest.
        to: Weight by destination (`service`, `service/subset`); qualified elsewhere.
        also: What else it does: `timeout`, `fault`, `mirror` …, for people.
        inserted: Whether autopilot put it there.
    """

    name: str
    index: int
    match: str
    to: Mapping[str, int]
    also: Mapping[str, str] = field(default_factory=dict)
    inserted: bool = False


@dataclass(frozen=True, slots=True)
class Routing:
    """One VirtualService.

    Attributes:
        object: Like `VirtualService shop/checkout`.
        owner: Whose it is, for people.
        hosts: As it spells them.
        gateways: Where it is in force; empty for the mesh.
        export_to: Namespaces whose callers it is for; empty for all.
        routes: In their order.
    """

    object: str
    owner: str
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    export_to: tuple[str, ...]
    routes: tuple[RouteSeen, ...]


@dataclass(frozen=True, slots=True)
class Lead:
    """A route of another host, or one of mirrored requests, that leads to the service.

    Attributes:
        object: The VirtualService.
        hosts: Whom its callers address.
        route: The route's name, or its place.
        to: The destination as it spells it.
        how: `90 %` of its requests, or `a copy of 10 %`.
    """

    object: str
    hosts: tuple[str, ...]
    route: str
    to: str
    how: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One DestinationRule.

    Attributes:
        object: Like `DestinationRule shop/checkout`.
        owner: Whose it is, for people.
        subsets: Labels by subset, for people.
        policy: What its traffic policy says, by field, for people.
    """

    object: str
    owner: str
    subsets: Mapping[str, str]
    policy: Mapping[str, str]


def routings(virtual_services: Iterable[Body], namespace: str, name: str) -> list[Routing]:
    """The VirtualServices that route a service's requests."""
    return [
        _routing(body, namespace) for body in virtual_services if routes_host(body, namespace, name)
    ]


def routes_host(body: Body, namespace: str, name: str) -> bool:
    """Whether a VirtualService is for a service, by its exact name or by a wildcard."""
    wanted, home = qualify(name, namespace), body["metadata"].get("namespace", "")
    for host in (body.get("spec") or {}).get("hosts") or ():
        text = str(host)
        if text.startswith("*") and text != "*" and wanted.endswith(text[1:]):
            return True
        if "*" not in text and qualify(text, home) == wanted:
            return True
    return False


def leads(virtual_services: Iterable[Body], namespace: str, name: str) -> list[Lead]:
    """Where else the service gets requests from: other hosts' routes, and mirrors."""
    found = []
    for body in virtual_services:
        own = routes_host(body, namespace, name)
        home = body["metadata"].get("namespace", "")
        hosts = tuple(str(host) for host in (body.get("spec") or {}).get("hosts") or ())
        for index, route in enumerate(_http(body)):
            called = str(route.get("name") or f"http[{index}]")
            for to, host, how in _goals(route, mirrors_only=own):
                if service_of(host, home) == (namespace, name):
                    found.append(Lead(describe(body), hosts, called, to, how))
    return found


def leads_to(body: Body, namespace: str, name: str) -> bool:
    """Whether any route of a VirtualService leads to a service, mirrors included."""
    home = body["metadata"].get("namespace", "")
    return any(
        service_of(host, home) == (namespace, name)
        for route in _http(body)
        for _, host, _ in _goals(route, mirrors_only=False)
    )


def policies(destination_rules: Iterable[Body], namespace: str, name: str) -> list[Policy]:
    """The DestinationRules of a service."""
    return [_policy(body) for body in destination_rules if policy_of_host(body, namespace, name)]


def policy_of_host(body: Body, namespace: str, name: str) -> bool:
    """Whether a DestinationRule is for a service."""
    home = body["metadata"].get("namespace", "")
    host = str((body.get("spec") or {}).get("host") or "")
    return bool(host) and qualify(host, home) == qualify(name, namespace)


def calls(virtual_services: Iterable[Body], labels: Mapping[str, str]) -> list[str]:
    """Routes that are there for a caller with these labels, for people."""
    found = []
    for body in virtual_services:
        for index, route in enumerate(_http(body)):
            for match in route.get("match") or ():
                wanted = match.get("sourceLabels") or {}
                if wanted and all(labels.get(key) == value for key, value in wanted.items()):
                    called = route.get("name") or f"http[{index}]"
                    found.append(f"{describe(body)}, route {called}")
                    break
    return found


def split_of(found: Iterable[Routing], name: str) -> dict[str, int]:
    """Where the service's requests go by now: the route that takes what no other one matches.

    All to the service itself where nothing routes it.
    """
    for routing in found:
        for route in routing.routes:
            if route.match == "all" and route.to:
                return dict(route.to)
    return {name: 100}


def _routing(body: Body, namespace: str) -> Routing:
    spec = body.get("spec") or {}
    names = Names(body["metadata"].get("namespace", ""), namespace)
    return Routing(
        object=describe(body),
        owner=holder_of(body),
        hosts=tuple(map(str, spec.get("hosts") or ())),
        gateways=tuple(map(str, spec.get("gateways") or ())),
        export_to=tuple(map(str, spec.get("exportTo") or ())),
        routes=tuple(_route(route, n, names) for n, route in enumerate(_http(body))),
    )


def _route(route: Body, index: int, names: Names) -> RouteSeen:
    name = str(route.get("name") or "")
    return RouteSeen(
        name=name,
        index=index,
        match=match_text(route.get("match")),
        to=weights(route.get("route") or (), names),
        also=dict(effects(route, names)),
        inserted=name.startswith(INSERTED),
    )


def _goals(route: Body, *, mirrors_only: bool) -> Iterator[tuple[str, str, str]]:
    """(destination as spelt, host, how much)."""
    entries = [entry for entry in route.get("route") or () if isinstance(entry, dict)]
    for entry in () if mirrors_only else entries:
        to = entry.get("destination") or {}
        weight = entry.get("weight", 100 if len(entries) == 1 else 0)
        yield Names().of(to), str(to.get("host", "")), f"{weight} %"
    for to, share in mirrors(route):
        yield Names().of(to), str(to.get("host", "")), f"a copy of {share}"


def _policy(body: Body) -> Policy:
    spec = body.get("spec") or {}
    subsets = {}
    for subset in spec.get("subsets") or ():
        labels = ", ".join(f"{key}={value}" for key, value in (subset.get("labels") or {}).items())
        own = f"; {short(subset['trafficPolicy'])}" if subset.get("trafficPolicy") else ""
        subsets[str(subset.get("name"))] = f"{labels}{own}"
    policy = spec.get("trafficPolicy") or {}
    return Policy(
        object=describe(body),
        owner=holder_of(body),
        subsets=subsets,
        policy={key: short(value) for key, value in policy.items()},
    )


def _http(body: Body) -> list[Body]:
    listed = (body.get("spec") or {}).get("http")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
