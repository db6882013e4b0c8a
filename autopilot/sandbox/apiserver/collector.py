"""Garbage collection along owner references: background, foreground and orphan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver.deletion import (
    FOREGROUND,
    ORPHAN,
    DeleteOptions,
    delete,
    without_finalizer,
)
from autopilot.sandbox.apiserver.target import Target

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind

Place = tuple[str, str, str]


def collect(core: Core, place: Place) -> None:
    """Do what one object's owners, dependents and finalizers call for."""
    found = _object(core, place)
    if found is None:
        return
    kind, body = found
    given = body["metadata"]
    finalizers = given.get("finalizers") or ()
    if "deletionTimestamp" in given:
        if ORPHAN in finalizers:
            _orphan(core, kind, body)
        elif FOREGROUND in finalizers:
            _delete_dependents(core, kind, body)
        return
    if given.get("ownerReferences"):
        _judge(core, kind, body)


def _judge(core: Core, kind: Kind, body: Body) -> None:
    """Delete what no owner is left of; drop the references to owners that are gone."""
    given = body["metadata"]
    states = [(ref, _owner_state(core, given, ref)) for ref in given["ownerReferences"]]
    solid = [ref for ref, state in states if state == "solid"]
    waiting = [ref for ref, state in states if state == "waiting"]
    if solid:
        kept = [ref for ref, state in states if state != "absent"]
        if len(kept) < len(states):
            core.commit(kind, {**body, "metadata": {**given, "ownerReferences": kept}})
        return
    policy = "Foreground" if waiting and core.database.owned_by(given["uid"]) else "Background"
    if not waiting and ORPHAN in (given.get("finalizers") or ()):
        policy = "Orphan"
    _delete(core, kind, body, policy)


def _owner_state(core: Core, dependent: Body, reference: Body) -> str:
    """solid, absent, or waiting (being deleted in the foreground).

    An owner is looked up as the real server does: by kind and name in the dependent's namespace,
    and its uid must be the one written down.
    """
    if core.is_gone(reference["uid"]):
        return "absent"
    kind = core.registry.named(reference["apiVersion"], reference["kind"])
    if kind is None:
        return "solid"  # a kind that isn't served can't be judged; nothing is deleted on a guess
    owner = core.find(kind, dependent.get("namespace", ""), reference["name"])
    if owner is None or owner["metadata"]["uid"] != reference["uid"]:
        return "absent"
    given = owner["metadata"]
    ending = "deletionTimestamp" in given and FOREGROUND in (given.get("finalizers") or ())
    return "waiting" if ending else "solid"


def _orphan(core: Core, kind: Kind, body: Body) -> None:
    uid = body["metadata"]["uid"]
    for place in core.database.owned_by(uid):
        if (found := _object(core, place)) is None:
            continue
        dependent_kind, dependent = found
        given = {**dependent["metadata"]}
        left = [ref for ref in given["ownerReferences"] if ref["uid"] != uid]
        given["ownerReferences"] = left
        if not left:
            del given["ownerReferences"]
        core.commit(dependent_kind, {**dependent, "metadata": given})
    without_finalizer(core, kind, body, ORPHAN)


def _delete_dependents(core: Core, kind: Kind, body: Body) -> None:
    uid = body["metadata"]["uid"]
    blocked = False
    for place in core.database.owned_by(uid):
        if (found := _object(core, place)) is None:
            continue
        dependent_kind, dependent = found
        given = dependent["metadata"]
        if "deletionTimestamp" not in given:
            _judge(core, dependent_kind, dependent)
        still = core.database.get(*place)
        if still is not None:
            references = still.body["metadata"].get("ownerReferences") or ()
            mine = [ref for ref in references if ref["uid"] == uid]
            blocked |= any(ref.get("blockOwnerDeletion") for ref in mine)
    if not blocked:
        without_finalizer(core, kind, body, FOREGROUND)


def _delete(core: Core, kind: Kind, body: Body, policy: str) -> None:
    given = body["metadata"]
    target = Target(kind, given.get("namespace", ""), given["name"])
    delete(core, target, DeleteOptions(policy=policy, uid=given["uid"]))


def _object(core: Core, place: Place) -> tuple[Kind, Body] | None:
    storage, namespace, name = place
    kind = core.registry.resource(storage)
    entry = core.database.get(storage, namespace, name)
    if kind is None or entry is None:
        return None
    return kind, core.read(kind, namespace, name)
