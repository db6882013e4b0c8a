"""How a kind's values merge under server-side apply: which lists are sets, maps or one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.merge_keys import (
    ALWAYS_THERE,
    KEY_DEFAULTS,
    TYPES,
    Field,
    fields_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ListStructure:
    """How one value merges, and through `child` and `items` all below it.

    Attributes:
        fields: Declared members.
        values: What members that aren't declared are; None: whatever they look like.
        items: What a list's items are; None: whatever they look like.
        list_type: Of a list: `atomic`, `set` or `map`.
        keys: What identifies an item of a `map` list.
        key_defaults: The values of keys that an item may leave out.
        atomic: The object is one value.
        builtin: A typed kind: all members count as declared, and null as missing.
    """

    fields: Mapping[str, ListStructure] = field(default_factory=dict)
    values: ListStructure | None = None
    items: ListStructure | None = None
    list_type: str = "atomic"
    keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = field(default_factory=dict)
    atomic: bool = False
    builtin: bool = False

    def child(self, name: str) -> ListStructure:
        """The structure of a member."""
        found = self.fields.get(name, self.values)
        if found is not None:
            return found
        return TYPED if self.builtin else DEDUCED

    def item(self) -> ListStructure:
        """The structure of an item."""
        return self.items or (TYPED if self.builtin else DEDUCED)

    def declares(self, name: str) -> bool:
        """Whether a member is a named field, not a key of a map."""
        return self.builtin or name in self.fields

    def always_has(self, name: str) -> bool:
        """Whether a member is there even where nobody wrote it."""
        return self.builtin and name in ALWAYS_THERE


DEDUCED = ListStructure()
"""What nothing is known of: objects merge by member, lists are atomic."""

TYPED = ListStructure(builtin=True)
"""A member of a builtin type that has no mark."""


def structure_for(group: str, kind: str, schema: dict[str, Any] | None) -> ListStructure:
    """The structure of a kind.

    Args:
        group: The API group; empty for core.
        kind: The kind.
        schema: A CRD version's openAPIV3Schema; None for a builtin kind. Its
            `x-kubernetes-list-type`, `-list-map-keys` and `-map-type` count; a list without a mark
            is atomic.
    """
    if schema is None:
        return _builtin_root(group, kind)
    root = _from_schema(schema)
    fields = {**root.fields, "metadata": _builtin_type("ObjectMeta")}
    return ListStructure(fields=fields, values=root.values)


@lru_cache(maxsize=256)
def _builtin_root(group: str, kind: str) -> ListStructure:
    fields = {name: _from_field(one) for name, one in fields_of(group, kind).items()}
    return ListStructure(fields=fields, builtin=True)


@lru_cache(maxsize=256)
def _builtin_type(name: str) -> ListStructure:
    fields = {member: _from_field(one) for member, one in TYPES.get(name, {}).items()}
    return ListStructure(fields=fields, builtin=True)


def _from_field(one: Field) -> ListStructure:
    below = _builtin_type(one.type)
    return ListStructure(
        fields=below.fields,
        items=below,
        list_type=one.list_type,
        keys=one.keys,
        key_defaults={key: KEY_DEFAULTS[key] for key in one.keys if key in KEY_DEFAULTS},
        atomic=one.atomic,
        builtin=True,
    )


def _from_schema(schema: dict[str, Any]) -> ListStructure:
    members, more = schema.get("properties") or {}, schema.get("additionalProperties")
    items = schema.get("items")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    item_members = (items or {}).get("properties") or {}
    return ListStructure(
        fields={name: _from_schema(member) for name, member in members.items()},
        values=_from_schema(more) if isinstance(more, dict) else None,
        items=_from_schema(items) if isinstance(items, dict) else None,
        list_type=schema.get("x-kubernetes-list-type", "atomic"),
        keys=keys,
        key_defaults={
            key: item_members[key]["default"]
            for key in keys
            if "default" in item_members.get(key, {})
        },
        atomic=schema.get("x-kubernetes-map-type") == "atomic",
    )
