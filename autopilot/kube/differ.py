"""Whether an object has to be written again: pure.

Compared are only the fields that we apply, and not with what we sent but with what the server made
of it: so defaults, and quantities that it spells its own way, are no difference. A list is one
value. Where a list turns out to be merged by key, a foreign item in it costs one apply, whose
answer contains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autopilot.kube.client import Body

_ABSENT: Any = object()

_IDENTITY = frozenset({"name", "namespace", "uid", "resourceVersion"})

EVERYTHING = "."
"""The path of the whole object."""


def differs(
    applied: Body, last_applied: Body | None, answer: Body | None, live: Body | None
) -> list[str]:
    """The paths for which an apply is due; empty when none is.

    Args:
        applied: What is wanted now.
        last_applied: What was applied last; None when that isn't known (after a restart).
        answer: What the server made of it; None when that isn't known.
        live: What is there now; None when there is nothing.
    """
    if last_applied is None or answer is None or live is None:
        return [EVERYTHING]
    intent = changed(_content(applied), _content(last_applied))
    return sorted({*intent, *drift(applied, answer, live)})


def changed(new: Any, old: Any, path: str = "") -> list[str]:
    """The paths whose values differ, both ways; a list is one value."""
    if isinstance(new, dict) and isinstance(old, dict):
        found = []
        for key in sorted({*new, *old}):
            below = _join(path, key)
            found += changed(new.get(key, _ABSENT), old.get(key, _ABSENT), below)
        return found
    return [] if _same(new, old) else [path or EVERYTHING]


def drift(applied: Body, answer: Body, live: Body) -> list[str]:
    """The paths that we apply and that somebody has changed since the server's answer."""
    return _drift(_content(applied), answer, live, "")


def project(applied: Any, answer: Any) -> Any:
    """The part of an answer that `drift` looks at: all that has to be kept of it."""
    if isinstance(applied, dict) and applied and isinstance(answer, dict):
        return {key: project(value, answer[key]) for key, value in applied.items() if key in answer}
    return answer


def _drift(applied: Any, answer: Any, live: Any, path: str) -> list[str]:
    if isinstance(applied, dict) and applied:
        found = []
        for key, value in applied.items():
            below = _join(path, key)
            found += _drift(value, _at(answer, key), _at(live, key), below)
        return found
    if applied == {} and isinstance(answer, dict) and isinstance(live, dict):
        return []
    return [] if _same(answer, live) else [path]


def _at(value: Any, key: str) -> Any:
    return value.get(key, _ABSENT) if isinstance(value, dict) else _ABSENT


def _same(left: Any, right: Any) -> bool:
    if left is _ABSENT or right is _ABSENT:
        # To the API, null and absent are one.
        return (left is _ABSENT or left is None) and (right is _ABSENT or right is None)
    # In Python True == 1; in JSON they are two things.
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _content(body: Body) -> Body:
    content = {key: value for key, value in body.items() if key not in {"apiVersion", "kind"}}
    meta = body.get("metadata") or {}
    content["metadata"] = {key: value for key, value in meta.items() if key not in _IDENTITY}
    return content


def _join(path: str, key: str) -> str:
    step = key if key.replace("_", "a").replace("-", "a").isalnum() else f"[{key}]"
    return f"{path}.{step}" if path and not step.startswith("[") else path + step
