"""Conditions over signals: CEL's own evaluator, with units and three-valued logic.

A text is read and checked here, where signals have units and positions, and is handed to the
evaluator with its literals as doubles in the unit of what they meet. A signal that isn't known is
left out of the data, which makes an error value of whatever needs it; `&&` and `||` are
commutative over error values, so that what comes out is Kleene's logic with an error for unknown.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from autopilot.verdict.check import check
from autopilot.verdict.facts import signals_of
from autopilot.verdict.parse import parse
from autopilot.verdict.tree import (
    Compare,
    ConditionError,
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
from autopilot.verdict.units import Unit
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Condition", "ConditionError", "Fault"]

MOST_SIGNALS = 64
"""How many signals one condition may read."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. Immutable; equal when text and units are.

    Attributes:
        text: As its author wrote it.
        reads: The signals that it reads, in the order of their first mention, with their units.
        tree: What was read, checked; for `explain`.
        expression: What the evaluator is given.
    """

    text: str
    reads: Mapping[str, Unit]
    tree: Node = field(repr=False)
    expression: str = field(repr=False, compare=False)
    _program: cel.Expression = field(repr=False, compare=False)
    _slots: tuple[tuple[str, str, bool], ...] = field(repr=False, compare=False)

    @classmethod
    def compile(cls, text: str, signals: Mapping[str, Unit]) -> Condition:
        """Read, check and compile a text.

        Args:
            text: Like `errors > 5% || p99 > 800ms`.
            signals: The names that may be read, dotted ones too, each with its unit.

        Raises:
            ConditionError: It is no condition over these signals; with every fault at once.
        """
        tree, faults = parse(text)
        tree, wrong = check(tree, signals)
        if faults or wrong:
            raise ConditionError(text, [*faults, *wrong])
        names = list(dict.fromkeys(signals_of(tree)))
        if len(names) > MOST_SIGNALS:
            fault = Fault(0, f"{len(names)} signals", f"a condition reads at most {MOST_SIGNALS}")
            raise ConditionError(text, [fault])
        slots = {name: f"{_prefix(signals[name])}{index}" for index, name in enumerate(names)}
        expression = _write(tree, slots)
        return cls(
            text=text,
            reads={name: signals[name] for name in names},
            tree=tree,
            expression=expression,
            _program=_compiled(text, expression),
            _slots=tuple((name, slots[name], signals[name] is Unit.BOOL) for name in names),
        )

    def judge(self, values: Mapping[str, float | None]) -> Verdict:
        """What the condition says of these values.

        Args:
            values: By signal, in its unit; for a bool signal 0 is false and all else true. One
                that is None, missing, NaN or infinite isn't known. Others are ignored.
        """
        data: dict[str, float | bool] = {}
        for name, slot, truth in self._slots:
            value = values.get(name)
            if value is not None and math.isfinite(value):
                data[slot] = bool(value) if truth else float(value)
        said = self._program.eval(data=data).plain_value()
        return Verdict.of(said) if isinstance(said, bool) else Verdict.UNKNOWN

    def __hash__(self) -> int:
        return hash((self.text, tuple(self.reads.items())))


def _prefix(unit: Unit) -> str:
    return "b" if unit is Unit.BOOL else "s"


@functools.cache
def _environment() -> cel.Env:
    """One for all conditions: signals go by number, so their names can't meet CEL's words."""
    kinds: dict[str, Any] = {"unknown": cel.Type.BOOL}
    for index in range(MOST_SIGNALS):
        kinds |= {f"s{index}": cel.Type.DOUBLE, f"b{index}": cel.Type.BOOL}
    return cel.NewEnv(variables=kinds)


def _compiled(text: str, expression: str) -> cel.Expression:
    try:
        program = _environment().compile(expression)
        program.eval(data={})
    except (ValueError, RuntimeError) as error:
        # Reading bounds size and depth; the evaluator's own bounds stand behind.
        fault = Fault(0, "too large for the evaluator", str(error).partition("\n")[0][:120])
        raise ConditionError(text, [fault]) from error
    return program


def _write(node: Node, slots: Mapping[str, str]) -> str:
    """The tree as CEL, in doubles; parentheses only where needed, since each costs depth."""
    match node:
        case Number():
            return _double(float(node.value))
        case Truth():
            return "true" if node.value else "false"
        case Signal():
            return slots[node.name]
        case Minus():
            return f"-{_inner(node.of, slots)}"
        case Not():
            return f"!{_inner(node.of, slots)}"
        case Sum():
            left = _write(node.left, slots) if _chains(node) else _inner(node.left, slots)
            return f"{left} {node.op} {_inner(node.right, slots)}"
        case Compare():
            return _comparison(node, slots)
        case Logic():
            return f" {node.op} ".join(_joined(part, slots) for part in node.parts)
    raise AssertionError(node)


def _inner(node: Node, slots: Mapping[str, str]) -> str:
    """A part of something larger."""
    text = _write(node, slots)
    whole = isinstance(node, Truth | Signal) or (isinstance(node, Number) and text[0] != "-")
    return text if whole else f"({text})"


def _joined(node: Node, slots: Mapping[str, str]) -> str:
    """A part of `&&` or `||`."""
    plain = isinstance(node, Compare) and not _bends(node)
    return _write(node, slots) if plain else _inner(node, slots)


def _chains(node: Sum) -> bool:
    """Whether the left side binds to the left by itself."""
    if not isinstance(node.left, Sum):
        return False
    return node.left.op in "*/" or node.op in "+-"


def _bends(node: Node) -> bool:
    """Whether a comparison's side may leave the finite numbers."""
    return isinstance(node, Compare) and (_counts(node.left) or _counts(node.right))


def _counts(node: Node) -> bool:
    """Whether a number is reckoned from signals."""
    return isinstance(node, Sum | Minus) and any(signals_of(node))


def _comparison(node: Compare, slots: Mapping[str, str]) -> str:
    left, right = _inner(node.left, slots), _inner(node.right, slots)
    plain = f"{left} {node.op} {right}"
    if not _bends(node):
        return plain
    # An overflow is no number to compare with: its difference with itself is NaN, never 0.
    sides = [
        f"{text} - {text} == 0.0"
        for text, side in ((left, node.left), (right, node.right))
        if _counts(side)
    ]
    return f"{' && '.join(sides)} ? {plain} : unknown"


def _double(value: float) -> str:
    text = repr(value)
    return text if any(sign in text for sign in ".en") else f"{text}.0"
