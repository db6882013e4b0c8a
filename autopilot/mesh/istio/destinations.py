"""Where a route leads, and with which weights: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.mesh.istio.hosts import qualify, service_of, short, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autopilot.kube.client import Body


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination as an action names it.

    Attributes:
        host: In full.
        subset: Of its DestinationRule; empty for the whole service.
    """

    host: str
    subset: str = ""

    @classmethod
    def parse(cls, name: str, namespace: str) -> Destination:
        """From `service` or `service/subset`, as seen from a namespace."""
        service, _, subset = name.partition("/")
        return cls(qualify(service, namespace), subset)

    @classmethod
    def of(cls, entry: Any, namespace: str) -> Destination:
        """Where an entry of a route leads, in an object of a namespace."""
        said = (entry.get("destination") or {}) if isinstance(entry, dict) else {}
        return cls(qualify(str(said.get("host", "")), namespace), str(said.get("subset") or ""))

    @property
    def service(self) -> tuple[str, str]:
        """Namespace and name of the service."""
        return service_of(self.host, "")

    def __str__(self) -> str:
        """For people."""
        return short(self.host) + (f"/{self.subset}" if self.subset else "")

    def body(self, namespace: str, port: int | None) -> Body:
        """As a route in an object of a namespace spells it."""
        body: Body = {"host": spelled(self.host, namespace)}
        if self.subset:
            body["subset"] = self.subset
        if port is not None:
            body["port"] = {"number": port}
        return body


class Naming:
    """Tells by which of the names that an action uses an entry of a route goes.

    A service's bare name takes in its subsets, unless the action names them too.

    Args:
        names: What the action names.
        home: The namespace that the names are seen from.
        namespace: The object's own.
    """

    def __init__(self, names: Iterable[str], home: str, namespace: str) -> None:
        self.known = {Destination.parse(name, home): name for name in names}
        self.namespace = namespace

    def of(self, entry: Any) -> str:
        """The name for an entry; a made-up one where the action has none."""
        there = Destination.of(entry, self.namespace)
        bare = Destination(there.host)
        return self.known.get(there) or self.known.get(bare) or str(there)

    def weights(self, entries: Sequence[Any]) -> dict[str, int]:
        """Percent by name, as entries have them."""
        found: dict[str, int] = {}
        for entry, weight in zip(entries, weights_of(entries), strict=True):
            name = self.of(entry)
            found[name] = found.get(name, 0) + weight
        return found


def weights_of(entries: Sequence[Any]) -> list[int]:
    """The weights of a route's entries; a single one has all, whatever it says."""
    if len(entries) == 1:
        return [100]
    said = (entry.get("weight") if isinstance(entry, dict) else 0 for entry in entries)
    return [weight if isinstance(weight, int) else 0 for weight in said]


def shared(
    entries: Sequence[Body], naming: Naming, weights: Mapping[str, int], ports: Mapping[str, int]
) -> list[Body]:
    """A route's entries with other weights.

    Entries that stay keep their place and all else that they say; a name's share is divided among
    its entries as it was before.

    Args:
        entries: The entries as they were without the overlay.
        naming: Tells them apart.
        weights: Percent by name.
        ports: The port by name of a destination that is new to the route; none where it has one.
    """
    groups: dict[str, list[int]] = {}
    stood = weights_of(entries)
    for index, entry in enumerate(entries):
        groups.setdefault(naming.of(entry), []).append(index)
    made: dict[int, Body] = {}
    for name in weights.keys() & groups.keys():
        indexes = groups[name]
        parts = divided(weights[name], [stood[index] for index in indexes])
        for index, part in zip(indexes, parts, strict=True):
            made[index] = {**entries[index], "weight": part}
    new = [
        {"destination": where.body(naming.namespace, ports.get(name)), "weight": weights[name]}
        for where, name in naming.known.items()
        if name in weights and name not in groups
    ]
    return [*(made[index] for index in sorted(made)), *new]


def divided(total: int, by: Sequence[int]) -> list[int]:
    """A whole number divided in proportion, into whole numbers that add up to it again.

    The largest remainders get what is left over; where all proportions are 0, the first gets all.
    """
    if not sum(by):
        return [total, *[0] * (len(by) - 1)]
    exact = [total * part / sum(by) for part in by]
    parts = [int(part) for part in exact]
    most = sorted(range(len(by)), key=lambda n: (parts[n] - exact[n], n))
    for index in most[: total - sum(parts)]:
        parts[index] += 1
    return parts
