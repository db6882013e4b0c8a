"""Ending what contains other objects: a namespace with its content, a definition with its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver import crdrules
from autopilot.sandbox.apiserver.deletion import DeleteOptions, delete, without_finalizer
from autopilot.sandbox.apiserver.target import Target

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.kinds import Kind


def sweep_namespace(core: Core, name: str) -> None:
    """Delete a terminating namespace's content; the namespace itself once it is empty."""
    spaces = core.registry.resource("namespaces")
    space = None if spaces is None else core.find(spaces, "", name)
    if spaces is None or space is None or "deletionTimestamp" not in space["metadata"]:
        return
    left = False
    for storage in core.database.storages():
        kind = core.registry.resource(storage)
        if kind is not None and kind.namespaced:
            left |= _delete_all(core, kind, name)
    if left:
        return
    spec = space.get("spec") or {}
    if "finalizers" in spec:
        rest = {key: value for key, value in spec.items() if key != "finalizers"}
        space = core.commit(spaces, {**space, "spec": rest})
    if not space["metadata"].get("finalizers"):
        core.remove(spaces, space)


def finish_definition(core: Core, name: str) -> None:
    """Delete a terminating definition's objects; the definition itself once none is left."""
    definitions = core.registry.resource(crdrules.STORAGE)
    kind = core.registry.resource(name)
    found = None if definitions is None else core.find(definitions, "", name)
    if definitions is None or found is None or "deletionTimestamp" not in found["metadata"]:
        return
    if kind is not None and _delete_all(core, kind, None):
        return
    found = core.read(definitions, "", name)
    if crdrules.CLEANUP in (found["metadata"].get("finalizers") or ()):
        without_finalizer(core, definitions, found, crdrules.CLEANUP)


def _delete_all(core: Core, kind: Kind, namespace: str | None) -> bool:
    """Delete a kind's objects; whether some are left, held by finalizers or by their node."""
    left = False
    for entry in core.database.entries(kind.storage, namespace):
        given = entry.body["metadata"]
        if "deletionTimestamp" in given:
            left = True
            continue
        target = Target(kind, given.get("namespace", ""), given["name"])
        left |= not delete(core, target, DeleteOptions(policy="Background"))[1]
    return left
