"""The caches that the declared inputs and outputs ask for, shared between phases and kinds."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopilot.base.logs import fields
from autopilot.base.tasks import cancel_and_wait
from autopilot.kube.cache import Cache, CacheUnavailable, Selection
from autopilot.kube.marks import OPERATOR
from autopilot.kube.store import key_of
from autopilot.runtime.inputs import Inputs, Listing, Lookup, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from autopilot.base.clock import Clock
    from autopilot.kube.cache import CacheSettings
    from autopilot.kube.client import Body, KubeClient
    from autopilot.kube.kinds import ResourceType
    from autopilot.kube.store import Key
    from autopilot.runtime.definition import Input, OperatorDefinition, PhaseDefinition


_log = logging.getLogger("autopilot.caches")


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of the API this process serves.

    Attributes:
        namespace: Only this one; empty for all.
    """

    namespace: str = ""

    def selection(self, kind: ResourceType, labels: str = "", pick: str = "") -> Selection:
        """The selection of a kind within the scope."""
        return Selection(self.namespace or None if kind.namespaced else None, labels, pick)

    def primary(self, definition: OperatorDefinition) -> Selection:
        """The resources of an operator's own kind."""
        return self.selection(definition.kind)

    def owned(self, operator: str, kind: ResourceType) -> Selection:
        """The objects of a kind that an operator made."""
        return self.selection(kind, f"{OPERATOR}={operator}")

    def input(self, declared: Input) -> tuple[Selection, ...]:
        """What an input needs: one selection, or one per name."""
        kind = declared.kind
        picks = [f"metadata.name={name}" for name in declared.names] or [""]
        if kind.namespaced and declared.namespace not in {None, "*"}:
            return tuple(Selection(declared.namespace, declared.selector, f) for f in picks)
        return tuple(self.selection(kind, declared.selector, f) for f in picks)


class Caches:
    """All caches of a process, one per kind and selection.

    Args:
        client: The API.
        clock: For the caches' time-outs.
        settings: See `CacheSettings`.
    """

    def __init__(
        self, client: KubeClient, clock: Clock, settings: CacheSettings | None = None
    ) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings
        self._caches: dict[tuple[ResourceType, Selection], Cache] = {}

    def __iter__(self) -> Iterator[Cache]:
        """The caches."""
        return iter(self._caches.values())

    def need(self, kind: ResourceType, selection: Selection) -> Cache:
        """The cache of a kind and selection, made if it isn't there; it fills once `run` runs."""
        key = (kind, selection)
        if key not in self._caches:
            self._caches[key] = Cache(
                self._client, kind, selection, clock=self._clock, settings=self._settings
            )
        return self._caches[key]

    def observe(self, kind: ResourceType, body: Body) -> None:
        """Show the answer to a write of ours to each cache of that kind."""
        for cache in self._of(kind):
            cache.observe(body)

    def observe_deleted(self, kind: ResourceType, body: Body) -> None:
        """Show a deletion of ours to each cache of that kind."""
        for cache in self._of(kind):
            cache.observe_deleted(body)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all up to date until told to stop."""
        async with asyncio.TaskGroup() as group:
            for cache in self._caches.values():
                group.create_task(cache.run(stop))

    async def fill(self, stop: asyncio.Event, timeout: float) -> None:
        """Wait until each cache has its first list, or its kind turns out not to be served.

        Args:
            stop: Ends the wait.
            timeout: Seconds; what isn't there by then stays unavailable, and is logged.
        """
        filled = asyncio.create_task(self._filled())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait(
                {filled, stopped}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            await cancel_and_wait(filled, stopped)
        for cache in self:
            if not cache.synced.is_set() and not stop.is_set():
                _log.warning("cache isn't filled", extra=fields(why=cache.why))

    async def _filled(self) -> None:
        for cache in self:
            while not cache.synced.is_set() and not cache.absent:
                # Nothing tells of a kind that isn't served, so it is looked at now and then.
                synced = asyncio.create_task(cache.synced.wait())
                try:
                    await asyncio.wait({synced}, timeout=0.05)
                finally:
                    synced.cancel()

    def _of(self, kind: ResourceType) -> Iterable[Cache]:
        return [cache for (kept, _), cache in self._caches.items() if kept == kind]


class Index:
    """The objects of caches by what they are looked up by, kept up to date by their changes.

    Args:
        key: What an object is looked up by.
        caches: Whose objects.
    """

    def __init__(self, key: Callable[[Body], Hashable], caches: Sequence[Cache]) -> None:
        self._key = key
        self._caches = tuple(caches)
        self._found: dict[Hashable, dict[Key, Body]] = {}
        for cache in self._caches:
            cache.on_change(self._changed)

    def lookup(self) -> Lookup:
        """For one sync."""
        return Lookup(self._of)

    def _of(self, key: Hashable) -> tuple[Body, ...]:
        for cache in self._caches:
            if not cache.available:
                raise CacheUnavailable(cache.why)
        return tuple(self._found.get(key, {}).values())

    def _changed(self, old: Body | None, new: Body | None) -> None:
        if old is not None:
            key = self._key(old)
            those = self._found.get(key, {})
            those.pop(key_of(old), None)
            if not those:
                self._found.pop(key, None)
        if new is not None:
            self._found.setdefault(self._key(new), {})[key_of(new)] = new


@dataclass(frozen=True, slots=True)
class BoundInput:
    """A declared input and the caches behind it; an index where it is looked up."""

    declared: Input
    caches: tuple[Cache, ...]
    index: Index | None = None

    def bodies(self, namespace: str) -> list[Body]:
        """What a resource in a namespace may see.

        Raises:
            CacheUnavailable: It can't be told what is there.
        """
        own = self.declared.namespace is None and self.declared.kind.namespaced
        where = namespace if own and namespace else None
        found: list[Body] = []
        for cache in self.caches:
            found += cache.list(where)
        return found


def bind(phase: PhaseDefinition, caches: Caches, scope: Scope) -> tuple[BoundInput, ...]:
    """The inputs of a phase, each with its caches."""
    return tuple(
        _bound(declared, tuple(caches.need(declared.kind, s) for s in scope.input(declared)))
        for declared in phase.inputs
    )


def _bound(declared: Input, caches: tuple[Cache, ...]) -> BoundInput:
    if declared.index is None:
        return BoundInput(declared, caches)
    return BoundInput(declared, caches, Index(declared.index, caches))


def snapshot(
    phase: str,
    bound: Sequence[BoundInput],
    namespace: str,
    metrics: object | None,
    reader: Reader | None = None,
) -> Inputs:
    """The inputs of one sync, all from one moment: what arrives later wakes another sync.

    Raises:
        CacheUnavailable: Names every input that can't be told.
    """
    missing: list[str] = []
    kinds: dict[str, Callable[[], Listing | Lookup]] = {}
    for one in bound:
        if one.index is not None:
            kinds[one.declared.attribute] = one.index.lookup
            continue
        try:
            bodies = one.bodies(namespace)
        except CacheUnavailable as error:
            missing.append(str(error))
            continue
        kinds[one.declared.attribute] = _lister(one.declared.attribute, namespace, bodies)
    if missing:
        raise CacheUnavailable("; ".join(missing))
    return Inputs(phase, kinds, metrics, reader)


def _lister(
    attribute: str, namespace: str, bodies: Sequence[Mapping[str, Any]]
) -> Callable[[], Listing]:
    return lambda: Listing(attribute, namespace, bodies)
