"""Which resources a change concerns. A wake never says more than "look again"."""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

from autopilot.kube.marks import OWNER_UID
from autopilot.runtime.record import Key
from autopilot.runtime.view import stored_phase

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.runtime.definition import Concerns, OperatorDefinition
    from autopilot.runtime.served import Memory

CURRENT: ContextVar[Key | None] = ContextVar("autopilot_current", default=None)
"""Whose sync is running: the echo of its own writes doesn't wake it again."""

_WATCHED = ("labels", "annotations", "deletionTimestamp", "generation", "finalizers")


class About:
    """What the resources of a kind are about, both ways round.

    It is learnt at a resource's first sync, not when it is first seen: thousands are seen at once.

    Args:
        concerns: The definition's; None where it has none.
    """

    def __init__(self, concerns: Concerns | None) -> None:
        self._concerns = concerns
        self._of: dict[Key, tuple[tuple[Any, ...], frozenset[Hashable]]] = {}
        self._keys: dict[Hashable, set[Key]] = {}
        self._unknown: set[Key] = set()

    def see(self, key: Key, new: Body | None) -> None:
        """Take in a change of a resource: what it was about may be so no longer."""
        known = self._of.get(key)
        if self._concerns is None or (new and known and known[0] == _generation(new)):
            return
        if new is None:
            self._set(key, None, frozenset())
            self._unknown.discard(key)
        else:
            self._unknown.add(key)

    def learn(self, key: Key, body: Body) -> None:
        """Learn what a resource is about, unless that is known."""
        known = self._of.get(key)
        if self._concerns is None or (known and known[0] == _generation(body)):
            return
        self._set(key, _generation(body), frozenset(self._concerns.of(body)))
        self._unknown.discard(key)

    def touched_by(self, kind: ResourceType, old: Body | None, new: Body | None) -> set[Key]:
        """The resources that a change concerns, or may concern."""
        if self._concerns is None:
            return set()
        subjects = {
            subject
            for body in (old, new)
            if body is not None
            for subject in self._concerns.touched(kind, body)
        }
        return {*self._unknown, *(key for each in subjects for key in self._keys.get(each, ()))}

    def _set(
        self, key: Key, generation: tuple[Any, ...] | None, wanted: frozenset[Hashable]
    ) -> None:
        _, before = self._of.pop(key, (None, frozenset()))
        for subject in before - wanted:
            keys = self._keys.get(subject, set())
            keys.discard(key)
            if not keys:
                self._keys.pop(subject, None)
        for subject in wanted - before:
            self._keys.setdefault(subject, set()).add(key)
        if generation is not None:
            self._of[key] = (generation, wanted)


