"""Errors by their consequence, which is what a caller has to know of them.

An error is retried (`RetryLater`), final until somebody changes something (`TerminalError`), or
tells of what a person wrote (`InvalidInput`, exit code 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class AutopilotError(Exception):
    """The root of all errors raised on purpose."""


class RetryLater(AutopilotError):
    """Trying again helps: a time-out, a conflict, an input that isn't there yet.

    Args:
        message: What happened, for a person.
        after: Seconds to wait; None leaves it to the back-off.
    """

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class TerminalError(AutopilotError):
    """Trying again doesn't help until a person changes something."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in something that a person wrote.

    Attributes:
        file: The file as the person named it; empty where there is none.
        line: 1-based; 0 where unknown.
        path: Where in the document, like `phases[2].inputs[0]`.
        message: What is wrong.
        hint: What would be right; may be empty.
    """

    file: str
    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        what = f"{self.path}: {self.message}" if self.path else self.message
        return f"{where}{what}; {self.hint}" if self.hint else f"{where}{what}"


class InvalidInput(AutopilotError):
    """What a person wrote is wrong; carries every problem at once. The CLI exits with 2."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
