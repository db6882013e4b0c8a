"""Field managers: what was recorded for a create becomes an apply's.

A POST records its fields under the operation `Update`, and an apply removes only fields recorded
under `Apply`. So before an object that was made by POST is applied, its record is rewritten, as
kubectl does for objects that were made with client-side apply.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autopilot.kube.client import Body


def written_by_update(body: Body, manager: str) -> bool:
    """Whether fields of the main resource are recorded for `manager` under `Update`."""
    return any(_is(entry, manager, "Update") for entry in _entries(body))


def merged_into_apply(body: Body, manager: str) -> list[Body]:
    """A JSON patch that moves this manager's fields to `Apply`, under the body's version.

    Empty when there is nothing to move.
    """
    entries = _entries(body)
    if not written_by_update(body, manager):
        return []
    mine = [each for each in entries if _is(each, manager, "Update", "Apply")]
    merged = copy.deepcopy(mine[0])
    merged["operation"] = "Apply"
    for entry in mine[1:]:
        _union(merged["fieldsV1"], entry.get("fieldsV1") or {})
    rest = [each for each in entries if each not in mine]
    return [
        {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": body["metadata"]["resourceVersion"],
        },
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged, *rest]},
    ]


def _entries(body: Body) -> list[Body]:
    return body["metadata"].get("managedFields") or []


def _is(entry: Body, manager: str, *operations: str) -> bool:
    main = not entry.get("subresource")
    return main and entry.get("manager") == manager and entry.get("operation") in operations


def _union(into: Body, other: Body) -> None:
    for key, value in other.items():
        if isinstance(into.get(key), dict) and isinstance(value, dict):
            _union(into[key], value)
        else:
            into.setdefault(key, value)
