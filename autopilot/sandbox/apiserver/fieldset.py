"""Sets of fields in the fieldsV1 format of managedFields, and the algebra on them.

A set is a tree of dicts, used as it is on the wire: `f:name` a member, `k:{"name":"a"}` an item of
a list keyed like a map, `v:"x"` an item of a set. A node is itself in the set where it is empty or
holds `.`. The root is never in the set: there `{}` is the empty set. Trees are never mutated.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.jsonvalue import json_equal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from autopilot.sandbox.apiserver.structure import ListStructure

Node = dict[str, Any]

MEMBER: Node = {}
"""A field without any below it."""

_ABSENT: Any = object()


def is_member(node: Node | None) -> bool:
    """Whether the node itself is in the set."""
    return node is not None and (not node or "." in node)


def union(left: Node, right: Node) -> Node:
    """All fields of either set."""
    if not left or left is right:
        return right
    if not right:
        return left
    return _join(left, right)


def _join(left: Node, right: Node) -> Node:
    merged = {**left}
    for key, child in right.items():
        merged[key] = _join_nodes(left[key], child) if key in left and key != "." else child
    return merged


def _join_nodes(left: Node, right: Node) -> Node:
    if left is right:
        return left
    merged = _join(left, right)
    if merged and (is_member(left) or is_member(right)):
        merged["."] = MEMBER
    return merged


def difference(left: Node, right: Node) -> Node:
    """The fields of the left set that aren't in the right one."""
    if not right:
        return left
    return _children(left, right, _subtract)


def intersection(left: Node, right: Node) -> Node:
    """The fields of both sets."""
    if left is right:
        return left
    return _children(left, right, _common)


def _children(left: Node, right: Node, combine: Callable[[Node, Node | None], Node | None]) -> Node:
    out = {}
    for key, child in left.items():
        if key != "." and (node := combine(child, right.get(key))) is not None:
            out[key] = node
    return out


def _built(member: bool, below: Node) -> Node | None:
    if not below:
        return MEMBER if member else None
    return {".": MEMBER, **below} if member else below


def _subtract(left: Node, right: Node | None) -> Node | None:
    if right is None:
        return left
    return _built(is_member(left) and not is_member(right), _children(left, right, _subtract))


def _common(left: Node, right: Node | None) -> Node | None:
    if right is None:
        return None
    return _built(is_member(left) and is_member(right), _children(left, right, _common))


def without(fields: Node, stripped: Mapping[str, Any]) -> Node:
    """The set without the fields that `stripped` names, and all below them.

    Args:
        fields: The set.
        stripped: A tree like `{"f:status": None, "f:metadata": {"f:uid": None}}`; None takes the
            field with all below it, a dict goes on below and takes the field itself.
    """
    out = {}
    for key, child in fields.items():
        if key not in stripped:
            out[key] = child
            continue
        below = stripped[key]
        if below is not None:
            rest = without({k: v for k, v in child.items() if k != "."}, below)
            if rest:
                out[key] = rest
    return out


def paths(fields: Node, prefix: str = "") -> Iterator[str]:
    """The fields as the real server words them: `.spec.containers[name="a"].image`."""
    for key in sorted(fields):
        if key == ".":
            continue
        child, path = fields[key], prefix + step_text(key)
        if is_member(child):
            yield path
        yield from paths(child, path)


def step_text(key: str) -> str:
    """One step of a path in words."""
    kind, _, text = key.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        keys = json.loads(text)
        return f"[{','.join(f'{name}={_json(value)}' for name, value in keys.items())}]"
    return f"[={text}]" if kind == "v" else f"[{text}]"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def keyed_items(items: list[Any], structure: ListStructure) -> dict[str, Any] | None:
    """A list's items by their steps; None where it must be taken as one value.

    That is an atomic list, one with an item that lacks a key, or one with an item twice.
    """
    if structure.list_type == "atomic":
        return None
    found: dict[str, Any] = {}
    for item in items:
        step = item_step(item, structure)
        if step is None or step in found:
            return None
        found[step] = item
    return found


