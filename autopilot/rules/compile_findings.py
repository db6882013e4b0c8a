"""What is found wrong, or worth saying, in one rule: where the person wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput, Problem
from autopilot.verdict.cel import Condition, ConditionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.spec.positions import Document, Path
    from autopilot.verdict.units import Unit

MOST = 100
"""How many problems of one rule are told."""
_LONGEST = 400
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@dataclass(slots=True)
class Findings:
    """Gathers problems and notes.

    Attributes:
        document: The rule as it was read.
        moved: Where a person wrote what stands at a path; the longest beginning counts.
        doubtful: Signals whose unit isn't known: what reads them isn't judged.
        holes: Parts of which something wasn't understood: nothing is said of what is around it.
        problems: What makes it invalid.
        notes: What is worth saying.
    """

    document: Document
    moved: Mapping[Path, Path] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    holes: frozenset[Path] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def wrong(self, path: Path, message: str, hint: str = "") -> None:
        """Something makes the rule invalid."""
        if any(path[: len(hole)] == hole for hole in self.holes):
            return
        self._add(self.problems, path, message, hint)

    def note(self, path: Path, message: str, hint: str = "") -> None:
        """Something is allowed, and may not be meant."""
        if not self.holes:
            self._add(self.notes, path, message, hint)

    def condition(
        self, path: Path, text: str, units: Mapping[str, Unit], hints: Mapping[str, str]
    ) -> Condition | None:
        """Compile a condition; its faults become problems with line and column.

        Args:
            path: Where it stands.
            text: The condition.
            units: Of the signals that it may read.
            hints: What to say instead where a message holds a word.
        """
        try:
            return Condition.compile(text, units)
        except ConditionError as error:
            if self.doubtful & set(_WORD.findall(text)):
                return None
            for fault in error.faults:
                where = f"line {fault.line}, " if fault.line > 1 else ""
                said = next((hint for word, hint in hints.items() if word in fault.message), "")
                self.wrong(
                    path, f"{where}column {fault.column}: {fault.message}", said or fault.hint
                )
        return None

    def written(self, path: Path) -> Path:
        """Where the person wrote what stands at a path."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.moved:
                return self.moved[path[:length]]
        return path

    def refuse(self) -> None:
        """Raise if anything is wrong.

        Raises:
            InvalidInput: With every problem.
        """
        if self.problems:
            raise InvalidInput(self.problems)

    def _add(self, found: list[Problem], path: Path, message: str, hint: str) -> None:
        problem = self.document.problem(self.written(path), _short(message), _short(hint))
        if problem not in found and len(found) < MOST:
            found.append(problem)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
