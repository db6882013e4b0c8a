"""A condition as a tree, and what is said when a text can't become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from autopilot.base.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from autopilot.verdict.units import Unit


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in a condition.

    Attributes:
        at: Where it begins, in characters from the text's beginning.
        message: What is wrong.
        hint: What would be right; may be empty.
        line: Its line in the text, from 1.
        column: Its column in that line, from 1.
    """

    at: int
    message: str
    hint: str = ""
    line: int = 1
    column: int = 1

    def within(self, text: str) -> Fault:
        """The same with its line and column."""
        before = text[: self.at]
        line = before.count("\n") + 1
        return Fault(self.at, self.message, self.hint, line, self.at - before.rfind("\n"))

    def __str__(self) -> str:
        where = (
            f"line {self.line}, column {self.column}" if self.line > 1 else f"column {self.column}"
        )
        said = f"{where}: {self.message}"
        return f"{said}; {self.hint}" if self.hint else said


class ConditionError(InvalidInput):
    """A text that is no condition; carries every fault that was found, in order."""

    def __init__(self, text: str, faults: Iterable[Fault]) -> None:
        self.text = text
        self.faults = tuple(sorted(fault.within(text) for fault in faults))
        super().__init__(
            Problem("", 0, str(fault).partition(": ")[0], fault.message, fault.hint)
            for fault in self.faults
        )
        self.args = ("\n".join(str(fault) for fault in self.faults),)


@dataclass(frozen=True, slots=True)
class Number:
    """A literal: in a unit, or bare (None), which takes the unit of what it meets."""

    at: int
    value: Decimal
    unit: Unit | None
    text: str


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    at: int
    value: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal's name; its unit once checked."""

    at: int
    name: str
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class Minus:
    """A negated number."""

    at: int
    of: Node


@dataclass(frozen=True, slots=True)
class Not:
    """A negated condition."""

    at: int
    of: Node


@dataclass(frozen=True, slots=True)
class Sum:
    """`+`, `-`, `*` or `/`."""

    at: int
    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Compare:
    """`<`, `<=`, `>`, `>=`, `==` or `!=`; the unit of both sides once checked."""

    at: int
    op: str
    left: Node
    right: Node
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class Logic:
    """`&&` or `||` over two or more."""

    at: int
    op: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """What couldn't be read; a fault tells of it."""

    at: int


Node: TypeAlias = Number | Truth | Signal | Minus | Not | Sum | Compare | Logic | Bad
