"""What every operation needs: the data, the kinds, the clock, and how an object is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from autopilot.base.timestamps import stamp
from autopilot.sandbox.apiserver import errors, events

if TYPE_CHECKING:
    from autopilot.base.clock import Clock
    from autopilot.sandbox.apiserver.database import Database
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.fields import ListStructure
    from autopilot.sandbox.apiserver.kinds import Kind, Registry

_GONE = 10_000


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is made.

    Attributes:
        manager: The field manager; for managedFields.
        dry_run: Check and answer, change nothing.
        validation: What an unknown field means: `Strict`, `Warn` or `Ignore`.
        force: For server-side apply: take fields from other managers.
        warnings: Filled with what the client should be warned of.
    """

    manager: str = "autopilot-sandbox"
    dry_run: bool = False
    validation: str = "Ignore"
    force: bool = False
    warnings: list[str] = field(default_factory=list)


class Core:
    """The data with the kinds that give it meaning."""

    def __init__(self, database: Database, registry: Registry, clock: Clock) -> None:
        self.database = database
        self.registry = registry
        self.clock = clock
        self.event_limit = events.EventLimit()
        self._gone: dict[str, None] = {}

    def stamp(self) -> str:
        """The time as metadata writes it."""
        return stamp(self.clock.now())

    def remember_gone(self, uid: str) -> None:
        """Note that an owner is gone: its kind may be gone too when its dependents are judged."""
        self._gone[uid] = None
        if len(self._gone) > _GONE:
            del self._gone[next(iter(self._gone))]

    def is_gone(self, uid: str) -> bool:
        """Whether an owner with this uid was deleted lately."""
        return uid in self._gone

    def find(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """One object in a kind's version, or None."""
        entry = self.database.get(kind.storage, namespace if kind.namespaced else "", name)
        return None if entry is None else shown(kind, entry.body)

    def read(self, kind: Kind, namespace: str, name: str) -> Body:
        """One object in a kind's version.

        Raises:
            ApiError: 404.
        """
        found = self.find(kind, namespace, name)
        if found is None:
            raise errors.not_found(kind, name)
        return found

    def commit(self, kind: Kind, body: Body) -> Body:
        """Store a body given in a kind's version; returns it with its new resourceVersion."""
        entry = self.database.put(kind.storage, stored(kind, body))
        if kind.storage == events.STORAGE:
            metadata = entry.body["metadata"]
            now = self.clock.now()
            self.event_limit.added(self.database, metadata["namespace"], metadata["name"], now)
        return shown(kind, entry.body)

    def remove(self, kind: Kind, body: Body) -> Body:
        """Take an object away for good; returns its last form."""
        metadata = body["metadata"]
        space, name = metadata.get("namespace", ""), metadata["name"]
        return shown(kind, self.database.remove(kind.storage, space, name, stored(kind, body)).body)


def shown(kind: Kind, body: Body) -> Body:
    """A stored body in the version that a kind stands for."""
    if kind.api_version == body["apiVersion"]:
        return body
    if kind.api_version == events.NEW_API:
        return events.from_core(body)
    return {**body, "apiVersion": kind.api_version}


def stored(kind: Kind, body: Body) -> Body:
    """A body in the version that its kind is kept in."""
    if kind.api_version == kind.stored_as:
        return body
    if kind.api_version == events.NEW_API:
        return events.to_core(body)
    return {**body, "apiVersion": kind.stored_as}


@lru_cache(maxsize=1024)
def structure_of(kind: Kind) -> ListStructure:
    """Which lists of a kind are maps, sets or atomic."""
    from autopilot.sandbox.apiserver.fields import structure_for

    return kind.structure or structure_for(kind.group, kind.kind, kind.schema)
