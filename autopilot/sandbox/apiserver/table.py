"""Objects as the Tables that `kubectl get` prints, and as metadata alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import ages
from autopilot.sandbox.apiserver.jsonpath import compile_path
from autopilot.sandbox.apiserver.printers import BUILTIN, Column

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = [
    "Column",
    "columns_for",
    "partial_metadata",
    "partial_metadata_list",
    "render_table",
]

_META_API = "meta.k8s.io/v1"
_NAME = Column("Name", lambda obj, now: obj["metadata"].get("name", ""), format="name")
_AGE = Column("Age", lambda obj, now: ages.age(obj["metadata"].get("creationTimestamp"), now))


def columns_for(
    group: str, plural: str, crd_printer_columns: list[dict[str, Any]] | None
) -> list[Column]:
    """The columns of a kind: a CRD's own, kubectl's usual for a builtin kind, else name and age."""
    if crd_printer_columns:
        return [_NAME, *(_crd_column(column) for column in crd_printer_columns)]
    return BUILTIN.get((group, plural)) or [_NAME, _AGE]


def render_table(
    columns: list[Column],
    objects: list[dict[str, Any]],
    *,
    now: datetime,
    include_object: str,
    resource_version: str,
) -> dict[str, Any]:
    """A `meta.k8s.io/v1` Table of the objects.

    Args:
        columns: From `columns_for`.
        objects: The rows, in this order.
        now: What ages are counted to.
        include_object: `None`, `Metadata` (also for an empty text) or `Object`.
        resource_version: The list's; empty leaves it out.
    """
    definitions = [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in columns
    ]
    cells = [column.cell for column in columns]
    rows = []
    for obj in objects:
        row: dict[str, Any] = {"cells": [cell(obj, now) for cell in cells]}
        if include_object == "Object":
            row["object"] = obj
        elif include_object != "None":
            row["object"] = partial_metadata(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": _META_API,
        "metadata": {"resourceVersion": resource_version} if resource_version else {},
        "columnDefinitions": definitions,
        "rows": rows,
    }


def partial_metadata(obj: dict[str, Any]) -> dict[str, Any]:
    """The object as a PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": _META_API,
        "metadata": obj.get("metadata", {}),
    }


def partial_metadata_list(list_obj: dict[str, Any]) -> dict[str, Any]:
    """A list as a PartialObjectMetadataList."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": _META_API,
        "metadata": list_obj.get("metadata", {}),
        "items": [partial_metadata(item) for item in list_obj.get("items", [])],
    }


def _crd_column(spec: dict[str, Any]) -> Column:
    kind = spec.get("type", "string")
    return Column(
        spec["name"],
        _crd_cell(spec.get("jsonPath", ""), kind),
        type=kind,
        format=spec.get("format", ""),
        description=spec.get("description", ""),
        priority=spec.get("priority", 0),
    )


def _crd_cell(path: str, kind: str) -> Callable[[dict[str, Any], datetime], Any]:
    try:
        find = compile_path(path)
    except ValueError:
        return lambda obj, now: ""

    def cell(obj: dict[str, Any], now: datetime) -> Any:
        found = find(obj)
        if not found or found[0] is None:
            return "<unknown>" if kind == "date" and found else None
        if kind == "date":
            return ages.age(found[0], now)
        if kind == "string":
            return ",".join(_text(one) for one in found)
        return found[0] if _is_number(found[0], kind) else None

    return cell


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _is_number(value: Any, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    wanted = int if kind == "integer" else int | float
    return isinstance(value, wanted) and not isinstance(value, bool)
