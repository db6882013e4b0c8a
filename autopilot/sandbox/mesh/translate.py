"""From what is declared to what Envoy is told: pure, and the same for the same input.

Each caller has a route configuration of its own, so that everything that depends on who calls
(`sourceLabels`, `exportTo`, short names) is settled here and not per request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh import listeners, routes
from autopilot.sandbox.mesh.check import problems, unsupported
from autopilot.sandbox.mesh.clusters import Target
from autopilot.sandbox.mesh.destinations import Destinations
from autopilot.sandbox.mesh.hosts import covers, names, plain, qualify, service_of
from autopilot.sandbox.mesh.matching import MESH, catches_all, tells_callers_apart
from autopilot.sandbox.mesh.values import namespace_of, title_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from autopilot.sandbox.mesh.model import Service, Source, World

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the author of an object should know; becomes a Warning Event on it."""

    about: Body = field(hash=False, compare=False)
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that Envoy is told, each kind by name."""

    clusters: dict[str, Body] = field(default_factory=dict)
    routes: dict[str, Body] = field(default_factory=dict)
    listeners: dict[str, Body] = field(default_factory=dict)


class Translator:
    """One translation.

    Args:
        world: The services and callers.
        virtual_services: Bodies, in any order.
        destination_rules: Bodies, in any order.
        routes_path: Gives the file of a route configuration by its name.
    """

    def __init__(
        self,
        world: World,
        virtual_services: Iterable[Body],
        destination_rules: Iterable[Body],
        routes_path: Callable[[str], str] = lambda name: f"/{name}/rds.json",
    ) -> None:
        self._world = world
        self._routes_path = routes_path
        self._notices: dict[tuple[str, str, str], Notice] = {}
        self._virtual_services = self._sound(virtual_services)
        self._destinations = Destinations(world, self._sound(destination_rules), self._note)
        self._made: dict[tuple[int, int, str], list[Body]] = {}

    def run(self) -> tuple[Snapshot, list[Notice]]:
        """Translate; an object that is wrong as a whole is left out and named in a notice."""
        owners = self._owners()
        made = Snapshot()
        for source in self._world.sources:
            name = listeners.listener_name(source)
            made.listeners[name] = listeners.build(source, self._routes_path(name))
            made.routes[name] = {
                "name": name,
                "validate_clusters": True,
                "virtual_hosts": list(self._virtual_hosts(source, owners)),
            }
        made.clusters.update(self._destinations.clusters())
        return made, list(self._notices.values())

    # -- objects ------------------------------------------------------------------------------

    def _sound(self, bodies: Iterable[Body]) -> list[Body]:
        """Those that can be carried out, the oldest first."""
        found = []
        for body in sorted(bodies, key=_age):
            wrong = problems(body)
            if wrong:
                self._note(body, "Invalid", "; ".join(wrong))
                continue
            ignored = unsupported(body)
            if ignored:
                self._note(body, "NotImplementedBySandbox", "ignored: " + ", ".join(ignored))
            found.append(body)
        return found

    def _owners(self) -> dict[str, Body]:
        """The VirtualService of each host in the mesh: the oldest one."""
        found: dict[str, Body] = {}
        abbreviations = {
            short: full
            for namespace, name in self._world.services
            for full, *shorter in [names(namespace, name)]
            for short in shorter
        }
        for body in self._virtual_services:
            if MESH not in (body["spec"].get("gateways") or [MESH]):
                continue
            for host in _hosts(body):
                if host in abbreviations:
                    full = abbreviations[host]
                    self._note(body, "HostNotFound", f"no service is called {host}; {full} is one")
                elif host in found:
                    message = f"{title_of(found[host])} is older and has the host {host}"
                    self._note(body, "HostConflict", message)
                else:
                    found[host] = body
        return found

    def _note(self, about: Body, reason: str, message: str) -> None:
        uid = about["metadata"].get("uid") or title_of(about)
        self._notices[uid, reason, message] = Notice(about, reason, message)

    # -- virtual hosts ------------------------------------------------------------------------

    def _virtual_hosts(self, source: Source, owners: dict[str, Body]) -> Iterator[Body]:
        taken: set[str] = set()

        def free(domains: Iterable[str]) -> list[str]:
            left = [name for name in dict.fromkeys(domains) if name not in taken]
            taken.update(left)
            return left

        for host, made in self._gateway_routes(source).items() if source.ingress else ():
            domains = free(self._domains_of(host, source))
            if domains:
                yield {"name": plain(f"gateway~{host}"), "domains": domains, "routes": made}
        for service in self._world.services.values():
            owner = _owner_of(names(service.namespace, service.name)[0], owners, source)
            for port in service.ports:
                made = (
                    self._routes_of(owner, source, port)
                    if owner
                    else [routes.forward(self._destinations.cluster(Target(service, port), source))]
                )
                title = f"{service.namespace}~{service.name}~{port}"
                domains = free(self._service_domains(service, port, source))
                yield {"name": plain(title), "domains": domains, "routes": made}
        for host, body in owners.items():
            domains = free(self._domains_of(host, source)) if _exported(body, source) else []
            if domains:
                made = self._routes_of(body, source, 80)
                yield {"name": plain(f"host~{host}"), "domains": domains, "routes": made}

    def _gateway_routes(self, source: Source) -> dict[str, list[Body]]:
        """What gateways serve: here the routes of all VirtualServices of a host are joined."""
        found: dict[str, list[Body]] = {}
        for body in self._virtual_services:
            if all(name == MESH for name in body["spec"].get("gateways") or [MESH]):
                continue
            for host in _hosts(body):
                key = service_of(host)
                service = self._world.services.get(key) if key else None
                port = service.primary if service else 80
                found.setdefault(host, []).extend(self._routes_of(body, source, port))
        # Strictly last, or it would hide the routes of the next VirtualService.
        return {
            host: sorted(made, key=lambda r: catches_all(r["match"]))
            for host, made in found.items()
        }

    def _routes_of(self, body: Body, source: Source, port: int) -> list[Body]:
        # Most VirtualServices ask nothing of the caller, so that one translation serves them all.
        apart = self._destinations.by_labels or tells_callers_apart(body)
        key = (id(body), port, source.key if apart else source.place)
        if key not in self._made:
            self._made[key] = [
                made
                for route in body["spec"].get("http") or ()
                for made in routes.translate(
                    route,
                    source,
                    port,
                    lambda to: self._destinations.resolve(body, to, source, port),
                )
            ]
        return self._made[key]

    def _domains_of(self, host: str, source: Source) -> list[str]:
        key = service_of(host)
        service = self._world.services.get(key) if key else None
        if service:
            return self._service_domains(service, service.primary, source)
        return [host] if "*" in host else [host, f"{host}:*"]

    def _service_domains(self, service: Service, port: int, source: Source) -> list[str]:
        called = names(service.namespace, service.name)
        if self._short(service, source):
            called.append(service.name)
        domains = [f"{name}:{port}" for name in called]
        if port == service.primary:
            domains += [*called, *(f"{name}:*" for name in called)]
        return domains

    def _short(self, service: Service, source: Source) -> bool:
        """Whether the bare name means this service: for callers of its own namespace.

        The load client stands in none of them; for it `default` comes first, else the name must
        be the only one.
        """
        if not source.ingress:
            return service.namespace == source.workload.namespace
        having = [namespace for namespace, name in self._world.services if name == service.name]
        return service.namespace == "default" or having == [service.namespace]


def _owner_of(host: str, owners: dict[str, Body], source: Source) -> Body | None:
    """The VirtualService of a host: the exact name first, then the longest wildcard."""
    exact = owners.get(host)
    if exact and _exported(exact, source):
        return exact
    fitting = [h for h in owners if "*" in h and covers(h, host) and _exported(owners[h], source)]
    best = max(fitting, key=len, default=None)
    return owners[best] if best else None


def _exported(body: Body, source: Source) -> bool:
    wanted = body["spec"].get("exportTo") or ["*"]
    own = namespace_of(body)
    return any(
        to == "*" or (own if to == "." else to) == source.workload.namespace for to in wanted
    )


def _hosts(body: Body) -> list[str]:
    return [qualify(host, namespace_of(body)) for host in body["spec"].get("hosts") or ()]


def _age(body: Body) -> tuple[str, str, str]:
    meta = body["metadata"]
    return str(meta.get("creationTimestamp", "")), namespace_of(body), str(meta.get("name", ""))
