"""The two steps of a server-side apply on the object: merge what is applied, prune what isn't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver.fieldset import Node, is_member, item_step, keyed_items
from autopilot.sandbox.apiserver.jsonvalue import json_equal

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.structure import ListStructure

_ABSENT: Any = object()


def merge(live: Any, applied: Any, structure: ListStructure) -> Any:
    """Lay an applied value over a live one; the live one itself where they agree."""
    if isinstance(live, dict) and isinstance(applied, dict) and not structure.atomic:
        return _merge_objects(live, applied, structure)
    if isinstance(live, list) and isinstance(applied, list):
        old, new = keyed_items(live, structure), keyed_items(applied, structure)
        if old is not None and new is not None:
            return _merge_items(live, old, new, structure.item())
    return live if json_equal(live, applied) else applied


def _merge_objects(
    live: dict[str, Any], applied: dict[str, Any], structure: ListStructure
) -> dict[str, Any]:
    copy: dict[str, Any] | None = None
    for name, value in applied.items():
        old = live.get(name, _ABSENT)
        new = value if old is _ABSENT else merge(old, value, structure.child(name))
        if new is not old:
            copy = dict(live) if copy is None else copy
            copy[name] = new
    return live if copy is None else copy


def _merge_items(
    live: list[Any], old: dict[str, Any], new: dict[str, Any], structure: ListStructure
) -> list[Any]:
    """Items in the applied order; an item of the live list alone stays where it was."""
    merged: list[Any] = []
    waiting = list(old)
    for step, item in new.items():
        while waiting and waiting[0] not in new:
            merged.append(old[waiting.pop(0)])
        if step in old:
            waiting.remove(step)
            merged.append(merge(old[step], item, structure))
        else:
            merged.append(item)
    merged += [old[step] for step in waiting]
    same = len(merged) == len(live) and all(
        one is other for one, other in zip(merged, live, strict=True)
    )
    return live if same else merged


def prune(value: Any, dropped: Node, kept: Node, structure: ListStructure) -> Any:
    """Take away the fields of one set, unless they are in another.

    Args:
        value: An object or a list.
        dropped: The fields to take away: what a manager applied before.
        kept: The fields to keep: all that any manager has now.
        structure: The value's.
    """
    if isinstance(value, dict) and not structure.atomic:
        copy: dict[str, Any] | None = None
        for name, member in value.items():
            step, child = f"f:{name}", structure.child(name)
            new = _pruned(
                member, dropped.get(step), kept.get(step), child, named=structure.declares(name)
            )
            if new is not member:
                copy = dict(value) if copy is None else copy
                if new is _ABSENT:
                    del copy[name]
                else:
                    copy[name] = new
        return value if copy is None else copy
    if isinstance(value, list) and structure.list_type != "atomic":
        item_structure, items = structure.item(), []
        for item in value:
            step = item_step(item, structure) or ""
            items.append(
                _pruned(item, dropped.get(step), kept.get(step), item_structure, named=False)
            )
        if all(one is other for one, other in zip(items, value, strict=True)):
            return value
        return [item for item in items if item is not _ABSENT]
    return value


def _pruned(
    value: Any, dropped: Node | None, kept: Node | None, structure: ListStructure, *, named: bool
) -> Any:
    """A named field counts as in a set that has anything below it."""
    if dropped is None:
        return value
    stays = kept is not None and (named or is_member(kept))
    if (named or is_member(dropped)) and not stays:
        return _ABSENT
    return prune(value, dropped, kept or {}, structure)
