"""Strategic merge patch, which kubectl sends for builtin kinds.

Lists merge by the keys in `merge_keys`. The directives `$patch`, `$retainKeys`,
`$setElementOrder/…` and `$deleteFromPrimitiveList/…` work as on the real server, and so does the
order of a merged list: new items go before those that only the server has. Inputs are never
mutated.
"""

from __future__ import annotations

from typing import Any

from autopilot.sandbox.apiserver.jsonvalue import json_equal
from autopilot.sandbox.apiserver.merge_keys import TYPES, Field, fields_of
from autopilot.sandbox.apiserver.patch import PatchError

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_PLAIN = Field()

Fields = dict[str, Field]


def strategic_merge(
    doc: dict[str, Any], patch: dict[str, Any], group: str, kind: str
) -> dict[str, Any]:
    """Apply a strategic merge patch to an object of a builtin kind.

    Raises:
        PatchError: 400 where a directive is unknown or malformed, 422 where a list item lacks its
            merge key.
    """
    if not isinstance(patch, dict):
        raise _malformed("a strategic merge patch is an object")
    return _merge_object(doc, patch, fields_of(group, kind))


def _malformed(message: str) -> PatchError:
    return PatchError(400, "BadRequest", message)


def _merge_object(doc: dict[str, Any], patch: dict[str, Any], fields: Fields) -> dict[str, Any]:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _PATCH}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise _malformed(f"unknown patch type found in map: {directive}")
    result = dict(doc)
    if _RETAIN in patch:
        result = _retain(result, patch)
    for key, value in patch.items():
        if key in {_PATCH, _RETAIN} or key.startswith((_ORDER, _DELETE)):
            continue
        if value is None:
            result.pop(key, None)
        else:
            order = patch.get(_ORDER + key)
            result[key] = _merge_value(result.get(key), value, fields.get(key, _PLAIN), order)
    _delete_primitives(result, patch)
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and name not in patch and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], order, result[name], _key_of(fields, name))
    return result


def _key_of(fields: Fields, name: str) -> str:
    return fields.get(name, _PLAIN).patch_key


def _retain(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    retained = patch[_RETAIN]
    if not isinstance(retained, list):
        raise _malformed(f"invalid patch format of {_RETAIN}")
    named = {key for key in patch if not key.startswith("$")}
    if not named <= set(retained):
        raise _malformed(f"invalid patch format of {_RETAIN}: it misses fields that are set")
    return {key: value for key, value in doc.items() if key in retained}


def _delete_primitives(result: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, removed in patch.items():
        if not key.startswith(_DELETE):
            continue
        if not isinstance(removed, list):
            raise _malformed(f"invalid patch format of {key}")
        name = key.removeprefix(_DELETE)
        kept = [one for one in result.get(name) or () if not _in(one, removed)]
        result[name] = kept


def _in(value: Any, values: list[Any]) -> bool:
    return any(json_equal(value, one) for one in values)


def _merge_value(old: Any, new: Any, field: Field, order: list[Any] | None) -> Any:
    if isinstance(new, dict):
        if field.replace:
            return {key: value for key, value in new.items() if not key.startswith("$")}
        base = old if isinstance(old, dict) else {}
        return _merge_object(base, new, TYPES.get(field.type, {}))
    if not isinstance(new, list):
        return new
    base_items = old if isinstance(old, list) else []
    if field.patch_key:
        return _merge_keyed(base_items, new, field, order)
    if field.list_type == "set":
        merged = base_items + [one for one in new if not _in(one, base_items)]
        return _ordered(merged, order if order is not None else new, base_items, "")
    return new


def _merge_keyed(
    old: list[Any], patch: list[Any], field: Field, order: list[Any] | None
) -> list[Any]:
    key, fields = field.patch_key, TYPES.get(field.type, {})
    if any(isinstance(item, dict) and item.get(_PATCH) == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and _PATCH in item)]
    items = list(old)
    for change in patch:
        if not isinstance(change, dict) or key not in change:
            raise PatchError(
                422, "Invalid", f"map: {change} does not contain declared merge key: {key}"
            )
        at = [i for i, item in enumerate(items) if _keyed_like(item, change[key], key)]
        if change.get(_PATCH) == "delete":
            items = [item for i, item in enumerate(items) if i not in at]
        elif at:
            items[at[0]] = _merge_object(items[at[0]], change, fields)
        else:
            items.append(_merge_object({}, change, fields))
    return _ordered(items, order if order is not None else patch, old, key)


def _keyed_like(item: Any, value: Any, key: str) -> bool:
    return isinstance(item, dict) and key in item and json_equal(item[key], value)


def _position(item: Any, order: list[Any], key: str) -> int:
    """Where an order names an item; -1 where it doesn't."""
    if not key:
        return next((at for at, one in enumerate(order) if json_equal(item, one)), -1)
    if not isinstance(item, dict) or key not in item:
        return -1
    return next((at for at, one in enumerate(order) if _keyed_like(one, item[key], key)), -1)


def _ordered(items: list[Any], order: list[Any], before: list[Any], key: str) -> list[Any]:
    """Interleave the items that the patch orders with those that only the server has."""
    ranks = [_position(item, order, key) for item in items]
    named = sorted(
        (pair for pair in zip(ranks, items, strict=True) if pair[0] >= 0), key=lambda pair: pair[0]
    )
    patched = [item for _, item in named]
    kept = [item for rank, item in zip(ranks, items, strict=True) if rank < 0]
    merged: list[Any] = []
    while patched and kept:
        left, right = _position(kept[0], before, key), _position(patched[0], before, key)
        first = kept if 0 <= left < right else patched
        merged.append(first.pop(0))
    return merged + patched + kept
