"""Which resources a change concerns. A wake never says more than "look again"."""

from __future__ import annotations

from contextvars import ContextVar
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
        self._phases: dict[Key, str] = {}

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
                self._phases.pop(key, None)
            else:
                self._by_uid[uid] = key
                self._phases[key] = stored_phase(new) or definition.initial.name
            self._wake(key, fresh=old is None or new is None or _intent(old) != _intent(new))

        return changed

    def owned(self, old: Body | None, new: Body | None) -> None:
        """The handler for changes of what an operator made: drift."""
        labels = ((new or old or {}).get("metadata") or {}).get("labels") or {}
        key = self._by_uid.get(str(labels.get(OWNER_UID)))
        if key is not None:
            self._wake(key)

    def input(
        self, definition: OperatorDefinition, phases: Iterable[str], *, everywhere: bool
    ) -> Callable[[Body | None, Body | None], None]:
        """The handler for changes of a declared input.

        Args:
            definition: Whose input.
            phases: The phases that declare it.
            everywhere: Whether an object concerns resources of other namespaces too.
        """
        concerned = frozenset(phases)

        def changed(old: Body | None, new: Body | None) -> None:
            namespace = str(((new or old or {}).get("metadata") or {}).get("namespace") or "")
            for key, phase in list(self._phases.items()):
                here = everywhere or not key.namespace or key.namespace == namespace
                if key.kind == definition.kind.qualified and phase in concerned and here:
                    self._wake(key)

        return changed

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
        memory = self._memories.get(key)
        self._wake_key(key, fresh or (memory is not None and memory.input_missing))


def _intent(body: Body) -> tuple[Any, ...]:
    return tuple(body["metadata"].get(name) for name in _WATCHED)
