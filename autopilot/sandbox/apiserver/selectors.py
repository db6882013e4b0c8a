"""Label and field selectors: from the text of a query parameter to a predicate.

The grammar and the wording of errors are those of the Kubernetes API; an empty text matches all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    Labels = Mapping[str, str]
    Requirement = Callable[[Mapping[str, str]], bool]

_TOKEN = re.compile(r"\s*(==|!=|=|!|>|<|\(|\)|,|[^\s=!<>(),]+)")
_SYMBOLS = frozenset({"==", "!=", "=", "!", ">", "<", "(", ")", ","})
_NAME = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)\Z")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_FIELD_TERM = re.compile(r"((?:[^\\=!]|\\.)*?)(==|!=|=)(.*)\Z", re.DOTALL)
_ALWAYS_SUPPORTED = frozenset({"metadata.name", "metadata.namespace"})


class SelectorError(ValueError):
    """A selector that can't be read; the server answers 400 with its message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def parse_labels(text: str) -> Callable[[Mapping[str, str]], bool]:
    """Read a label selector: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>1`.

    Raises:
        SelectorError: The text isn't a selector.
    """
    requirements = _LabelParser(text).parse()
    if not requirements:
        return lambda labels: True
    if len(requirements) == 1:
        return requirements[0]
    return lambda labels: all(requirement(labels) for requirement in requirements)


class _LabelParser:
    """A recursive-descent reader of one label selector."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        if not self._tokens:
            return requirements
        while True:
            requirements.append(self._requirement())
            token = self._take()
            if token == "":
                return requirements
            if token != ",":
                raise _unexpected(token, "',' or 'end of string'")
            if self._peek() == "":
                raise _unexpected("", "identifier after ','")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        token = self._take()
        if token == "!":
            absent = _label_key(self._identifier())
            return lambda labels: absent not in labels
        if token in _SYMBOLS or token == "":
            raise _unexpected(token, "!, identifier, or 'end of string'")
        key = _label_key(token)
        operator = self._peek()
        if operator in {"", ","}:
            return lambda labels: key in labels
        self._at += 1
        return self._comparison(key, operator)

    def _comparison(self, key: str, operator: str) -> Requirement:
        if operator in {"=", "=="}:
            wanted = _label_value(key, self._value())
            return lambda labels: labels.get(key) == wanted
        if operator == "!=":
            unwanted = _label_value(key, self._value())
            return lambda labels: labels.get(key) != unwanted
        if operator == "in":
            allowed = self._values(key)
            return lambda labels: labels.get(key) in allowed
        if operator == "notin":
            refused = self._values(key)
            return lambda labels: labels.get(key) not in refused
        if operator in {">", "<"}:
            return _bound(key, operator, self._value())
        raise _unexpected(operator, "in, notin, =, ==, !=, gt, lt")

    def _identifier(self) -> str:
        token = self._take()
        if token in _SYMBOLS or token == "":
            raise _unexpected(token, "identifier")
        return token

    def _value(self) -> str:
        token = self._peek()
        if token in {"", ","}:
            return ""
        self._at += 1
        if token in _SYMBOLS:
            raise _unexpected(token, "identifier")
        return token

    def _values(self, key: str) -> frozenset[str | None]:
        opening = self._take()
        if opening != "(":
            raise _unexpected(opening, "'('")
        values: set[str | None] = set()
        while True:
            token = self._peek()
            if token in {",", ")"}:
                values.add("")
            else:
                values.add(_label_value(key, self._identifier()))
            token = self._take()
            if token == ")":
                return frozenset(values)
            if token != ",":
                raise _unexpected(token, "',' or ')'")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.strip()) if text.strip() else []


def _unexpected(found: str, expected: str) -> SelectorError:
    return SelectorError(f"unable to parse requirement: found '{found}', expected: {expected}")


def _bound(key: str, operator: str, text: str) -> Requirement:
    try:
        limit = int(text)
    except ValueError:
        raise SelectorError(
            f'unable to parse requirement: values[0][{key}]: Invalid value: "{text}": '
            "for 'Gt', 'Lt' operators, the value must be an integer"
        ) from None

    def holds(labels: Labels) -> bool:
        try:
            number = int(labels[key])
        except (KeyError, ValueError):
            return False
        return number > limit if operator == ">" else number < limit

    return holds


def _label_key(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if (
        len(name) > 63
        or not _NAME.match(name)
        or (slash and (not _PREFIX.match(prefix) or len(prefix) > 253))
    ):
        raise SelectorError(
            f'unable to parse requirement: key: Invalid value: "{key}": name part must consist of '
            "alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character"
        )
    return key


def _label_value(key: str, value: str) -> str:
    if value and (len(value) > 63 or not _NAME.match(value)):
        raise SelectorError(
            f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": a valid '
            "label must be an empty string or consist of alphanumeric characters, '-', '_' or "
            "'.', and must start and end with an alphanumeric character"
        )
    return value


def parse_fields(text: str, supported: Collection[str] | None) -> Callable[[dict[str, Any]], bool]:
    """Read a field selector: `a.b=c`, `a.b==c`, `a.b!=c`, joined by commas.

    Args:
        text: The selector; a backslash escapes a comma, an equals sign or itself.
        supported: The paths that the kind can be selected by, beside metadata.name and
            metadata.namespace; None allows any.

    Raises:
        SelectorError: The text isn't a selector, or names a path that isn't supported.
    """
    terms = [_field_term(term, supported) for term in _split_terms(text) if term]
    if not terms:
        return lambda obj: True

    def holds(obj: dict[str, Any]) -> bool:
        return all((_field_text(obj, path) == value) is equal for path, equal, value in terms)

    return holds


def _split_terms(text: str) -> list[str]:
    terms, current, escaped = [], "", False
    for char in text:
        if char == "," and not escaped:
            terms.append(current)
            current = ""
            continue
        escaped = char == "\\" and not escaped
        current += char
    terms.append(current)
    return terms


def _field_term(term: str, supported: Collection[str] | None) -> tuple[tuple[str, ...], bool, str]:
    match = _FIELD_TERM.match(term)
    if match is None:
        raise SelectorError(f"invalid selector: '{term}'; can't understand '{term}'")
    path, operator, value = match.groups()
    path = path.strip()
    if supported is not None and path not in _ALWAYS_SUPPORTED and path not in supported:
        raise SelectorError(f"field label not supported: {path}")
    return tuple(path.split(".")), operator != "!=", re.sub(r"\\(.)", r"\1", value)


def _field_text(obj: Any, path: tuple[str, ...]) -> str:
    for step in path:
        if not isinstance(obj, dict):
            return ""
        obj = obj.get(step)
    if obj is None or isinstance(obj, dict | list):
        return ""
    if isinstance(obj, bool):
        return "true" if obj else "false"
    return str(obj)
