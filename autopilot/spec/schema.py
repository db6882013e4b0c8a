"""From a pydantic model to the structural OpenAPI v3 schema that Kubernetes wants in a CRD.

pydantic writes JSON Schema 2020-12; a structural schema knows neither `$ref` nor `anyOf` over
types, nor `const`, nor a numeric `exclusiveMinimum`, and wants a type at every node.
"""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from autopilot.base import durations
from autopilot.base.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "minimum",
    "maximum",
    "nullable",
)
_ANY = "x-kubernetes-preserve-unknown-fields"
_FORMATS = {"date-time", "date", "byte", "int32", "int64", "float", "double", "email", "uri"}
_SECTIONS = re.compile(r"\n\s*(Attributes|Args|Arguments|Example|Examples|Note|Raises):\s*\n")


class NotStructural(InvalidInput):
    """A model holds a type that a Kubernetes schema can't say.

    Args:
        model: The model's name.
        path: The field, as on the wire.
        message: What is wrong.
        hint: What would be right.
    """

    def __init__(self, model: str, path: str, message: str, hint: str) -> None:
        super().__init__([Problem("", 0, f"{model}.{path}" if path else model, message, hint)])


def structural(model: type[BaseModel]) -> Schema:
    """The schema of a model, in camelCase, with `$ref` inlined, defaults and descriptions kept.

    Raises:
        NotStructural: A union of several types, a recursive model, or a tuple of mixed types.
    """
    raw = model.model_json_schema(by_alias=True, schema_generator=PlainGenerator)
    return _Converter(model.__name__, raw.get("$defs", {})).convert(raw, "", ())


class PlainGenerator(GenerateJsonSchema):
    """pydantic's own, but for defaults that are durations."""

    def encode_default(self, dft: Any) -> Any:
        """A timedelta as people write it, not in ISO 8601."""
        if isinstance(dft, timedelta):
            return durations.render(dft)
        return super().encode_default(dft)


class _Converter:
    """Converts one model's schema; knows its definitions."""

    def __init__(self, model: str, definitions: dict[str, Schema]) -> None:
        self._model = model
        self._definitions = definitions

    def _refuse(self, path: str, message: str, hint: str) -> NotStructural:
        return NotStructural(self._model, path, message, hint)

    def convert(self, raw: Schema, path: str, opened: tuple[str, ...]) -> Schema:
        if "$ref" in raw:
            name = raw["$ref"].rpartition("/")[2]
            if name in opened:
                raise self._refuse(path, f"{name} contains itself", "a schema in a CRD is finite")
            merged = {**self._definitions[name], **{k: v for k, v in raw.items() if k != "$ref"}}
            return self.convert(merged, path, (*opened, name))
        if raw.get("x-kubernetes-int-or-string"):
            return self._annotated({"x-kubernetes-int-or-string": True}, raw)
        if raw.get(_ANY) and "anyOf" in raw:
            # A field that says itself that Kubernetes can't check it; editors can.
            return self._annotated({_ANY: True}, raw)
        for word in ("anyOf", "oneOf", "allOf"):
            if word in raw:
                return self._union(raw, raw[word], path, opened)
        result = {key: raw[key] for key in _KEPT if key in raw}
        if "const" in raw:
            result["enum"] = [raw["const"]]
        if result.get("format") not in _FORMATS:
            result.pop("format", None)
        self._bounds(raw, result)
        if "type" not in result:
            if "enum" in result:
                result["type"] = self._enum_type(result["enum"], path)
            else:
                result[_ANY] = True
        self._children(raw, result, path, opened)
        result.update({k: v for k, v in raw.items() if k.startswith("x-kubernetes-")})
        return self._annotated(result, raw)

    def _union(
        self, raw: Schema, options: list[Schema], path: str, opened: tuple[str, ...]
    ) -> Schema:
        rest = [option for option in options if option.get("type") != "null"]
        nullable = len(rest) < len(options)
        around = {k: v for k, v in raw.items() if k not in ("anyOf", "oneOf", "allOf")}
        kinds = sorted(str(option.get("type")) for option in rest)
        if kinds == ["integer", "string"]:
            result: Schema = {"x-kubernetes-int-or-string": True}
        elif kinds == ["integer", "number"]:
            result = {"type": "number"}
        elif len(rest) == 1:
            result = self.convert(rest[0], path, opened)
        else:
            names = " | ".join(
                option.get("title") or option.get("$ref", "").rpartition("/")[2] or kind
                for option, kind in zip(rest, [str(o.get("type")) for o in rest], strict=True)
            )
            raise self._refuse(
                path,
                f"a union ({names}) has no structural schema",
                "use one type, or a map with one optional field for each",
            )
        if nullable:
            result["nullable"] = True
        return self._annotated(result, around)

    def _children(self, raw: Schema, result: Schema, path: str, opened: tuple[str, ...]) -> None:
        kind = result.get("type")
        if kind == "array":
            if "prefixItems" in raw:
                raise self._refuse(path, "a tuple of fixed items", "use tuple[T, ...] or a model")
            items = raw.get("items")
            result["items"] = (
                self.convert(items, f"{path}[]", opened)
                if isinstance(items, dict) and items
                else {_ANY: True}
            )
            # uniqueItems is forbidden in a CRD: it would cost the API server O(n^2).
            if result.pop("uniqueItems", False):
                result["x-kubernetes-list-type"] = "set"
        elif kind == "object" and "properties" in raw:
            result["properties"] = {
                name: self.convert(child, f"{path}.{name}" if path else name, opened)
                for name, child in raw["properties"].items()
            }
            if raw.get("required"):
                result["required"] = list(raw["required"])
        elif kind == "object":
            values = raw.get("additionalProperties")
            if isinstance(values, dict) and values:
                result["additionalProperties"] = self.convert(values, f"{path}.*", opened)
            elif values is not False:
                result[_ANY] = True

    @staticmethod
    def _bounds(raw: Schema, result: Schema) -> None:
        for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if exclusive in raw:
                result[plain] = raw[exclusive]
                result[exclusive] = True

    def _enum_type(self, values: list[Any], path: str) -> str:
        names = {str: "string", bool: "boolean", int: "integer", float: "number"}
        kinds = {names.get(type(value), "") for value in values}
        if len(kinds) != 1 or "" in kinds:
            raise self._refuse(path, "an enum of several types", "use one type for all its values")
        return kinds.pop()

    @staticmethod
    def _annotated(result: Schema, raw: Schema) -> Schema:
        if raw.get("description"):
            text = _SECTIONS.split(inspect.cleandoc(raw["description"]) + "\n")[0].strip()
            result["description"] = text
        if raw.get("default") is not None:
            result["default"] = raw["default"]
        order = ("description", "type")
        head = {key: result[key] for key in order if key in result}
        return {**head, **{key: value for key, value in result.items() if key not in order}}
