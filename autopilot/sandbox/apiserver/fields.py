"""Server-side apply, and the record of who wrote which field (`metadata.managedFields`).

Both functions are pure: objects in, an object out that shares all that didn't change.
"""

from __future__ import annotations

import json
from typing import Any

from autopilot.sandbox.apiserver.fieldset import (
    Node,
    compare,
    difference,
    intersection,
    of_value,
    paths,
    union,
    without,
)
from autopilot.sandbox.apiserver.managers import UPDATE, Managers, Writer
from autopilot.sandbox.apiserver.merging import merge, prune
from autopilot.sandbox.apiserver.patch import PatchError
from autopilot.sandbox.apiserver.structure import ListStructure, structure_for

__all__ = ["ApplyConflict", "ListStructure", "apply", "record_update", "structure_for"]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"

_KUBECTL = "kubectl"
_NOT_OWNED: dict[str, Any] = {
    "f:apiVersion": None,
    "f:kind": None,
    "f:metadata": {
        f"f:{name}": None
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    },
}
"""What the server itself writes, or what names the object: nobody owns it."""

_NAMED: Node = {"f:metadata": {"f:name": {}}}


class ApplyConflict(Exception):
    """An apply that would change what others own; the server answers 409 `Conflict`.

    Attributes:
        causes: One per field: type `FieldManagerConflict`, field and message.
        message: For a person, as the real server words it.
    """

    def __init__(self, causes: list[dict[str, str]], message: str) -> None:
        super().__init__(message)
        self.causes = causes
        self.message = message


def apply(
    live: dict[str, Any] | None,
    applied: dict[str, Any],
    writer: Writer,
    *,
    force: bool,
    now: str,
    structure: ListStructure,
) -> dict[str, Any]:
    """Apply an intent to an object.

    Args:
        live: The object as it is; None makes it.
        applied: All that the manager wants of it; a part that a subresource doesn't write (like
            `status`) has to be taken out by the caller.
        writer: Who applies.
        force: Take over what others own with another value.
        now: RFC 3339, for `managedFields[].time`.
        structure: How the kind's lists merge.

    Returns:
        The merged object with its managedFields; `live` itself where the apply changes nothing.

    Raises:
        ApplyConflict: Others own fields with another value, and `force` isn't set.
        PatchError: 400 where the intent has managedFields.
    """
    if (applied.get("metadata") or {}).get("managedFields"):
        raise PatchError(400, "BadRequest", "metadata.managedFields must be nil")
    if live is None:
        return _apply(None, applied, writer, True, now, structure)
    try:
        result = _apply(live, applied, writer, force, now, structure)
    except _Conflicts as conflicts:
        allowed = _last_applied_fields(live, structure) if writer.manager == _KUBECTL else {}
        if any(difference(fields, allowed) for _, fields in conflicts.found):
            raise _worded(conflicts.found) from None
        result = _apply(live, applied, writer, True, now, structure)
    return _sync_last_applied(result, applied) if writer.manager == _KUBECTL else result


class _Conflicts(Exception):
    def __init__(self, found: list[tuple[Writer, Node]]) -> None:
        super().__init__()
        self.found = found


