"""YAML with the line of every value, so that a problem can say where it is.

A key is always the text as written (`8080:` and `on:` stay strings, as in JSON). The words that
YAML 1.1 reads as booleans (`Off`, `No`, `yes`) are remembered, for a message that says "quote it".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from autopilot.base.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Path = tuple[str | int, ...]
_MAX_NODES = 50_000
_STRING = "tag:yaml.org,2002:str"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        file: As the person named it.
        value: Plain dicts, lists and scalars; None for an empty document.
        lines: 1-based lines by path.
        words: By path, the text of each plain scalar that YAML didn't read as a string.
        problems: What is wrong before anybody looks at the meaning: duplicate keys.
    """

    file: str
    value: Any = None
    lines: Mapping[Path, int] = field(default_factory=dict)
    words: Mapping[Path, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a path, or of the nearest thing around it; 0 without any."""
        where = tuple(path)
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 0)

    def problem(self, path: Sequence[str | int], message: str, hint: str = "") -> Problem:
        """A problem at a path of this document."""
        return Problem(self.file, self.line(path), spelled(path), message, hint)


def spelled(path: Sequence[str | int]) -> str:
    """A path as people write it: `phases[2].inputs[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read(text: str, file: str) -> list[Document]:
    """Read all documents of a YAML text; a text without any gives one empty document.

    Raises:
        InvalidInput: It isn't YAML; the problem carries the line.
    """
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        documents = [_Builder(file).document(node) for node in nodes]
    except yaml.YAMLError as error:
        raise InvalidInput([_syntax(error, file)]) from None
    except RecursionError:
        raise InvalidInput([Problem(file, 0, "", "not YAML: nested too deeply")]) from None
    return documents or [Document(file)]


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = str(getattr(error, "problem", None) or error).splitlines()[0]
    context = getattr(error, "context", None)
    if "cannot start any token" in what:
        what, context = f"{what} (YAML indents with spaces, and `@` or a backtick wants quotes)", ""
    message = f"not YAML: {f'{context}: ' if context else ''}{what}"
    return Problem(file, mark.line + 1 if mark else 0, "", message)


class _Builder:
    """Builds one document; holds what is gathered on the way."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Path, int] = {}
        self._words: dict[Path, str] = {}
        self._problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()
        self._loader = yaml.SafeLoader("")

    def document(self, node: yaml.Node) -> Document:
        value = self._value(node, ())
        return Document(self._file, value, self._lines, self._words, tuple(self._problems))

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        self._lines.setdefault(path, line)
        if self._count > _MAX_NODES or id(node) in self._open:
            what = "an alias that contains itself" if id(node) in self._open else "too large"
            raise InvalidInput([Problem(self._file, line, spelled(path), what)])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            entries = node.value
            return [self._value(entry, (*path, index)) for index, entry in enumerate(entries)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                what = "a key that is a map or a list"
                raise InvalidInput([Problem(self._file, line, spelled(path), what, "a text")])
            name = str(key.value)
            if name in seen:
                message = f"the key is there twice (first in line {seen[name]})"
                self._problems.append(
                    Problem(self._file, line, spelled((*path, name)), message, "keep one")
                )
            seen.setdefault(name, line)
        self._loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key, entry in node.value:
            name = str(key.value)
            self._lines[(*path, name)] = key.start_mark.line + 1
            result[name] = self._value(entry, (*path, name))
        return result

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.tag in (_STRING, _TIMESTAMP):
            return node.value
        try:
            value = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            line = node.start_mark.line + 1
            message = f"YAML can't read {node.value[:60]!r} as {node.tag.rpartition(':')[2]}"
            self._problems.append(Problem(self._file, line, spelled(path), message, "quote it"))
            return node.value
        self._words[path] = node.value
        return value
