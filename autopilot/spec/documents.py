"""Files of YAML documents, those of one kind among others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.spec.names import split_api_version
from autopilot.spec.positions import read
from autopilot.spec.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autopilot.spec.positions import Document

LARGEST = 1_000_000
"""The largest file that is read, in bytes; Kubernetes takes no larger object either."""

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Sought:
    """The kind that is looked for.

    Attributes:
        kind: Like `Rule`.
        api_version: Like `autopilot.mesh/v1alpha1`.
    """

    kind: str
    api_version: str

    @property
    def head(self) -> str:
        """How such a document begins."""
        return f"apiVersion: {self.api_version}"

    @property
    def _article(self) -> str:
        return "an" if self.kind[:1] in "AEIOU" else "a"

    def documents(self, text: str, file: str, notes: list[Problem]) -> list[Document]:
        """The documents of a text that are of this kind, or were meant to be.

        Args:
            text: YAML.
            file: As the person named it.
            notes: Documents of other kinds are named there.

        Raises:
            InvalidInput: The text is no YAML, is too large, or a document is nothing that has a
                kind.
        """
        if len(text) > LARGEST:
            hint = f"at most {LARGEST} bytes are read"
            raise InvalidInput([Problem(file, 0, "", "too large", hint)])
        found = [one for one in read(text, file) if one.value is not None]
        return [one for one in found if self._is_one(one, notes)]

    def _is_one(self, document: Document, notes: list[Problem]) -> bool:
        value, word = document.value, self.kind.lower()
        if not isinstance(value, dict):
            hint = f"{self._article} {word} begins with {self.head}"
            raise InvalidInput([document.problem((), "is no map", hint)])
        kind, version = value.get("kind"), value.get("apiVersion")
        if kind is None and "tests" in value:
            what = "holds tests, for `autopilot rule test`; skipped"
            notes.append(document.problem((), what))
            return False
        if kind is None or version is None:
            missing = "kind" if kind is None else "apiVersion"
            known = {"kind": self.kind, "apiVersion": self.api_version}
            near = next(
                (key for key in value if did_you_mean(key, [missing], otherwise="-") != "-"), ""
            )
            hint = f"did you mean it by {near!r}?" if near else f"write {missing}: {known[missing]}"
            raise InvalidInput([document.problem((missing,), "is missing", hint)])
        group, _ = split_api_version(str(version))
        ours, _ = split_api_version(self.api_version)
        if group == ours and str(kind).rstrip("s").lower() == word:
            return True
        what = f"{self._article} {self.kind} of {ours}"
        notes.append(document.problem((), f"{str(kind)[:80]} isn't {what}; skipped"))
        return False


def text_of(path: Path) -> str:
    """A file's text.

    Raises:
        InvalidInput: It can't be read, isn't UTF-8, or is too large.
    """
    try:
        if path.stat().st_size > LARGEST:
            hint = f"at most {LARGEST} bytes are read"
            raise InvalidInput([Problem(str(path), 0, "", "too large", hint)])
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput([Problem(str(path), 0, "", "isn't text in UTF-8")]) from None
    except OSError as error:
        raise InvalidInput([Problem(str(path), 0, "", error.strerror or str(error))]) from None


def yaml_files(folder: Path) -> Iterator[Path]:
    """The YAML files in a folder and below, in order, but hidden ones."""
    for one in sorted(folder.rglob("*")):
        inside = one.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in inside)
        if one.suffix in _SUFFIXES and one.is_file() and not hidden:
            yield one
