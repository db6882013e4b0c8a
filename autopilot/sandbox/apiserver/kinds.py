"""Which kinds are served, and under which names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autopilot.sandbox.apiserver.fields import ListStructure
    from autopilot.sandbox.apiserver.schema import Structural

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?\Z")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a kind keeps what its scale subresource shows; dotted paths, as in a CRD."""

    spec: str = ".spec.replicas"
    status: str = ".status.replicas"
    selector: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind in one served version.

    Attributes:
        storage: What its objects are kept under; kinds with the same one share their objects.
        stored_as: The apiVersion that its objects have in the store; its own unless given.
        subresources: Names out of status, scale, eviction, log.
        generation: Whether `metadata.generation` counts the changes of the desired state.
        schema: A custom resource's OpenAPI schema as written; None for a built-in.
        columns: A custom resource's additionalPrinterColumns.
        selectable: Field selectors beyond metadata.name and metadata.namespace.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    singular: str
    storage: str
    list_kind: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: frozenset[str] = frozenset()
    generation: bool = False
    custom: bool = False
    schema: dict[str, Any] | None = None
    columns: list[dict[str, Any]] | None = None
    selectable: frozenset[str] = frozenset()
    scale: ScalePaths | None = None
    structural: Structural | None = None
    structure: ListStructure | None = None
    stored_as: str = ""
    api_version: str = field(init=False)
    resource: str = field(init=False)

    def __post_init__(self) -> None:
        joined = f"{self.group}/{self.version}" if self.group else self.version
        object.__setattr__(self, "api_version", joined)
        object.__setattr__(self, "stored_as", self.stored_as or joined)
        named = f"{self.plural}.{self.group}" if self.group else self.plural
        object.__setattr__(self, "resource", named)


class Registry:
    """The kinds that are served now. The first version of a kind to be added is preferred."""

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Kind] = {}
        self._by_kind: dict[tuple[str, str], Kind] = {}
        self._by_resource: dict[str, Kind] = {}
        for kind in kinds:
            self.add(kind)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_path.values())

    def add(self, kind: Kind) -> None:
        """Serve a kind."""
        self._by_path[kind.group, kind.version, kind.plural] = kind
        self._by_kind[kind.api_version, kind.kind] = kind
        self._by_resource.setdefault(kind.resource, kind)

    def remove(self, resource: str) -> None:
        """Stop serving a resource (`plural.group`) in all its versions."""
        for kind in [kind for kind in self if kind.resource == resource]:
            del self._by_path[kind.group, kind.version, kind.plural]
            self._by_kind.pop((kind.api_version, kind.kind), None)
        self._by_resource.pop(resource, None)

    def at(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind served at a path."""
        return self._by_path.get((group, version, plural))

    def named(self, api_version: str, kind: str) -> Kind | None:
        """The kind of an object by its apiVersion and kind."""
        return self._by_kind.get((api_version, kind))

    def resource(self, resource: str) -> Kind | None:
        """The preferred version of `pods` or `deployments.apps`."""
        return self._by_resource.get(resource)

    def groups(self) -> dict[str, list[str]]:
        """Each group with its versions, the preferred one first: v2, v1, v1beta2, v1alpha1."""
        found: dict[str, list[str]] = {}
        for kind in self:
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return {group: sorted(versions, key=_priority) for group, versions in found.items()}

    def within(self, group: str, version: str) -> list[Kind]:
        """The kinds of one group and version, by plural."""
        found = [k for k in self if (k.group, k.version) == (group, version)]
        return sorted(found, key=lambda kind: kind.plural)


def _priority(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: stable before beta before alpha, then the higher number."""
    match = _VERSION.match(version)
    if match is None:
        return 3, 0, 0, version
    major, stage, minor = match.groups()
    rank = {None: 0, "beta": 1, "alpha": 2}[stage]
    return rank, -int(major), -int(minor or 0), version
