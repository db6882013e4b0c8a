"""The owners of fields, remembered when an overlay takes a field from them, and put back: pure.

Who writes a field with a patch takes it from its owner, and the API server gives it to the writer
whatever managedFields the same patch asks for. So the undo is two writes: the second one changes
nothing but the record of owners. Istio's `spec.http` is one atomic list, owned as a whole.

What has to be remembered is one entry for each owner of the field (or of the atomic list around
it), with as much of its field set as lies below the field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.kube.marks import OVERLAY_MANAGER
from autopilot.overlay.values import Path, clone, overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from autopilot.kube.client import Body

Steps = tuple[str, ...]
"""A path in the fieldsV1 format: `f:spec`, `f:http`."""

_WRITER = ("manager", "operation", "apiVersion", "subresource", "time")


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """Somebody who owned a field before an overlay took it.

    Attributes:
        steps: Where.
        fields: The owner's fields below, in the fieldsV1 format; empty: the field itself.
        writer: The entry's manager, operation, apiVersion, subresource and time.
    """

    steps: Steps
    fields: Body = field(default_factory=dict)
    writer: Body = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells entries of managedFields apart."""
        return _key(self.writer)

    def render(self) -> Body:
        """As the annotation holds it."""
        fields = {"fields": self.fields} if self.fields else {}
        return {**self.writer, "path": [*self.steps], **fields}

    @classmethod
    def parse(cls, said: Any) -> FieldOwner:
        """From the annotation.

        Raises:
            ValueError: It makes no sense.
        """
        if not isinstance(said, dict) or not said.get("path"):
            raise ValueError("an owner without a path")
        steps, fields = said["path"], said.get("fields", {})
        writer = {name: said[name] for name in _WRITER if name in said}
        texts = [*steps, *writer.values()] if isinstance(steps, list) else [None]
        if not all(isinstance(text, str) for text in texts) or not isinstance(fields, dict):
            raise ValueError("an owner that makes no sense")
        if "manager" not in writer or "operation" not in writer:
            raise ValueError("an owner without a name")
        return cls(tuple(steps), fields, writer)


def displaced(known: Sequence[FieldOwner], body: Body, path: Path) -> tuple[FieldOwner, ...]:
    """Who is to own fields again when all overlays are gone, as of a write at `path`.

    Args:
        known: Who was displaced already.
        body: The object before the write.
        path: What will be written.
    """
    managed = managed_of(body)
    steps = steps_of(managed, body, path)
    others: list[FieldOwner] = []
    ours = False
    for entry in managed:
        found = _reach(entry.get("fieldsV1") or {}, steps)
        if found is None:
            continue
        if is_ours(entry):
            ours = True
        elif not entry.get("subresource"):
            writer = {name: entry[name] for name in _WRITER if entry.get(name)}
            others.append(FieldOwner(found[0], clone(found[1]), writer))
    aside = [owner for owner in known if not overlap(owner.steps, steps)]
    here = [owner for owner in known if overlap(owner.steps, steps)] if ours else []
    # Who took the field from us since, or came to share it, is its owner now.
    fresh = [each for each in others if each.key not in {owner.key for owner in here}]
    return (*aside, *here, *fresh)


def restored(
    body: Body, known: Sequence[FieldOwner], free: Callable[[Steps], bool], *, last: bool
) -> tuple[list[Body], tuple[FieldOwner, ...]]:
    """The managedFields with owners put back, and the owners that have to wait.

    Args:
        body: The object.
        known: Who was displaced.
        free: Whether no overlay holds anything there any more.
        last: Whether no overlay is left at all: then nothing stays ours.
    """
    managed: list[Body] = [clone(entry) for entry in managed_of(body)]
    ours = [entry for entry in managed if is_ours(entry)]
    held = [clone(entry.get("fieldsV1") or {}) for entry in ours]
    waiting = tuple(owner for owner in known if not (last or free(owner.steps)))
    for owner in known:
        if owner in waiting:
            continue
        for fields in held:
            shared = _common(_node(fields, owner.steps), owner.fields)
            if shared is not None:
                _give(managed, owner, shared)
        for entry in ours:
            _strip(entry["fieldsV1"], owner.steps)
    gone = [entry for entry in ours if last or not entry.get("fieldsV1")]
    return [entry for entry in managed if entry not in gone], waiting


