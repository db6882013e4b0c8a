"""The sound rest of a rule whose shape is wrong here and there.

One value of a wrong type shall not hide every error that only a whole rule shows. What isn't
understood is left out, and nothing is said of the parts around it: only what is sure.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autopilot.rules.model import RuleDocument

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from autopilot.spec.positions import Document, Path

_ROUNDS = 5


def salvage(document: Document) -> tuple[RuleDocument | None, frozenset[Path]]:
    """The rule without what isn't understood.

    Returns:
        The rule, or None where too much is missing; and the parts that something was left out of.
    """
    value = copy.deepcopy(document.value)
    holes: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            return RuleDocument.model_validate(value, by_alias=True, by_name=False), frozenset(
                holes
            )
        except ValidationError as error:
            found = error.errors(include_url=False)
        for detail in found:
            hole = _mend(value, document, detail)
            if hole is not None:
                holes.add(hole)
    return None, frozenset(holes)


def _mend(value: Any, document: Document, detail: ErrorDetails) -> Path | None:
    """Mend one error; the part that something was left out of, if more than an unknown key was."""
    path: Path = tuple(detail["loc"])
    kind = detail["type"]
    if kind == "string_type" and isinstance(document.words.get(path), str):
        # `Off` was meant as a name.
        _put(value, path, document.words[path])
        return None
    if kind == "missing":
        path = path[:-1]
    while path and isinstance(path[-1], int):
        path = path[:-1]
    holder = _at(value, path[:-1])
    if not path or not isinstance(holder, dict):
        return None
    holder.pop(path[-1], None)
    if kind != "extra_forbidden":
        return _part(path)
    return None if holder else path[:-1]  # of what is left empty, nothing more is said


def _part(path: Path) -> Path:
    """What is judged as one: a phase, a signal, else a field of the spec."""
    return path[:3] if path[:2] in {("spec", "phases"), ("spec", "signals")} else path[:2]


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _put(value: Any, path: Path, text: str) -> None:
    holder = _at(value, path[:-1])
    if isinstance(holder, dict | list):
        holder[path[-1]] = text  # type: ignore[index,call-overload,unused-ignore]
