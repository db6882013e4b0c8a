"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386) on immutable documents.

Both copy only along the paths that they change: the rest of the answer is shared with the input.
Errors are worded as the Kubernetes API server words them.
"""

from __future__ import annotations

from typing import Any

from autopilot.sandbox.apiserver.jsonvalue import json_equal

MAX_OPERATIONS = 10_000
"""The real server's limit on one JSON patch."""

_REJECTED = "the server rejected our request due to an error in our request"
_ABSENT: Any = object()


class PatchError(Exception):
    """A patch that can't be applied.

    Attributes:
        status: The HTTP status to answer with.
        reason: The Status object's reason, like `Invalid`.
        message: The real server's message, which for a JSON patch says little.
        detail: What in fact went wrong, for logs and people.
    """

    def __init__(self, status: int, reason: str, message: str, detail: str = "") -> None:
        super().__init__(f"{message}: {detail}" if detail else message)
        self.status = status
        self.reason = reason
        self.message = message
        self.detail = detail


def json_patch(doc: dict[str, Any], ops: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply a JSON patch, all operations or none.

    As on the real server, `test` for null also holds where a member of an object is missing.

    Returns:
        The patched document; `doc` itself is left as it is.

    Raises:
        PatchError: 400 where the patch isn't one, 413 beyond `MAX_OPERATIONS`, 422 `Invalid` where
            an operation doesn't apply or a `test` fails.
    """
    if not isinstance(ops, list):
        raise _malformed("a JSON patch is a list of operations")
    if len(ops) > MAX_OPERATIONS:
        raise PatchError(
            413,
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}",
        )
    result: Any = doc
    for op in ops:
        result = _operate(result, op)
    if not isinstance(result, dict):
        raise _rejected("the patched document is no object")
    return result


def _operate(doc: Any, op: Any) -> Any:
    if not isinstance(op, dict):
        raise _malformed("an operation is an object")
    name = op.get("op")
    path = _pointer(op, "path")
    if name == "test":
        _test(doc, path, _value(op))
        return doc
    if name == "add":
        return _add(doc, path, _value(op))
    if name == "remove":
        return _remove(doc, path)
    if name == "replace":
        value = _value(op)
        _get(doc, path)
        return _replace(doc, path, value)
    if name in {"move", "copy"}:
        source = _pointer(op, "from")
        value = _get(doc, source)
        if name == "move":
            if source == path:
                return doc
            if path[: len(source)] == source:
                raise _rejected("a value can't be moved into itself")
            doc = _remove(doc, source)
        return _add(doc, path, value)
    raise _malformed(f"unexpected kind: {name}")


def _value(op: dict[str, Any]) -> Any:
    if "value" not in op:
        raise _malformed(f"operation {op.get('op')!r} needs a value")
    return op["value"]


def _pointer(op: dict[str, Any], member: str) -> list[str]:
    text = op.get(member)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise _malformed(f"operation {op.get('op')!r} needs a JSON pointer in {member!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _malformed(detail: str) -> PatchError:
    return PatchError(400, "BadRequest", f"error decoding patch: {detail}")


def _rejected(detail: str) -> PatchError:
    return PatchError(422, "Invalid", _REJECTED, detail)


def _index(items: list[Any], step: str, *, end: int) -> int:
    if not step.isdecimal() or not step.isascii() or (step[0] == "0" and step != "0"):
        raise _rejected(f"{step!r} is no index")
    index = int(step)
    if index >= end:
        raise _rejected(f"index {index} is beyond a list of {len(items)}")
    return index


def _child(node: Any, step: str) -> Any:
    if isinstance(node, dict):
        if step not in node:
            raise _rejected(f"missing key {step!r}")
        return node[step]
    if isinstance(node, list):
        return node[_index(node, step, end=len(node))]
    raise _rejected(f"{step!r} of a value that is neither object nor list")


def _get(doc: Any, path: list[str]) -> Any:
    for step in path:
        doc = _child(doc, step)
    return doc


def _test(doc: Any, path: list[str], expected: Any) -> None:
    found = doc
    if path:
        parent = _get(doc, path[:-1])
        missing = isinstance(parent, dict) and path[-1] not in parent
        found = None if missing else _child(parent, path[-1])
    if not json_equal(found, expected):
        raise _rejected(f"testing value /{'/'.join(path)} failed")


def _replace(node: Any, path: list[str], value: Any) -> Any:
    """Put a value at a path that exists."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    child = _child(node, step)
    if isinstance(node, dict):
        return {**node, step: _replace(child, rest, value)}
    copy = list(node)
    copy[int(step)] = _replace(child, rest, value)
    return copy


def _add(doc: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(doc, path[:-1]), path[-1]
    if isinstance(parent, dict):
        return _replace(doc, path[:-1], {**parent, last: value})
    if not isinstance(parent, list):
        raise _rejected(f"{last!r} of a value that is neither object nor list")
    at = len(parent) if last == "-" else _index(parent, last, end=len(parent) + 1)
    return _replace(doc, path[:-1], [*parent[:at], value, *parent[at:]])


def _remove(doc: Any, path: list[str]) -> Any:
    if not path:
        raise _rejected("the whole document can't be removed")
    parent, last = _get(doc, path[:-1]), path[-1]
    _child(parent, last)
    if isinstance(parent, dict):
        copy: Any = {key: value for key, value in parent.items() if key != last}
    else:
        at = int(last)
        copy = [*parent[:at], *parent[at + 1 :]]
    return _replace(doc, path[:-1], copy)


def merge_patch(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Apply a JSON merge patch: null removes, objects merge, all else replaces.

    Returns:
        The merged document; `doc` itself, the same object, where nothing changes.

    Raises:
        PatchError: 400 where the patch is no object.
    """
    if not isinstance(patch, dict):
        raise PatchError(400, "BadRequest", "error decoding patch: a merge patch is an object")
    return _merge_object(doc, patch)


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    if isinstance(target, dict):
        return _merge_object(target, patch)
    return _merge_object({}, patch)


def _merge_object(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] | None = None
    for key, change in patch.items():
        old = target.get(key, _ABSENT)
        if change is None:
            if old is _ABSENT:
                continue
            copy = dict(target) if copy is None else copy
            del copy[key]
            continue
        new = _merge(old, change)
        if new is old or (old is not _ABSENT and json_equal(new, old)):
            continue
        copy = dict(target) if copy is None else copy
        copy[key] = new
    return target if copy is None else copy
