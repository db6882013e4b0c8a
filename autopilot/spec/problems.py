"""From pydantic's errors to problems that say file, line and what would be right."""

from __future__ import annotations

import copy
import difflib
import types
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic_core import ErrorDetails

    from autopilot.base.errors import Problem
    from autopilot.spec.positions import Document

M = TypeVar("M", bound=BaseModel)

_WANTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "mapping_type": "a map",
}


def validated(
    model: type[M], document: Document, *, at: Sequence[str | int] = ()
) -> tuple[M | None, list[Problem]]:
    """Validate a document (or the part at a path) against a model; all that is wrong at once.

    Keys are taken only as on the wire (camelCase).

    Returns:
        The model, or None beside at least one problem.
    """
    value = document.value
    for part in at:
        value = value[part]
    try:
        return model.model_validate(value, by_alias=True, by_name=False), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [_problem(model, document, tuple(at), detail) for detail in details]


def without_unknown(model: type[M], document: Document) -> M | None:
    """The model of a document without the keys that nobody knows; None if more is wrong.

    So that one misspelt key doesn't hide every error that only a whole model shows.
    """
    try:
        return model.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
    if any(detail["type"] != "extra_forbidden" for detail in details):
        return None
    value = copy.deepcopy(document.value)
    for detail in details:
        here = value
        for part in detail["loc"][:-1]:
            here = here[part]
        here.pop(detail["loc"][-1], None)
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError:
        return None


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """A hint: the nearest known word, else what is said instead, else all of them."""
    names = list(known)
    lower = {name.lower(): name for name in names}
    # A word of a thousand letters was no slip, and comparing it would take long.
    near = difflib.get_close_matches(word[:100].lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean {lower[near[0]]!r}?"
    return otherwise or f"known: {', '.join(names)}"


def _problem(
    model: type[BaseModel], document: Document, base: tuple[str | int, ...], detail: ErrorDetails
) -> Problem:
    where = detail["loc"]
    path = (*base, *where)
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        known = _keys(_model_at(model, where[:-1]))
        return document.problem(path, "unknown key", did_you_mean(str(where[-1]), known))
    if kind == "missing":
        return document.problem(path, "is missing", "it is required")
    if kind in _WANTED:
        return document.problem(path, *_mistyped(_WANTED[kind], given, document.words.get(path)))
    if kind in ("literal_error", "enum"):
        expected = str(detail.get("ctx", {}).get("expected", ""))
        names = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
        return document.problem(
            path, f"{_shown(given)} isn't known", did_you_mean(str(given), names)
        )
    message = detail["msg"].removeprefix("Value error, ")
    message, _, hint = message.partition("; ")
    if kind != "value_error":
        message, hint = f"{_shown(given)} won't do", message[:1].lower() + message[1:]
    return document.problem(path, message, hint)


def _mistyped(wanted: str, given: Any, word: str | None) -> tuple[str, str]:
    if wanted == "a text" and word is not None and given is not None:
        read_as = str(given).lower() if isinstance(given, bool) else "a number"
        return f"{word} is read as {read_as}", f'quote it: "{word}"'
    if given is None:
        return "is empty", f"write {wanted}, or leave the key out"
    shape = _shown(given)
    if isinstance(given, dict | list):
        shape = "a map" if isinstance(given, dict) else "a list"
    elif isinstance(given, str):
        shape = f"the text {_shown(given)}"
    return f"is {shape}", f"{wanted} is wanted"


def _shown(given: Any) -> str:
    """A value in a message, shortened; Python refuses to write out some whole numbers."""
    if isinstance(given, int) and abs(given) > 10**40:
        return "a huge number"
    text = repr(given[:100] if isinstance(given, str | list) else given)
    return text if len(text) <= 100 else text[:99] + "…"


def _keys(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model that the value at a path is validated by; None where there is none."""
    here: type[BaseModel] | None = model
    for part in path:
        if here is None:
            return None
        if isinstance(part, int):
            continue
        info = next((f for name, f in here.model_fields.items() if part in (f.alias, name)), None)
        here = _model_in(info.annotation) if info else None
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, list, tuple, dict):
        return next((m for m in map(_model_in, get_args(annotation)) if m), None)
    return None