def managed_of(body: Body) -> list[Body]:
    """The entries of managedFields."""
    return body["metadata"].get("managedFields") or []


def is_ours(entry: Body) -> bool:
    """Whether an entry is an overlay's."""
    return entry.get("manager") == OVERLAY_MANAGER and not entry.get("subresource")


def steps_of(managed: Iterable[Body], body: Body, path: Path) -> Steps:
    """A path in the fieldsV1 format; it ends at a list that nobody's entry shows to be keyed."""
    trees = [entry.get("fieldsV1") or {} for entry in managed]
    steps: list[str] = []
    value: Any = body
    for step in path:
        name = f"f:{step}" if isinstance(step, str) else _item_key(trees, value, step)
        if name is None:
            break
        steps.append(name)
        trees = [tree[name] for tree in trees if isinstance(tree.get(name), dict)]
        value = _child(value, step)
    return tuple(steps)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(str(step))
    return value[step] if isinstance(value, list) and isinstance(step, int) else None


def _item_key(trees: Iterable[Body], items: Any, index: int) -> str | None:
    if not isinstance(items, list) or index >= len(items) or not isinstance(items[index], dict):
        return None
    for name in (name for tree in trees for name in tree if name.startswith("k:")):
        keys = json.loads(name.removeprefix("k:"))
        if all(items[index].get(key) == value for key, value in keys.items()):
            return str(name)
    return None


def _key(writer: Body) -> tuple[Any, ...]:
    """An applier's API version doesn't tell it apart."""
    version = "" if writer.get("operation") == "Apply" else writer.get("apiVersion")
    return writer.get("manager"), writer.get("operation"), version, writer.get("subresource", "")


def _leaf(node: Body) -> bool:
    return not any(name != "." for name in node)


def _reach(fields: Body, steps: Steps) -> tuple[Steps, Body] | None:
    """How far a set reaches towards a field: to it, or to a whole around it; None: not at all."""
    node = fields
    for depth, step in enumerate(steps):
        if depth and _leaf(node):
            return steps[:depth], {}
        if step not in node:
            return None
        node = node[step]
    return steps, {} if _leaf(node) else node


def _node(fields: Body, steps: Steps) -> Body | None:
    node: Body | None = fields
    for step in steps:
        node = None if node is None else node.get(step)
    return node


def _members(node: Body) -> Iterator[str]:
    return (name for name in node if name != ".")


def _common(left: Body | None, right: Body) -> Body | None:
    """The fields of both sets; None for none."""
    if left is None:
        return None
    common = {
        name: shared
        for name in _members(left)
        if name in right and (shared := _common(left[name], right[name])) is not None
    }
    both = all(_leaf(node) or "." in node for node in (left, right))
    if not common:
        return {} if both else None
    return {".": {}, **common} if both else common


def _give(managed: list[Body], owner: FieldOwner, fields: Body) -> None:
    entry = next((each for each in managed if _key(each) == owner.key), None)
    if entry is None:
        entry = {**owner.writer, "fieldsType": "FieldsV1", "fieldsV1": {}}
        managed.append(entry)
    tree: Body = clone(fields)
    for step in reversed(owner.steps):
        tree = {step: tree}
    entry["fieldsV1"] = _joined(entry.get("fieldsV1") or {}, tree, root=True)


def _joined(left: Body, right: Body, *, root: bool = False) -> Body:
    joined = {name: left[name] for name in _members(left)}
    for name in _members(right):
        joined[name] = _joined(joined[name], right[name]) if name in joined else right[name]
    member = not root and any(_leaf(node) or "." in node for node in (left, right))
    return {".": {}, **joined} if joined and member else joined


def _strip(node: Body, steps: Steps) -> None:
    """Take a field with all below it out of a set, and parents that are left empty."""
    head, *rest = steps
    if head not in node:
        return
    if rest:
        child = node[head]
        whole = _leaf(child)
        _strip(child, tuple(rest))
        if whole or child:
            if child == {".": {}}:
                node[head] = {}
            return
    del node[head]
