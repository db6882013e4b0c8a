"""JSON values, and where in them something stands."""

from __future__ import annotations

import json
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from autopilot.kube.client import Body

Path = tuple[str | int, ...]
"""Member names and list indexes, from the top of an object."""


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""What stands where nothing does; null is a value."""


def at(value: Any, path: Path) -> Any:
    """What stands at a path; `ABSENT` where nothing does."""
    for step in path:
        member = isinstance(value, dict) and step in value
        item = isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
        if not (member or item):
            return ABSENT
        value = value[step]
    return value


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same as JSON: 1 equals 1.0, true isn't 1, absent isn't null."""
    if left is right:
        return True
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            # Most members are texts: a look at their type spares a call.
            left[key] == right[key] if type(left[key]) is str else same(left[key], right[key])
            for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def clone(value: Any) -> Any:
    """A copy that shares nothing that can be changed."""
    if isinstance(value, dict):
        return {k: clone(v) if isinstance(v, dict | list) else v for k, v in value.items()}
    return [clone(each) for each in value] if isinstance(value, list) else value


def canonical(value: Any) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def pointer(path: Path) -> str:
    """A path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


@lru_cache(maxsize=4096)
def path_of(text: str) -> tuple[str, ...]:
    """A JSON pointer as a path of member names.

    Raises:
        ValueError: It is none.
    """
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer; it starts with '/'")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


def overlap(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    """Whether one path is the other, or leads to it."""
    shorter = min(len(left), len(right))
    return left[:shorter] == right[:shorter]


class Editor:
    """Builds a JSON patch step by step, and keeps what comes of it.

    Attributes:
        live: The object as it was given.
        body: The object as the patch leaves it; the very one that was given while none of it is
            changed.
        changes: The operations so far.

    Args:
        live: The object to be patched; it is left as it is.
    """

    def __init__(self, live: Body) -> None:
        self.live = live
        self.body: Body = live
        self.changes: list[Body] = []
        meta = live["metadata"]
        self._tests = [
            {"op": "test", "path": f"/metadata/{name}", "value": meta[name]}
            for name in ("uid", "resourceVersion")
        ]

    @property
    def patch(self) -> tuple[Body, ...]:
        """The patch, under the object's uid and resourceVersion; empty where nothing changes."""
        return (*self._tests, *self.changes) if self.changes else ()

    def put(self, path: Path, value: Any) -> list[Path]:
        """Let a value stand at a path; `ABSENT` takes away what stands there.

        Returns:
            The parents that had to be made, the topmost first.

        Raises:
            ValueError: Something on the way is no object.
        """
        there = at(self.body, path)
        if same(there, value):
            return []
        if value is ABSENT:
            self._do("remove", path)
            del at(self.body, path[:-1])[path[-1]]
            return []
        depth = next(
            n for n in range(len(path) + 1) if n == len(path) or self._lacks(path[: n + 1])
        )
        made = [path[:n] for n in range(depth + 1, len(path))]
        for step in reversed(path[depth + 1 :]):
            value = {step: value}
        top = path[: depth + 1]
        self._do("add" if at(self.body, top) is ABSENT else "replace", top, value)
        at(self.body, top[:-1])[top[-1]] = clone(value)
        return made

    def insert(self, path: Path, index: int, item: Any) -> list[Path]:
        """Put an item into a list, which is made where it is absent; returns as `put` does.

        Raises:
            ValueError: It is no list, or something on the way is no object.
        """
        if at(self.body, path) is ABSENT:
            return [*self.put(path, [item]), path]
        if not isinstance(at(self.body, path), list):
            raise ValueError(f"{pointer(path)} is no list")
        self._do("add", (*path, index), item)
        at(self.body, path).insert(index, clone(item))
        return []

    def _lacks(self, path: Path) -> bool:
        parent = at(self.body, path[:-1])
        if not isinstance(parent, dict | list):
            raise ValueError(f"{pointer(path[:-1])} is no object")
        return at(self.body, path) is ABSENT

    def _do(self, op: str, path: Path, value: Any = ABSENT) -> None:
        if not self.changes:
            # Most plans change nothing.
            self.body = clone(self.live)
        change: Body = {"op": op, "path": pointer(path)}
        if value is not ABSENT:
            change["value"] = clone(value)
        self.changes.append(change)
