"""Checks files of rules: several documents in each, other kinds among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.rules.compile import analyse
from autopilot.rules.model import API_VERSION, GROUP, KIND
from autopilot.spec.names import split_api_version
from autopilot.spec.positions import read
from autopilot.spec.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from autopilot.rules.compile import Analysis
    from autopilot.spec.positions import Document

LARGEST = 1_000_000
"""The largest file that is read, in bytes; Kubernetes takes no larger object either."""

_SUFFIXES = (".yaml", ".yml")


@dataclass(slots=True)
class Checked:
    """What was found in some files.

    Attributes:
        rules: Each rule, in order, with the file that it is in.
        problems: All that is wrong.
        notes: What is worth saying.
    """

    rules: list[tuple[str, Analysis]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def text(self, text: str, file: str) -> None:
        """Check a text that holds YAML documents."""
        try:
            documents = rules_in(text, file, self.notes)
        except InvalidInput as error:
            self.problems += error.problems
            return
        seen: dict[tuple[str, str], int] = {}
        for document in documents:
            found = analyse(document)
            self.rules.append((file, found))
            self.problems += found.problems
            self.notes += found.notes
            if found.name:
                metadata = document.value["metadata"]
                named = (str(metadata.get("namespace") or ""), found.name)
                line = document.line(("metadata", "name"))
                if named in seen:
                    message = f"{found.name} is there twice (first in line {seen[named]})"
                    self.problems.append(
                        Problem(file, line, "metadata.name", message, "rename one")
                    )
                seen.setdefault(named, line)

    def file(self, path: Path) -> None:
        """Check a file, or all YAML files in a folder but the tests of rules."""
        if path.is_dir():
            for one in _files(path):
                self.file(one)
            return
        try:
            if path.stat().st_size > LARGEST:
                hint = f"at most {LARGEST} bytes are read"
                self.problems.append(Problem(str(path), 0, "", "too large", hint))
                return
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            self.problems.append(Problem(str(path), 0, "", "isn't text in UTF-8"))
        except OSError as error:
            self.problems.append(Problem(str(path), 0, "", error.strerror or str(error)))
        else:
            self.text(text, str(path))


def rules_in(text: str, file: str, notes: list[Problem]) -> list[Document]:
    """The documents of a text that are rules, or were meant to be.

    Args:
        text: YAML.
        file: As the person named it.
        notes: Documents of other kinds are named there.

    Raises:
        InvalidInput: The text is no YAML, is too large, or a document is nothing that has a kind.
    """
    if len(text) > LARGEST:
        raise InvalidInput([Problem(file, 0, "", "too large", f"at most {LARGEST} bytes are read")])
    return [one for one in read(text, file) if one.value is not None and _is_rule(one, notes)]


def _is_rule(document: Document, notes: list[Problem]) -> bool:
    value = document.value
    if not isinstance(value, dict):
        raise InvalidInput([document.problem((), "is no map", f"a rule begins with {_HEAD}")])
    kind, version = value.get("kind"), value.get("apiVersion")
    if kind is None or version is None:
        missing = "kind" if kind is None else "apiVersion"
        known = {"kind": KIND, "apiVersion": API_VERSION}
        near = next(
            (key for key in value if did_you_mean(key, [missing], otherwise="-") != "-"), ""
        )
        hint = f"did you mean it by {near!r}?" if near else f"write {missing}: {known[missing]}"
        raise InvalidInput([document.problem((missing,), "is missing", hint)])
    group, _ = split_api_version(str(version))
    if group == GROUP and str(kind).rstrip("s").lower() == KIND.lower():
        return True
    notes.append(document.problem((), f"{str(kind)[:80]} isn't a Rule of {GROUP}; skipped"))
    return False


_HEAD = f"apiVersion: {API_VERSION}"


def _files(folder: Path) -> Iterator[Path]:
    hidden = (one for one in sorted(folder.rglob("*")) if one.suffix in _SUFFIXES)
    for one in hidden:
        inside = one.relative_to(folder).parts
        test = one.stem.endswith("_test")
        if one.is_file() and not test and not any(part.startswith(".") for part in inside):
            yield one


def checked(paths: Iterable[Path], stdin: str | None = None) -> Checked:
    """Check files and folders; and a text from standard input where one is given."""
    found = Checked()
    for path in paths:
        found.file(path)
    if stdin is not None:
        found.text(stdin, "<stdin>")
    if not found.rules and not found.problems:
        hint = f"a rule begins with {_HEAD}, kind: {KIND}"
        found.problems.append(Problem("", 0, "", "no rule there", hint))
    return found
