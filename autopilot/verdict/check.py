"""Units: what a condition may compare, and each literal in the unit of what it meets."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from autopilot.verdict.facts import constant, signals_of, words
from autopilot.verdict.parse import MOST_FAULTS
from autopilot.verdict.tree import (
    Bad,
    Compare,
    Fault,
    Logic,
    Minus,
    Node,
    Not,
    Number,
    Signal,
    Sum,
    Truth,
)
from autopilot.verdict.units import Kind, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Bare:
    """The type of a literal without a unit: it takes the unit of what it meets."""


BARE = Bare()
Type: TypeAlias = Unit | Bare | None
"""None where a fault has been told already: what follows from it isn't told again."""


def check(tree: Node, signals: Mapping[str, Unit]) -> tuple[Node, list[Fault]]:
    """Check a tree's names and units.

    Returns:
        The tree with the unit of each signal and comparison, all literals bare and in the unit
        of what they meet; and what is wrong.
    """
    checker = _Checker(signals)
    checked, kind = checker.node(tree)
    if kind is not None and kind is not Unit.BOOL:
        what = f"{words(tree)} is {_said(kind)}, not a condition"
        checker.fault(tree, what, _compare_it(tree, kind))
    return checked, checker.faults[:MOST_FAULTS]


class _Checker:
    def __init__(self, signals: Mapping[str, Unit]) -> None:
        self.faults: list[Fault] = []
        self._signals = signals
        self._unknown: set[str] = set()

    def fault(self, node: Node, message: str, hint: str = "") -> None:
        self.faults.append(Fault(node.at, message, hint))

    def node(self, node: Node) -> tuple[Node, Type]:
        match node:
            case Number():
                return node, node.unit or BARE
            case Truth():
                return node, Unit.BOOL
            case Signal():
                return self._signal(node)
            case Minus():
                of, kind = self._numeric(node.of, "-")
                return Minus(node.at, of), kind
            case Not():
                return Not(node.at, self._condition(node.of, "!")), Unit.BOOL
            case Sum():
                return self._product(node) if node.op in "*/" else self._sum(node)
            case Compare():
                return self._compare(node), Unit.BOOL
            case Logic():
                parts = tuple(self._condition(part, node.op) for part in node.parts)
                return Logic(node.at, node.op, parts), Unit.BOOL
        return node, None

    def _signal(self, node: Signal) -> tuple[Node, Type]:
        unit = self._signals.get(node.name)
        if unit is not None:
            return Signal(node.at, node.name, unit), unit
        if node.name not in self._unknown and len(self.faults) < MOST_FAULTS:
            self._unknown.add(node.name)
            self.fault(node, *_no_signal(node.name, self._signals))
        return Bad(node.at), None

    def _condition(self, node: Node, op: str) -> Node:
        checked, kind = self.node(node)
        if kind is not None and kind is not Unit.BOOL:
            what = f"{op} joins" if op != "!" else "! negates"
            self.fault(
                node,
                f"{what} conditions, and {words(node)} is {_said(kind)}",
                _compare_it(node, kind),
            )
        return checked

    def _numeric(self, node: Node, op: str) -> tuple[Node, Type]:
        checked, kind = self.node(node)
        if kind is Unit.BOOL:
            self.fault(node, f"{op} is for numbers, and {words(node)} is true or false")
            return checked, None
        return checked, kind

    def _sum(self, node: Sum) -> tuple[Node, Type]:
        left, one = self._numeric(node.left, node.op)
        right, other = self._numeric(node.right, node.op)
        made, unit = self._met(node, (left, one), (right, other))
        return Sum(node.at, node.op, *made), unit

    def _product(self, node: Sum) -> tuple[Node, Type]:
        left, one = self._numeric(node.left, node.op)
        right, other = self._numeric(node.right, node.op)
        made = Sum(node.at, node.op, left, right)
        if one is None or other is None:
            return made, None
        if node.op == "/":
            return made, one if self._divisor(node, other) else None
        if isinstance(other, Bare):
            return made, one
        if isinstance(one, Bare):
            return made, other
        if other.kind is Kind.SHARE:
            return Sum(node.at, "*", left, _to(right, other, Unit.RATIO)), one
        if one.kind is Kind.SHARE:
            return Sum(node.at, "*", _to(left, one, Unit.RATIO), right), other
        hint = "multiply by a plain number or a share"
        said = f"{words(node.left)} ({_said(one)}) times {words(node.right)} ({_said(other)})"
        self.fault(node, f"{said} measures nothing", hint)
        return made, None

    def _divisor(self, node: Sum, kind: Type) -> bool:
        value = constant(node.right)
        if value is None:
            hint = "write the ratio as a query, or multiply: errors > 2 * before"
            self.fault(node, "a condition divides only by a number, which can't become 0", hint)
        elif value == 0 or not math.isfinite(value):
            self.fault(node, f"division by {value:g}", "divide by a number other than 0")
        elif not isinstance(kind, Bare):
            self.fault(
                node, f"division by {words(node.right)} ({_said(kind)})", "divide by a plain number"
            )
        else:
            return True
        return False

    def _compare(self, node: Compare) -> Node:
        left, one = self.node(node.left)
        right, other = self.node(node.right)
        if one is None or other is None:
            return Compare(node.at, node.op, left, right)
        if one is Unit.BOOL and other is Unit.BOOL:
            if node.op not in {"==", "!="}:
                self.fault(node, f"true and false have no order ({node.op})", "write == or !=")
            return Compare(node.at, node.op, left, right, Unit.BOOL)
        if not any(signals_of(node)):
            hint = "name a signal on one side"
            self.fault(node, f"{words(node)} compares two constants", hint)
            return Compare(node.at, node.op, left, right)
        made, unit = self._met(node, (left, one), (right, other))
        if isinstance(unit, Unit):
            self._in_range(node, made[0], made[1], unit)
            return Compare(node.at, node.op, *made, unit)
        return Compare(node.at, node.op, *made)

    def _met(
        self, node: Sum | Compare, one: tuple[Node, Type], other: tuple[Node, Type]
    ) -> tuple[tuple[Node, Node], Type]:
        """Two sides that must be of one kind; both in one unit afterwards."""
        (left, mine), (right, yours) = one, other
        same = (left, right)
        if mine is None or yours is None:
            return same, None
        if Unit.BOOL in (mine, yours):
            self._mismatch(node, mine, yours)
            return same, None
        if isinstance(mine, Bare):
            return same, yours
        if isinstance(yours, Bare):
            return same, mine
        if mine.kind is not yours.kind:
            self._mismatch(node, mine, yours)
            return same, None
        if any(signals_of(left)) or not any(signals_of(right)):
            return (left, _to(right, yours, mine)), mine
        return (_to(left, mine, yours), right), yours

    def _mismatch(self, node: Sum | Compare, mine: Type, yours: Type) -> None:
        verb = "compared with" if isinstance(node, Compare) else "added to or taken from"
        left, right = words(node.left), words(node.right)
        message = f"{left} ({_said(mine)}) can't be {verb} {right} ({_said(yours)})"
        reads_left = any(signals_of(node.left))
        reads_right = any(signals_of(node.right))
        if reads_left and reads_right:
            hint = "both sides must measure the same"
        else:
            name, unit = (left, mine) if reads_left else (right, yours)
            hint = f"{name} is {_said(unit)}"
            if unit is Unit.BOOL:
                hint += f": write {name} or !{name}"
            elif isinstance(unit, Unit):
                hint += f": write it like {unit.example}"
        self.fault(node, message, hint)

    def _in_range(self, node: Compare, left: Node, right: Node, unit: Unit) -> None:
        """A bare 5 on a ratio was meant as 5%; a limit that is never reached, as another one."""
        top = {Unit.RATIO: 1, Unit.PERCENT: 100}.get(unit)
        signal, written, limit = node.left, node.right, constant(right)
        if limit is None:
            signal, written, limit = node.right, node.left, constant(left)
        if limit is not None and not math.isfinite(limit):
            self.fault(written, f"{words(written)} is beyond every measure")
            return
        if limit is None or top is None or not isinstance(signal, Signal):
            return
        bare = isinstance(written, Number) and written.unit is None
        text = words(written)
        if unit is Unit.RATIO and bare and (limit > 1 or text == "1"):
            said = "a ratio never exceeds 1" if limit > 1 else "1 is all of them, 100%"
            self.fault(written, f"{signal.name} is a ratio: {said}", f"{text}%?")
        elif unit is Unit.RATIO and (limit > top or limit < 0):
            said = "a ratio is never below 0" if limit < 0 else "a ratio never exceeds 1, or 100%"
            self.fault(written, f"{signal.name} against {text}: {said}")