def _apply(
    live: dict[str, Any] | None,
    applied: dict[str, Any],
    writer: Writer,
    force: bool,
    now: str,
    structure: ListStructure,
) -> dict[str, Any]:
    managers = Managers(live)
    if live is not None and not len(managers):
        before = Writer(BEFORE_FIRST_APPLY, UPDATE, writer.api_version)
        managers.put(before, without(of_value(live, structure), _NOT_OWNED), now)
    intent = _without_nulls(applied) if structure.builtin else applied
    fields = without(of_value(intent, structure), _NOT_OWNED)
    earlier = managers.fields(writer)
    base: dict[str, Any] = live if live is not None else {}
    merged: dict[str, Any] = merge(base, intent, structure)
    if dropped := difference(earlier, fields):
        kept = union(managers.fields_of_others(writer), union(fields, _NAMED))
        merged = prune(merged, dropped, kept, structure)
    change = compare(base, merged, structure)
    changed = without(change.set_, _NOT_OWNED)
    found = [
        (entry.writer, common)
        for entry in managers
        if entry.writer.key() != writer.key() and (common := intersection(entry.fields, changed))
    ]
    if found and not force:
        raise _Conflicts(found)
    if merged is base and fields == earlier:
        return base
    managers.take(union(changed, change.removed))
    managers.put(writer, fields, now)
    return managers.write_to(merged)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _worded(found: list[tuple[Writer, Node]]) -> ApplyConflict:
    named = [(str(writer), path) for writer, fields in found for path in paths(fields)]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {name}", "field": path}
        for name, path in named
    ]
    if len(named) == 1:
        name, path = named[0]
        return ApplyConflict(causes, f"Apply failed with 1 conflict: conflict with {name}: {path}")
    lines = []
    for name in sorted({name for name, _ in named}):
        lines.append(f"conflicts with {name}:")
        lines += [f"- {path}" for owner, path in named if owner == name]
    return ApplyConflict(causes, f"Apply failed with {len(named)} conflicts: " + "\n".join(lines))


def _last_applied(obj: dict[str, Any]) -> str:
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return annotations.get(LAST_APPLIED) or ""


def _last_applied_fields(live: dict[str, Any], structure: ListStructure) -> Node:
    """What `kubectl apply` wrote client-side and nobody changed since: kubectl may take it over."""
    try:
        configuration = json.loads(_last_applied(live))
    except ValueError:
        return {}
    if not isinstance(configuration, dict):
        return {}
    wanted = of_value(configuration, structure)
    changed = compare(live, merge(live, configuration, structure), structure).set_
    annotation: Node = {"f:metadata": {"f:annotations": {".": {}, f"f:{LAST_APPLIED}": {}}}}
    return union(difference(wanted, changed), annotation)


def _sync_last_applied(result: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    """Keep kubectl's annotation, where it exists, in step with what was applied."""
    if not _last_applied(result):
        return result
    metadata = result["metadata"]
    annotations = metadata["annotations"]
    own = dict((applied.get("metadata") or {}).get("annotations") or {})
    own.pop(LAST_APPLIED, None)
    configuration = {
        **applied,
        "metadata": {**(applied.get("metadata") or {}), "annotations": own},
    }
    text = json.dumps(configuration, separators=(",", ":"), sort_keys=True) + "\n"
    if annotations[LAST_APPLIED] == text:
        return result
    annotations = {**annotations, LAST_APPLIED: text}
    return {**result, "metadata": {**metadata, "annotations": annotations}}


def record_update(
    before: dict[str, Any] | None,
    after: dict[str, Any],
    writer: Writer,
    *,
    now: str,
    structure: ListStructure,
) -> dict[str, Any]:
    """Record a write that isn't an apply: the manager owns what it changed, nobody what is gone.

    As on the real server, managedFields of `[{}]` in `after` clear the record; an empty list or
    none leaves it, and an object without a record gets one only by an apply.

    Args:
        before: The object before the write; None where the write makes it.
        after: The object as written.
        writer: Who updates.
        now: RFC 3339, for `managedFields[].time`.
        structure: How the kind's lists merge.

    Returns:
        `after` with its managedFields.
    """
    written = (after.get("metadata") or {}).get("managedFields")
    if (
        not writer.subresource
        and isinstance(written, list)
        and len(written) == 1
        and not written[0]
    ):
        return Managers(None).write_to(after)
    managers = Managers(before if writer.subresource or not written else after)
    if not len(managers):
        managers = Managers(before)
    if before is not None and not len(managers):
        return managers.write_to(after)
    change = compare(before or {}, after, structure)
    changed = without(change.set_, _NOT_OWNED)
    if changed or change.removed:
        managers.take(union(changed, change.removed))
        if changed:
            managers.put(writer, union(managers.fields(writer), changed), now)
            managers.merge_oldest_updates()
    return managers.write_to(after)
