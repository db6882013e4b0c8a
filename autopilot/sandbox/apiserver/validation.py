"""Validation of a value against an OpenAPI v3 schema, with the real API server's words.

Rules are compiled once; a path is a linked pair, put into words only where something is wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import causes
from autopilot.sandbox.apiserver.formats import FORMATS, INTEGER_RANGES, go_regex
from autopilot.sandbox.apiserver.jsonvalue import json_equal

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.causes import Cause

Path = tuple[Any, str | int] | None
"""The path above and the last step; None is the root."""

Schema = dict[str, Any]


def path_text(path: Path) -> str:
    """A path as people read it: `spec.rules[0].name`."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")


def type_name(value: Any) -> str:
    """The JSON schema name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return {str: "string", int: "integer", dict: "object", list: "array"}[type(value)]


class Rule:
    """One schema node, compiled."""

    __slots__ = (
        "additional",
        "all_of",
        "any_of",
        "embedded",
        "enum",
        "forbids_more",
        "items",
        "list_keys",
        "list_type",
        "nullable",
        "numbers",
        "one_of",
        "properties",
        "refused",
        "required",
        "sizes",
        "texts",
        "type",
        "unique",
    )

    def __init__(self, schema: Schema) -> None:
        kind = schema.get("type")
        self.type: str | None = kind if isinstance(kind, str) and kind else None
        if schema.get("x-kubernetes-int-or-string"):
            self.type = "integer,string"
        self.nullable: bool = bool(schema.get("nullable"))
        self.enum: list[Any] | None = schema.get("enum")
        self.embedded: bool = bool(schema.get("x-kubernetes-embedded-resource"))
        self.properties = {k: Rule(v) for k, v in (schema.get("properties") or {}).items()}
        more = schema.get("additionalProperties")
        self.additional: Rule | None = Rule(more) if isinstance(more, dict) else None
        self.forbids_more: bool = more is False
        self.required: tuple[str, ...] = tuple(schema.get("required") or ())
        items = schema.get("items")
        self.items: Rule | None = Rule(items) if isinstance(items, dict) else None
        self.unique: bool = bool(schema.get("uniqueItems"))
        self.list_type: str | None = schema.get("x-kubernetes-list-type")
        self.list_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        self.all_of = tuple(Rule(one) for one in schema.get("allOf") or ())
        self.any_of = tuple(Rule(one) for one in schema.get("anyOf") or ())
        self.one_of = tuple(Rule(one) for one in schema.get("oneOf") or ())
        self.refused: Rule | None = Rule(schema["not"]) if "not" in schema else None
        self.texts = _text_limits(schema)
        self.numbers = _number_limits(schema)
        self.sizes = (
            schema.get("minItems"),
            schema.get("maxItems"),
            schema.get("minProperties"),
            schema.get("maxProperties"),
        )

    def check(self, value: Any, path: Path, out: list[Cause]) -> None:
        """Append to `out` what is wrong with a value."""
        if value is None and self.nullable:
            return
        if self.type is not None and not _is_type(value, self.type):
            out.append(causes.wrong_type(path_text(path), self.type, type_name(value)))
            return
        if self.enum is not None and not any(json_equal(value, one) for one in self.enum):
            out.append(causes.unsupported(path_text(path), value, self.enum))
        if isinstance(value, str):
            if self.texts is not None:
                _check_text(value, self.texts, path, out)
        elif isinstance(value, dict):
            self._check_object(value, path, out)
        elif isinstance(value, list):
            self._check_list(value, path, out)
        elif self.numbers is not None and isinstance(value, int | float):
            _check_number(value, self.numbers, path, out)
        if self.all_of or self.any_of or self.one_of or self.refused is not None:
            self._check_combined(value, path, out)

    def accepts(self, value: Any) -> bool:
        """Whether nothing is wrong with a value."""
        out: list[Cause] = []
        self.check(value, None, out)
        return not out

    def _check_object(self, value: dict[str, Any], path: Path, out: list[Cause]) -> None:
        for name in self.required:
            if name not in value:
                out.append(causes.required(path_text((path, name))))
        if self.embedded:
            _check_embedded(value, path, out)
        properties, additional = self.properties, self.additional
        for name, member in value.items():
            rule = properties.get(name, additional)
            if rule is not None:
                rule.check(member, (path, name), out)
            elif self.forbids_more:
                field = path_text((path, name))
                out.append(causes.invalid(field, "", f"{field} in body is a forbidden property"))
        least, most = self.sizes[2:]
        if least is not None and len(value) < least:
            out.append(_broken(path, len(value), f"have at least {least} properties"))
        if most is not None and len(value) > most:
            out.append(causes.too_many(path_text(path), len(value), most))

    def _check_list(self, value: list[Any], path: Path, out: list[Cause]) -> None:
        if self.items is not None:
            for index, item in enumerate(value):
                self.items.check(item, (path, index), out)
        least, most = self.sizes[:2]
        if least is not None and len(value) < least:
            out.append(_broken(path, len(value), f"have at least {least} items"))
        if most is not None and len(value) > most:
            out.append(causes.too_many(path_text(path), len(value), most))
        if self.unique and len({_canonical(item) for item in value}) < len(value):
            field = path_text(path)
            out.append(causes.invalid(field, "", f"{field} in body shouldn't contain duplicates"))
        if self.list_type in {"set", "map"}:
            self._check_keys(value, path, out)

    def _check_keys(self, value: list[Any], path: Path, out: list[Cause]) -> None:
        seen: set[str] = set()
        for index, item in enumerate(value):
            key = item
            if self.list_type == "map":
                if not isinstance(item, dict):
                    continue
                key = {name: item[name] for name in self.list_keys if name in item}
            text = _canonical(key)
            if text in seen:
                out.append(causes.duplicate(path_text((path, index)), key))
            seen.add(text)

    def _check_combined(self, value: Any, path: Path, out: list[Cause]) -> None:
        for rule in self.all_of:
            rule.check(value, path, out)
        name = path_text(path)
        if self.any_of and not any(rule.accepts(value) for rule in self.any_of):
            out.append(_combined(f'"{name}" must validate at least one schema (anyOf)'))
        if self.one_of:
            count = sum(rule.accepts(value) for rule in self.one_of)
            if count != 1:
                found = f"{count} valid alternatives" if count else "none valid"
                text = f'"{name}" must validate one and only one schema (oneOf). Found {found}'
                out.append(_combined(text))
        if self.refused is not None and self.refused.accepts(value):
            out.append(_combined(f'"{name}" must not validate the schema (not)'))


def _combined(text: str) -> Cause:
    """The real server gives these no field."""
    return causes.invalid("<nil>", "", text)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _is_type(value: Any, expected: str) -> bool:
    if expected == "object":
        return isinstance(value, dict)
    if expected == "string":
        return isinstance(value, str)
    if expected == "array":
        return isinstance(value, list)
    if expected == "boolean":
        return isinstance(value, bool)
    found = type_name(value)
    if expected == "number":
        return found in {"integer", "number"}
    return found in expected.split(",")


def _check_embedded(value: dict[str, Any], path: Path, out: list[Cause]) -> None:
    for name in ("apiVersion", "kind"):
        member = value.get(name)
        if member is None or member == "":
            out.append(causes.required(path_text((path, name)), "must not be empty"))
        elif not isinstance(member, str):
            out.append(causes.wrong_type(path_text((path, name)), "string", type_name(member)))
    metadata = value.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        out.append(causes.wrong_type(path_text((path, "metadata")), "object", type_name(metadata)))


def _text_limits(schema: Schema) -> tuple[Any, ...] | None:
    pattern = schema.get("pattern")
    limits = (
        schema.get("minLength"),
        schema.get("maxLength"),
        pattern,
        go_regex(pattern) if pattern else None,
        schema.get("format") if schema.get("format") in FORMATS else None,
    )
    return None if all(limit is None for limit in limits) else limits


def _check_text(value: str, limits: tuple[Any, ...], path: Path, out: list[Cause]) -> None:
    least, most, pattern, regex, form = limits
    if most is not None and len(value) > most:
        out.append(causes.too_long(path_text(path), most))
    if least is not None and len(value) < least:
        out.append(_broken(path, value, f"be at least {least} chars long"))
    if regex is not None and regex.search(value) is None:
        out.append(_broken(path, value, f"match '{pattern}'"))
    if form is not None and not FORMATS[form](value):
        out.append(causes.wrong_type(path_text(path), form, value))


def _broken(path: Path, value: Any, rule: str) -> Cause:
    field = path_text(path)
    return causes.invalid(field, value, f"{field} in body should {rule}")


def _number_limits(schema: Schema) -> tuple[Any, ...] | None:
    least, most = schema.get("minimum"), schema.get("maximum")
    lowest, highest = INTEGER_RANGES.get(schema.get("format", ""), (None, None))
    limits = (
        least if least is not None else lowest,
        bool(schema.get("exclusiveMinimum")) and least is not None,
        most if most is not None else highest,
        bool(schema.get("exclusiveMaximum")) and most is not None,
        schema.get("multipleOf"),
    )
    return None if limits == (None, False, None, False, None) else limits


def _check_number(value: float, limits: tuple[Any, ...], path: Path, out: list[Cause]) -> None:
    if isinstance(value, bool):
        return
    least, above, most, below, step = limits
    if least is not None and (value <= least if above else value < least):
        relation = "greater than" if above else "greater than or equal to"
        out.append(_broken(path, value, f"be {relation} {causes.number(least)}"))
    if most is not None and (value >= most if below else value > most):
        relation = "less than" if below else "less than or equal to"
        out.append(_broken(path, value, f"be {relation} {causes.number(most)}"))
    if step and abs(value / step - round(value / step)) > 1e-9:
        out.append(_broken(path, value, f"be a multiple of {causes.number(step)}"))