def _no_signal(name: str, signals: Mapping[str, Unit]) -> tuple[str, str]:
    shown = name if len(name) <= 40 else name[:39] + "…"
    parent = name.rpartition(".")[0]
    if parent in signals:
        return f"{parent!r} is a signal, and a signal has no fields", f"write {parent}"
    if len(name) <= 63 and (close := difflib.get_close_matches(name, list(signals), 1)):
        return f"there is no signal {shown!r}", f"did you mean {close[0]}?"
    known = ", ".join(sorted(signals)[:8])
    return f"there is no signal {shown!r}", f"signals are {known}" if known else "none is declared"


def _to(node: Node, unit: Unit, wanted: Unit) -> Node:
    """A number in another unit of its kind; literals are turned exactly."""
    if unit.per_base == wanted.per_base:
        return node
    match node:
        case Number():
            value = node.value * wanted.per_base / unit.per_base
            return replace(node, value=value, unit=wanted)
        case Minus():
            return Minus(node.at, _to(node.of, unit, wanted))
        case _:
            factor = Decimal(wanted.per_base) / Decimal(unit.per_base)
            return Sum(node.at, "*", node, Number(node.at, factor, None, ""))


def _said(kind: Type) -> str:
    return kind.said if isinstance(kind, Unit) else "a number"


def _compare_it(node: Node, kind: Type) -> str:
    if not isinstance(kind, Unit) or not any(signals_of(node)):
        return "compare it with a signal"
    return f"compare it: {words(node)} > {kind.example}"
