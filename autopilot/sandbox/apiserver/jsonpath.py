"""The part of JSONPath that CRD printer columns use.

Dots (a backslash escapes one in a name), quoted names (`['a.b']`), `[index]`, `[*]` and filters
like `[?(@.type=="Ready")]`. Other syntax is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[Any], list[Any]]

_NAME = re.compile(r"\.?((?:[^.\[\]\\]|\\.)+)")
_BRACKET = re.compile(r"\[\s*(?:'([^']*)'|\"([^\"]*)\"|(-?\d+)|(\*))\s*\]")
_FILTER = re.compile(
    r"\[\?\(\s*@\.?([^=!<>\s)]*)\s*(?:(==|!=|<=|>=|<|>)\s*('[^']*'|\"[^\"]*\"|[^)\s]+)\s*)?\)\]"
)


@lru_cache(maxsize=1024)
def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """Compile a path like `.status.conditions[?(@.type=="Ready")].status`.

    Returns:
        A function from a value to all that the path finds in it; a missing member finds nothing.

    Raises:
        ValueError: The path uses what isn't supported.
    """
    steps = _steps(path.strip().removeprefix("{").removesuffix("}").removeprefix("$"))

    def find(value: Any) -> list[Any]:
        found = [value]
        for step in steps:
            found = [result for one in found for result in step(one)]
        return found

    return find


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    at = 0
    while at < len(path):
        if path[at:] == ".":
            break
        if match := _FILTER.match(path, at):
            steps.append(_filter(*match.groups()))
        elif match := _BRACKET.match(path, at):
            single, double, index, star = match.groups()
            if star:
                steps.append(_every)
            elif index is not None:
                steps.append(_item(int(index)))
            else:
                steps.append(_member(single if single is not None else double))
        elif path[at] == "." and path[at + 1 : at + 2] == "[":
            at += 1
            continue
        elif match := _NAME.match(path, at):
            name = match.group(1)
            steps.append(_every if name == "*" else _member(re.sub(r"\\(.)", r"\1", name)))
        else:
            raise ValueError(f"unsupported JSONPath at {path[at:]!r} in {path!r}")
        at = match.end()
    return steps


def _member(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _item(index: int) -> Step:
    def step(value: Any) -> list[Any]:
        inside = isinstance(value, list) and -len(value) <= index < len(value)
        return [value[index]] if inside else []

    return step


def _every(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _filter(path: str, operator: str | None, literal: str | None) -> Step:
    steps = _steps(f".{path}" if path else "")
    wanted = None if literal is None else _literal(literal)

    def holds(item: Any) -> bool:
        found = [item]
        for step in steps:
            found = [result for one in found for result in step(one)]
        if operator is None:
            return bool(found)
        return any(_compare(one, operator, wanted) for one in found)

    return lambda value: [one for one in _every(value) if holds(one)]


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _compare(found: Any, operator: str, wanted: Any) -> bool:
    if operator == "==":
        return bool(found == wanted)
    if operator == "!=":
        return bool(found != wanted)
    try:
        if operator == "<":
            return bool(found < wanted)
        if operator == ">":
            return bool(found > wanted)
        return bool(found <= wanted if operator == "<=" else found >= wanted)
    except TypeError:
        return False
