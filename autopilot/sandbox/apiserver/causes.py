"""One thing wrong in an object, worded as the Kubernetes API server words it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of a 422 answer, as its `details.causes` lists them.

    Attributes:
        field: The path, like `spec.rules[0].name`.
        reason: A machine's word, like `FieldValueRequired`.
        message: A person's words.
    """

    field: str
    reason: str
    message: str


def required(field: str, detail: str = "") -> Cause:
    """A field that has to be there isn't."""
    return Cause(
        field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value"
    )


def invalid(field: str, value: Any, detail: str) -> Cause:
    """A value that breaks a rule; `detail` names the rule."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}")


def wrong_type(field: str, expected: str, found: str) -> Cause:
    """A value of another type or format than the schema's."""
    text = f"{field} in body must be of type {expected}: {shown(found)}"
    return Cause(field, "FieldValueTypeInvalid", f"Invalid value: {shown(found)}: {text}")


def unsupported(field: str, value: Any, allowed: list[Any]) -> Cause:
    """A value outside an enumeration."""
    words = sorted(one if isinstance(one, str) else json.dumps(one) for one in allowed)
    listed = ", ".join(json.dumps(word, ensure_ascii=False) for word in words)
    text = f"Unsupported value: {shown(value)}: supported values: {listed}"
    return Cause(field, "FieldValueNotSupported", text)


def too_long(field: str, limit: int) -> Cause:
    """A text longer than `limit`."""
    text = f"Too long: may not be more than {limit} bytes"
    return Cause(field, "FieldValueTooLong", text)


def too_many(field: str, count: int, limit: int) -> Cause:
    """A list or map with more than `limit` members."""
    text = f"Too many: {count}: must have at most {limit} item{'' if limit == 1 else 's'}"
    return Cause(field, "FieldValueTooMany", text)


def duplicate(field: str, value: Any) -> Cause:
    """An element of a set or of a list keyed like a map that is there already."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def shown(value: Any) -> str:
    """A value as Go prints it in an error."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dict):
        members = ", ".join(f"{json.dumps(key)}:{shown(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{members}}}"
    return f"[]interface {{}}{{{', '.join(shown(one) for one in value)}}}"


def number(value: float) -> str:
    """A number as Go prints it: 5.0 as 5, 1e21 as 1e+21."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e21):
        return str(int(value))
    return repr(value)