class Wakes:
    """Turns changes in caches into wakes.

    Args:
        wake: Called with a key and whether the change may cure a failure.
        memories: What is remembered of each resource.
    """

    def __init__(self, wake: Callable[[Key, bool], None], memories: Mapping[Key, Memory]) -> None:
        self._wake_key = wake
        self._memories = memories
        self._by_uid: dict[str, Key] = {}
        self._phases: dict[str, dict[Key, str]] = {}
        # By kind and namespace the phases that changes concern, each with the one sync whose echo
        # they all are, if any.
        self._inputs: dict[tuple[str, str | None], dict[str, Key | None]] = {}
        self._about: dict[str, About] = {}
        self._concerned: set[Key] = set()

    def about(self, definition: OperatorDefinition) -> About:
        """What the resources of an operator are about."""
        return self._about.setdefault(definition.kind.qualified, About(definition.concerns))

    def primary(self, definition: OperatorDefinition) -> Callable[[Body | None, Body | None], None]:
        """The handler for changes of an operator's own kind."""
        about = self.about(definition)

        def changed(old: Body | None, new: Body | None) -> None:
            body = new or old
            if body is None:
                return
            key = self.key(definition, body)
            uid = str(body["metadata"].get("uid"))
            if new is None:
                self._by_uid.pop(uid, None)
                self._phases.get(key.kind, {}).pop(key, None)
            else:
                self._by_uid[uid] = key
                self._phases.setdefault(key.kind, {})[key] = definition.row(stored_phase(new))
            about.see(key, new)
            self._wake(key, fresh=old is None or new is None or _intent(old) != _intent(new))

        return changed

    def owned(self, old: Body | None, new: Body | None) -> None:
        """The handler for changes of what an operator made: drift."""
        labels = ((new or old or {}).get("metadata") or {}).get("labels") or {}
        key = self._by_uid.get(str(labels.get(OWNER_UID)))
        if key is not None and key != _echo_of(old, new):
            self._wake_key(key, self._curable(key))

    def input(
        self,
        definition: OperatorDefinition,
        phases: Iterable[str],
        kind: ResourceType,
        *,
        everywhere: bool,
    ) -> Callable[[Body | None, Body | None], None]:
        """The handler for changes of a declared input.

        Changes of one moment are gathered: each of them looking through all resources would hold
        up the event loop for a minute when a cache fills beside 2,000 of them.

        Args:
            definition: Whose input.
            phases: The phases that declare it.
            kind: Of what changes.
            everywhere: Whether an object concerns resources of other namespaces too.
        """
        concerned = frozenset(phases)
        about = self.about(definition)

        def touched(old: Body | None, new: Body | None) -> None:
            keys = about.touched_by(kind, old, new) - {_echo_of(old, new)}
            known = self._phases.get(definition.kind.qualified, {})
            self._gather_keys({key for key in keys if known.get(key) in concerned})

        if definition.concerns is not None:
            return touched

        def changed(old: Body | None, new: Body | None) -> None:
            namespace = str(((new or old or {}).get("metadata") or {}).get("namespace") or "")
            where = (definition.kind.qualified, None if everywhere else namespace)
            self._gather(where, concerned, _echo_of(old, new))

        return changed

    def _gather(
        self, where: tuple[str, str | None], phases: frozenset[str], whose: Key | None
    ) -> None:
        if not self._inputs:
            asyncio.get_running_loop().call_soon(self._spread, context=Context())
        known = self._inputs.setdefault(where, {})
        for phase in phases:
            # An echo of two syncs is news to both.
            known[phase] = whose if known.get(phase, whose) == whose else None

    def _gather_keys(self, keys: set[Key]) -> None:
        if keys and not self._concerned:
            asyncio.get_running_loop().call_soon(self._spread_keys, context=Context())
        self._concerned |= keys

    def _spread_keys(self) -> None:
        gathered, self._concerned = self._concerned, set()
        for key in gathered:
            self._wake(key)

    def _spread(self) -> None:
        gathered, self._inputs = self._inputs, {}
        for (kind, namespace), found in gathered.items():
            for key, phase in list(self._phases.get(kind, {}).items()):
                here = namespace is None or not key.namespace or key.namespace == namespace
                if here and phase in found and found[phase] != key:
                    self._wake(key)

    @staticmethod
    def key(definition: OperatorDefinition, body: Mapping[str, Any]) -> Key:
        """The key of a resource."""
        metadata = body["metadata"]
        return Key(
            definition.kind.qualified, str(metadata.get("namespace") or ""), str(metadata["name"])
        )

    def _wake(self, key: Key, *, fresh: bool = False) -> None:
        if key == CURRENT.get():
            return
        self._wake_key(key, fresh or self._curable(key))

    def _curable(self, key: Key) -> bool:
        memory = self._memories.get(key)
        return memory is not None and memory.input_missing


def _echo_of(old: Body | None, new: Body | None) -> Key | None:
    """Whose own write a change is, and nothing else.

    The answer to an apply also brings what others did since the cache last heard of the object,
    and the watch won't tell of it again. Status is never ours, so that it changed is news.
    """
    news = old is not None and new is not None and old.get("status") != new.get("status")
    return None if news else CURRENT.get()


def _generation(body: Body) -> tuple[Any, ...]:
    return tuple(body["metadata"].get(name) for name in ("uid", "generation"))


def _intent(body: Body) -> tuple[Any, ...]:
    return tuple(body["metadata"].get(name) for name in _WATCHED)
