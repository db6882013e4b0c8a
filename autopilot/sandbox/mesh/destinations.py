"""Where the requests of a route go: destinations as the names of clusters that exist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh import clusters, locality
from autopilot.sandbox.mesh.clusters import Target
from autopilot.sandbox.mesh.hosts import plain, qualify, service_of
from autopilot.sandbox.mesh.values import namespace_of, title_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autopilot.sandbox.mesh.model import Service, Source, World

Body = dict[str, Any]


class Destinations:
    """The clusters of one translation.

    Args:
        world: The services.
        rules: DestinationRules that can be carried out, the oldest first.
        note: Takes (object, reason, message) for its author.
    """

    def __init__(
        self, world: World, rules: Iterable[Body], note: Callable[[Body, str, str], None]
    ) -> None:
        self._world = world
        self._note = note
        self._rules = self._by_service(rules)
        self._used: dict[str, Body] = {}

    @property
    def by_labels(self) -> bool:
        """Whether a rule makes the caller's labels matter, beyond its place."""
        return any(locality.by_labels(rule) for rule in self._rules.values())

    def resolve(self, body: Body, destination: Body, source: Source, caller_port: int) -> str:
        """The cluster of a VirtualService's destination; what isn't there gets one without pods.

        Args:
            body: The VirtualService.
            destination: Its destination.
            source: The caller.
            caller_port: The port that the caller addresses.
        """
        host = qualify(destination["host"], namespace_of(body))
        subset = destination.get("subset") or ""
        key = service_of(host)
        service = self._world.services.get(key) if key else None
        wanted = (destination.get("port") or {}).get("number")
        if service is None:
            self._note(
                body, "DestinationNotFound", f"no service is called {host}; its share gets 503"
            )
            namespace = key[0] if key else namespace_of(body)
            return self._blackhole(host, int(wanted or 0), subset, namespace)
        port = int(wanted or _port(service, caller_port))
        if port not in service.ports:
            message = f"{host} has no port {port}; its share gets 503"
            self._note(body, "DestinationNotFound", message)
            return self._blackhole(host, port, subset, service.namespace)
        if subset and subset not in self._subsets(service):
            message = f"no DestinationRule gives {host} the subset {subset}; its share gets 503"
            self._note(body, "SubsetNotFound", message)
            return self._blackhole(host, port, subset, service.namespace)
        return self.cluster(Target(service, port, subset), source)

    def cluster(self, target: Target, source: Source) -> str:
        """The cluster that a caller uses: one of its place's own where that matters."""
        rule = self._rule(target.service)
        policy = clusters.policy_of(rule, target.subset)
        if source.place and locality.aware(policy):
            target = replace(target, place=source.place)
        if standing := locality.standing(policy, source.labels):
            target = replace(target, standing=standing)
        if target.name not in self._used:
            self._used[target.name] = clusters.build(target, rule)
        return target.name

    def _blackhole(self, host: str, port: int, subset: str, namespace: str) -> str:
        name = plain(f"missing~{host}~{port}~{subset}")
        self._used[name] = clusters.blackhole(host, name, namespace)
        return name

    def _subsets(self, service: Service) -> list[str]:
        rule = self._rule(service) or {}
        return [s["name"] for s in (rule.get("spec") or {}).get("subsets") or ()]

    def _rule(self, service: Service) -> Body | None:
        return self._rules.get((service.namespace, service.name))

    def clusters(self) -> dict[str, Body]:
        """All clusters, used or not, by name."""
        found = dict(self._used)
        for service in self._world.services.values():
            for port in service.ports:
                for subset in ["", *self._subsets(service)]:
                    target = Target(service, port, subset)
                    if target.name not in found:
                        found[target.name] = clusters.build(target, self._rule(service))
        return dict(sorted(found.items()))

    def _by_service(self, rules: Iterable[Body]) -> dict[tuple[str, str], Body]:
        found: dict[tuple[str, str], Body] = {}
        for rule in rules:
            host = qualify(rule["spec"]["host"], namespace_of(rule))
            key = service_of(host)
            if key is None or key not in self._world.services:
                self._note(rule, "HostNotFound", f"no service is called {host}")
            elif key in found:
                self._note(rule, "HostConflict", f"{title_of(found[key])} is older and has {host}")
            else:
                found[key] = rule
        return found


def _port(service: Service, caller_port: int) -> int:
    if len(service.ports) == 1:
        return service.ports[0]
    return caller_port if caller_port in service.ports else service.primary