def item_step(item: Any, structure: ListStructure) -> str | None:
    """What names an item in a field set; None where it lacks a key."""
    if structure.list_type == "set":
        return None if isinstance(item, dict | list) else f"v:{_json(item)}"
    if not isinstance(item, dict):
        return None
    keys = {}
    for name in sorted(structure.keys):
        value = item.get(name, structure.key_defaults.get(name, _ABSENT))
        if value is _ABSENT:
            return None
        keys[name] = value
    return f"k:{_json(keys)}"


def of_value(value: Any, structure: ListStructure) -> Node:
    """The fields that an applied value speaks of."""
    if isinstance(value, dict):
        return _of_object(value, structure)
    items = keyed_items(value, structure) if isinstance(value, list) else None
    if items is None:
        return MEMBER
    out: Node = {}
    for step, item in items.items():
        below = of_value(item, structure.item())
        out[step] = {".": MEMBER, **below} if below else MEMBER
    return out


def _of_object(value: dict[str, Any], structure: ListStructure) -> Node:
    if structure.atomic:
        return MEMBER
    out: Node = {}
    for name, member in value.items():
        if member is None and structure.builtin:
            continue
        below = of_value(member, structure.child(name))
        if below and not structure.declares(name):
            below = {".": MEMBER, **below}
        out[f"f:{name}"] = below
    return out


class Change:
    """What differs between two values, as two sets.

    Attributes:
        set_: Fields that are new or have another value.
        removed: Fields that are gone.
    """

    __slots__ = ("removed", "set_")

    def __init__(self, set_: Node, removed: Node) -> None:
        self.set_ = set_
        self.removed = removed


def compare(before: Any, after: Any, structure: ListStructure) -> Change:
    """Compare two objects. Parts that are the same Python object are skipped."""
    changed, removed = _compare(before, after, structure, existed=True)
    return Change(changed or {}, removed or {})


def _compare(
    before: Any, after: Any, structure: ListStructure, *, existed: bool
) -> tuple[Node | None, Node | None]:
    """The nodes of what was set and of what was removed; None for nothing."""
    if before is after:
        return None, None
    pair = _members(before, after, structure)
    if pair is None:
        if before is _ABSENT:
            return (None if existed and not after else MEMBER), None
        if after is _ABSENT:
            return None, MEMBER
        return (None if json_equal(before, after) else MEMBER), None
    changed, removed = _compare_members(*pair, structure)
    made = before is _ABSENT and not existed
    return _built(made, changed), _built(after is _ABSENT, removed)


def _compare_members(
    old: dict[str, Any], new: dict[str, Any], named: bool, structure: ListStructure
) -> tuple[Node, Node]:
    changed: Node = {}
    removed: Node = {}
    for name in old if old.keys() == new.keys() else old | new:
        left, right = old.get(name, _ABSENT), new.get(name, _ABSENT)
        if structure.builtin:
            left, right = _typed(left), _typed(right)
        if left is right:
            continue
        child = structure.child(name) if named else structure.item()
        existed = named and structure.always_has(name)
        set_here, gone = _compare(left, right, child, existed=existed)
        step = f"f:{name}" if named else name
        if set_here is not None:
            changed[step] = set_here
        if gone is not None:
            removed[step] = gone
    return changed, removed


def _typed(value: Any) -> Any:
    """A builtin type doesn't tell null from missing."""
    return _ABSENT if value is None else value


def _members(
    before: Any, after: Any, structure: ListStructure
) -> tuple[dict[str, Any], dict[str, Any], bool] | None:
    """Both values' members, and whether by name; None where they are compared as wholes."""
    sides = [value for value in (before, after) if value is not _ABSENT and value is not None]
    if not any(sides):
        return None
    if all(isinstance(value, dict) for value in sides):
        if structure.atomic:
            return None
        old_object = before if isinstance(before, dict) else {}
        return old_object, after if isinstance(after, dict) else {}, True
    if all(isinstance(value, list) for value in sides):
        old = keyed_items(before if isinstance(before, list) else [], structure)
        new = keyed_items(after if isinstance(after, list) else [], structure)
        return None if old is None or new is None else (old, new, False)
    return None
