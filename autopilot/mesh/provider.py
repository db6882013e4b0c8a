"""The adapter that turns actions into one mesh's own objects.

Planning is pure: from what is wanted and what is observed to steps (`steps`). Carrying the steps
out is the same for every mesh (`execute`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from autopilot.overlay.record import Holder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.mesh.actions import Action
    from autopilot.mesh.steps import Plan
    from autopilot.overlay.execute import Target


@dataclass(frozen=True, slots=True)
class Owner:
    """The resource that wants actions carried out.

    Attributes:
        kind: Its kind.
        namespace: Its namespace.
        name: Its name.
        uid: Its uid.
        operator: The operator's name, for labels and the field manager.
    """

    kind: ResourceType
    namespace: str
    name: str
    uid: str
    operator: str

    @property
    def holder(self) -> Holder:
        """As marks name it."""
        return Holder(self.kind.kind, self.namespace, self.name, self.uid)

    @property
    def body(self) -> Body:
        """As much of its body as an owner reference needs."""
        return {
            "apiVersion": self.kind.api_version,
            "kind": self.kind.kind,
            "metadata": {"namespace": self.namespace, "name": self.name, "uid": self.uid},
        }


@dataclass(frozen=True, slots=True)
class Need:
    """What actions need of one kind: a cache, and rights.

    Attributes:
        kind: The kind.
        verbs: On the kind itself.
        subresources: Verbs by subresource.
        everywhere: Whether other namespaces matter too (as far as the operator may see them).
    """

    kind: ResourceType
    verbs: tuple[str, ...]
    subresources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    everywhere: bool = False


T = TypeVar("T")

Ending = Literal["", "keep", "restore"]
"""How a resource that goes leaves its overlays: `keep` leaves protections where they are, `restore`
leaves nothing; empty: it goes on, and what it no longer wants is undone."""


class World(Protocol):
    """What is observed, from caches."""

    def objects(self, kind: ResourceType, namespace: str | None = None) -> Iterable[Body] | None:
        """All of a kind, in a namespace or everywhere; None when the kind isn't observed."""
        ...

    def derived(
        self, kind: ResourceType, make: Callable[[Iterable[Body], T | None], T]
    ) -> T | None:
        """What `make` makes of all of a kind, and of what it made before; None as for `objects`.

        It is made anew only once one of them has changed.
        """
        ...


class Snapshot:
    """A `World` from given bodies, for tests and replays.

    Args:
        bodies: By kind; a kind that is left out isn't observed.
    """

    def __init__(self, bodies: Mapping[ResourceType, Sequence[Body]]) -> None:
        self._bodies = bodies

    def objects(self, kind: ResourceType, namespace: str | None = None) -> Iterable[Body] | None:
        """All of a kind."""
        found = self._bodies.get(kind)
        if found is None or namespace is None:
            return found
        return [body for body in found if body["metadata"].get("namespace") == namespace]

    def derived(
        self, kind: ResourceType, make: Callable[[Iterable[Body], T | None], T]
    ) -> T | None:
        """What is made of all of a kind, anew at each call."""
        found = self.objects(kind)
        return None if found is None else make(found, None)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of one object.

    Attributes:
        target: The object.
        before: As observed; None where it would be made.
        after: As it would be, marks and all.
    """

    target: Target
    before: Body | None
    after: Body


class Provider(Protocol):
    """One mesh."""

    @property
    def name(self) -> str:
        """As `meshProvider` in `autopilot-operator.yaml` spells it."""
        ...

    def prometheus_address(self, namespace: str) -> str:
        """Where the mesh's own installation puts Prometheus, by its control plane's namespace."""
        ...

    def needs(self, actions: Collection[str]) -> tuple[Need, ...]:
        """What these actions (by name) need."""
        ...

    def plan(
        self,
        owner: Owner,
        actions: Sequence[Action],
        world: World,
        now: datetime,
        *,
        ending: Ending = "",
    ) -> Plan:
        """The steps from what is observed to what is wanted.

        Args:
            owner: Who wants it.
            actions: All that it wants; what it had and no longer wants is undone.
            world: What is observed.
            now: For marks.
            ending: See `Ending`; none of the actions is wanted then.
        """
        ...

    def preview(
        self, owner: Owner, actions: Sequence[Action], world: World, now: datetime
    ) -> list[Preview]:
        """What overlays would make of each object, for people; nothing is written."""
        ...
