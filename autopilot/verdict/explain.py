"""Why a condition says what it says: each comparison with its values, a line each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from autopilot.verdict.facts import constant, signals_of
from autopilot.verdict.tree import Compare, Logic, Minus, Node, Not, Number, Signal, Sum, Truth
from autopilot.verdict.units import Unit, render
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from autopilot.verdict.cel import Condition

_OPS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_HEADS = {"&&": "all of these", "||": "one of these"}


@dataclass(frozen=True, slots=True)
class Explained:
    """A part of a condition with what it says.

    Attributes:
        text: The part with its values, like `errors 6.2 % > 5 %`.
        verdict: What it says.
        parts: What it is made of; empty for a comparison and for a bool signal.
        truth: Whether it is a bool signal, which says nothing without its verdict.
    """

    text: str
    verdict: Verdict
    parts: tuple[Explained, ...] = ()
    truth: bool = False

    def lines(self) -> list[str]:
        """A line for each part, the parts of a part indented by two blanks."""
        return list(self._lines(""))

    def leaves(self) -> list[Explained]:
        """The comparisons and bool signals, in the order they are written."""
        return [leaf for part in self.parts for leaf in part.leaves()] if self.parts else [self]

    def causes(self) -> list[str]:
        """Only what makes it say so: of a true `||` the true parts, of a false `&&` the false."""
        if not self.parts:
            bare = self.verdict is Verdict.TRUE and not self.truth
            return [self.text if bare else f"{self.text} is {self.verdict.value}"]
        parts = [part for part in self.parts if part.verdict is self.verdict]
        if self.text not in _HEADS.values():
            parts = list(self.parts)
        return [said for part in parts for said in part.causes()]

    def _lines(self, indent: str) -> Iterator[str]:
        colon = ":" if self.parts else ""
        yield f"{indent}{self.text} is {self.verdict.value}{colon}"
        for part in self.parts:
            yield from part._lines(indent + "  ")

    def __str__(self) -> str:
        return "; ".join(f"{leaf.text} is {leaf.verdict.value}" for leaf in self.leaves())


def explain(
    condition: Condition,
    values: Mapping[str, float | None],
    why: Mapping[str, str] | None = None,
) -> Explained:
    """A condition with its values.

    Args:
        condition: What was judged.
        values: As given to its `judge`.
        why: Why a signal isn't known, for people; may lack any.
    """
    known = {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in ((name, values.get(name)) for name in condition.reads)
    }
    return _Explainer(known, why or {}).explained(condition.tree)


class _Explainer:
    def __init__(self, values: Mapping[str, float | None], why: Mapping[str, str]) -> None:
        self._values = values
        self._why = why

    def explained(self, node: Node) -> Explained:
        match node:
            case Logic():
                parts = tuple(self.explained(part) for part in node.parts)
                verdict = parts[0].verdict
                for part in parts[1:]:
                    verdict = verdict & part.verdict if node.op == "&&" else verdict | part.verdict
                return Explained(_HEADS[node.op], verdict, parts)
            case Not():
                inner = self.explained(node.of)
                return Explained("the opposite of this", ~inner.verdict, (inner,))
            case Compare(unit=Unit.BOOL):
                sides = (self.explained(node.left), self.explained(node.right))
                same = _same(sides[0].verdict, sides[1].verdict)
                alike = "both alike" if node.op == "==" else "one but not the other"
                return Explained(alike, same if node.op == "==" else ~same, sides)
            case Compare():
                return self._compared(node)
            case Truth():
                return Explained("what is written", Verdict.of(node.value))
            case Signal():
                value = self._values[node.name]
                text = node.name + self._reason(node.name)
                said = Verdict.of(None if value is None else bool(value))
                return Explained(text, said, truth=True)
        raise AssertionError(node)

    def _compared(self, node: Compare) -> Explained:
        left, right = self._value(node.left), self._value(node.right)
        if left is None or right is None:
            verdict = Verdict.UNKNOWN
        else:
            verdict = Verdict.of(_OPS[node.op](left, right))
        digits = _telling(left, right, node.unit)
        one = self._shown(node.left, node.unit, digits)
        other = self._shown(node.right, node.unit, digits)
        return Explained(f"{one} {node.op} {other}", verdict)

    def _value(self, node: Node) -> float | None:
        """A number's value; None where a signal isn't known or the number isn't finite."""
        match node:
            case Signal():
                return self._values[node.name]
            case Minus():
                of = self._value(node.of)
                return None if of is None else -of
            case Sum():
                left, right = self._value(node.left), self._value(node.right)
                if left is None or right is None:
                    return None
                value = constant(Sum(0, node.op, _literal(left), _literal(right)))
                return value if value is not None and math.isfinite(value) else None
        return constant(node)

    def _shown(self, node: Node, unit: Unit | None, digits: int) -> str:
        """A side with its values; literals in the unit of the comparison."""
        if not any(signals_of(node)):
            return render(constant(node), unit, digits)
        match node:
            case Signal():
                value = self._values[node.name]
                said = render(value, node.unit, digits)
                return f"{node.name} {said}{self._reason(node.name)}"
            case Minus():
                return f"-({self._shown(node.of, unit, digits)})"
            case Sum(right=Number(text="")):
                # What turns one unit into another is nothing that its author wrote.
                return self._shown(node.left, unit, digits)
            case Sum():
                # A factor is a number, whatever the comparison's unit.
                inner = None if node.op in "*/" else unit
                left, right = (self._shown(n, inner, digits) for n in (node.left, node.right))
                return f"({left} {node.op} {right})"
        raise AssertionError(node)

    def _reason(self, name: str) -> str:
        unknown = self._values[name] is None
        return f" ({self._why[name]})" if unknown and self._why.get(name) else ""


def _literal(value: float) -> Number:
    return Number(0, Decimal(value), None, "")


def _same(one: Verdict, other: Verdict) -> Verdict:
    if one.is_unknown or other.is_unknown:
        return Verdict.UNKNOWN
    return Verdict.of(one is other)


def _telling(left: float | None, right: float | None, unit: Unit | None) -> int:
    """Digits enough that two different values don't look the same."""
    if left is None or right is None or left == right:
        return 3
    for digits in range(3, 17):
        if render(left, unit, digits) != render(right, unit, digits):
            return digits
    return 17
