"""JSON Schemas for editors: completion, and most mistakes underlined while one types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.spec.schema import PlainGenerator

if TYPE_CHECKING:
    from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def editor_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema of what a person writes, in camelCase, with descriptions.

    Args:
        model: Of a whole file or document.
        title: For editors.
    """
    raw = model.model_json_schema(by_alias=True, schema_generator=PlainGenerator)
    return {"$schema": DIALECT, "title": title, **_tidy(raw, names=False)}


def _tidy(schema: dict[str, Any], *, names: bool) -> dict[str, Any]:
    """Without what only Kubernetes or Python reads.

    Args:
        schema: A schema, or a map of schemas by name.
        names: Whether it is such a map, whose keys are fields.
    """
    result = {}
    for key, value in schema.items():
        if not names and (key == "title" or key.startswith("x-kubernetes-")):
            continue
        if not names and key == "default" and value is None:
            continue
        inside = not names and key in {"properties", "$defs"}
        result[key] = _tidied(value, names=inside)
    return result


def _tidied(value: Any, *, names: bool) -> Any:
    if isinstance(value, dict):
        return _tidy(value, names=names)
    if isinstance(value, list):
        return [_tidied(one, names=False) for one in value]
    return value
