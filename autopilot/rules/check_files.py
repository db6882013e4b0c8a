"""Checks files of rules: several documents in each, other kinds among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.rules.compile import analyse
from autopilot.rules.model import API_VERSION, KIND
from autopilot.spec.documents import LARGEST, Sought, text_of, yaml_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autopilot.rules.compile import Analysis
    from autopilot.spec.positions import Document

_RULE = Sought(KIND, API_VERSION)

__all__ = ["LARGEST", "Checked", "checked", "rules_in"]


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
            for one in yaml_files(path):
                if not one.stem.endswith("_test"):
                    self.file(one)
            return
        try:
            text = text_of(path)
        except InvalidInput as error:
            self.problems += error.problems
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
    return _RULE.documents(text, file, notes)


def checked(paths: Iterable[Path], stdin: str | None = None) -> Checked:
    """Check files and folders; and a text from standard input where one is given."""
    found, files = Checked(), list(paths)
    for path in files:
        found.file(path)
    if stdin is not None:
        found.text(stdin, "<stdin>")
    if not found.rules and not found.problems:
        hint = f"a rule begins with {_RULE.head}, kind: {KIND}"
        holder = str(files[0]) if len(files) == 1 else ""
        found.problems.append(Problem(holder, 0, "", "no rule there", hint))
    return found
