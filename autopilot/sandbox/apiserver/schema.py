"""Structural schemas of CRDs: pruning, defaulting and validation of custom resources.

A schema is compiled once. Pruning and defaulting copy only what they change, and answer with the
very same object where there is nothing to do.
"""

from __future__ import annotations

from typing import Any

from autopilot.sandbox.apiserver.causes import Cause
from autopilot.sandbox.apiserver.validation import Path, Rule, path_text

__all__ = ["Cause", "Structural"]

_META = frozenset({"apiVersion", "kind", "metadata"})
_METADATA = frozenset(
    {
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_ABSENT: Any = object()


class Structural:
    """A CRD version's schema, compiled.

    `x-kubernetes-validations` (CEL) isn't evaluated: an object that only such a rule refuses is
    accepted here, and refused by a real server.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._node = _Node(schema, resource=True)
        self._rule = Rule(schema)

    def prune(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The object without the fields that the schema doesn't know."""
        pruned: dict[str, Any] = _prune(self._node, obj, None, None)
        return pruned

    def unknown_fields(self, obj: dict[str, Any]) -> list[str]:
        """The paths that `prune` would drop, like `spec.rules[0].typo`."""
        if self.prune(obj) is obj:
            return []
        found: list[str] = []
        _prune(self._node, obj, None, found)
        return found

    def default(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The object with the schema's defaults; a null that isn't allowed counts as missing."""
        filled: dict[str, Any] = _default(self._node, obj)
        return filled

    def validate(self, obj: dict[str, Any]) -> list[Cause]:
        """All that is wrong with an object, in the order of its fields."""
        out: list[Cause] = []
        self._rule.check(obj, None, out)
        return out


class _Node:
    """What pruning and defaulting need of one schema node."""

    __slots__ = (
        "additional",
        "default",
        "defaults",
        "free",
        "items",
        "nullable",
        "preserve",
        "properties",
        "resource",
    )

    def __init__(self, schema: dict[str, Any], *, resource: bool = False) -> None:
        self.resource: bool = resource or bool(schema.get("x-kubernetes-embedded-resource"))
        self.preserve: bool = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        self.nullable: bool = bool(schema.get("nullable"))
        members = schema.get("properties") or {}
        self.properties = {
            name: _Node(member)
            for name, member in members.items()
            if not (self.resource and name in _META)
        }
        more, items = schema.get("additionalProperties"), schema.get("items")
        self.additional: _Node | None = _Node(more) if isinstance(more, dict) else None
        if more is True:
            self.additional = _Node({"x-kubernetes-preserve-unknown-fields": True})
        self.items: _Node | None = _Node(items) if isinstance(items, dict) else None
        self.free: bool = (
            self.preserve
            and not self.properties
            and self.additional is None
            and self.items is None
            and not self.resource
        )
        self.defaults = [
            (name, node.default)
            for name, node in self.properties.items()
            if node.default is not _ABSENT
        ]
        self.default: Any = _ABSENT
        if "default" in schema:
            self.default = _default(self, schema["default"])

    def member(self, name: str) -> _Node | None:
        return self.properties.get(name, self.additional)


def _prune(node: _Node | None, value: Any, path: Path, found: list[str] | None) -> Any:
    """Drop what isn't known; with `found`, also note the paths there."""
    if node is not None and node.free:
        return value
    if isinstance(value, dict):
        return _prune_object(node, value, path, found)
    if isinstance(value, list):
        items = node.items if node is not None else None
        if items is None and node is not None and node.preserve:
            return value
        copy: list[Any] | None = None
        for index, item in enumerate(value):
            new = _prune(items, item, (path, index), found)
            if new is not item:
                copy = list(value) if copy is None else copy
                copy[index] = new
        return value if copy is None else copy
    return value


def _prune_object(
    node: _Node | None, value: dict[str, Any], path: Path, found: list[str] | None
) -> dict[str, Any]:
    copy: dict[str, Any] | None = None
    for name, member in value.items():
        if node is not None and node.resource and name in _META:
            new = _prune_metadata(member, (path, name), found) if name == "metadata" else member
        else:
            child = node.member(name) if node is not None else None
            if child is not None:
                new = _prune(child, member, (path, name), found)
            elif node is not None and node.preserve:
                continue
            else:
                new = _ABSENT
                if found is not None:
                    found.append(path_text((path, name)))
        if new is not member:
            copy = dict(value) if copy is None else copy
            if new is _ABSENT:
                del copy[name]
            else:
                copy[name] = new
    return value if copy is None else copy


def _prune_metadata(metadata: Any, path: Path, found: list[str] | None) -> Any:
    if not isinstance(metadata, dict) or metadata.keys() <= _METADATA:
        return metadata
    if found is not None:
        found += [path_text((path, name)) for name in metadata if name not in _METADATA]
    return {name: member for name, member in metadata.items() if name in _METADATA}


def _default(node: _Node, value: Any) -> Any:
    if isinstance(value, dict):
        return _default_object(node, value)
    if isinstance(value, list) and node.items is not None:
        copy: list[Any] | None = None
        for index, item in enumerate(value):
            new = _default(node.items, item)
            if new is not item:
                copy = list(value) if copy is None else copy
                copy[index] = new
        return value if copy is None else copy
    return value


def _default_object(node: _Node, value: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] | None = None
    for name, member in value.items():
        if node.resource and name in _META:
            continue
        child = node.member(name)
        if child is None:
            continue
        if member is not None:
            new = _default(child, member)
        else:
            new = None if child.nullable else child.default
        if new is not member:
            copy = dict(value) if copy is None else copy
            if new is _ABSENT:
                del copy[name]
            else:
                copy[name] = new
    for name, default in node.defaults:
        if name not in value:
            copy = dict(value) if copy is None else copy
            copy[name] = default
    return value if copy is None else copy
