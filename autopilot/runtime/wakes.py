"""Which resources a change concerns. A wake never says more than "look again"."""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

from autopilot.kube.marks import OWNER_UID
from autopilot.runtime.record import Key
from autopilot.runtime.view import stored_phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autopilot.kube.client import Body
    from autopilot.runtime.definition import OperatorDefinition
    from autopilot.runtime.served import Memory

CURRENT: ContextVar[Key | None] = ContextVar("autopilot_current", default=None)
"""Whose sync is running: the echo of its own writes doesn't wake it again."""

_WATCHED = ("labels", "annotations", "deletionTimestamp", "generation", "finalizers")


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

    def primary(self, definition: OperatorDefinition) -> Callable[[Body | None, Body | None], None]:
        """The handler for changes of an operator's own kind."""

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
                self._phases.setdefault(key.kind, {})[key] = (
                    stored_phase(new) or definition.initial.name
                )
            self._wake(key, fresh=old is None or new is None or _intent(old) != _intent(new))

        return changed

    def owned(self, old: Body | None, new: Body | None) -> None:
        """The handler for changes of what an operator made: drift."""
        labels = ((new or old or {}).get("metadata") or {}).get("labels") or {}
        key = self._by_uid.get(str(labels.get(OWNER_UID)))
        if key is not None and key != _echo_of(old, new):
            self._wake_key(key, self._curable(key))

    def input(
        self, definition: OperatorDefinition, phases: Iterable[str], *, everywhere: bool
    ) -> Callable[[Body | None, Body | None], None]:
        """The handler for changes of a declared input.

        Changes of one moment are gathered: each of them looking through all resources would hold
        up the event loop for a minute when a cache fills beside 2,000 of them.

        Args:
            definition: Whose input.
            phases: The phases that declare it.
            everywhere: Whether an object concerns resources of other namespaces too.
        """
        concerned = frozenset(phases)

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


def _intent(body: Body) -> tuple[Any, ...]:
    return tuple(body["metadata"].get(name) for name in _WATCHED)
