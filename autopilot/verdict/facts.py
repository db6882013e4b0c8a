"""What can be told of a condition's tree without any values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.verdict.tree import Compare, Logic, Minus, Node, Not, Number, Signal, Sum, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator


def signals_of(node: Node) -> Iterator[str]:
    """The names of the signals in a tree, as often as they occur."""
    match node:
        case Signal():
            yield node.name
        case Minus() | Not():
            yield from signals_of(node.of)
        case Sum() | Compare():
            yield from signals_of(node.left)
            yield from signals_of(node.right)
        case Logic():
            for part in node.parts:
                yield from signals_of(part)
        case _:
            return


def constant(node: Node) -> float | None:
    """The value of a number that reads no signal; None where it does."""
    match node:
        case Number():
            return float(node.value)
        case Minus():
            value = constant(node.of)
            return None if value is None else -value
        case Sum():
            left, right = constant(node.left), constant(node.right)
            if left is None or right is None or (node.op == "/" and right == 0):
                return None
            return {
                "+": lambda: left + right,
                "-": lambda: left - right,
                "*": lambda: left * right,
                "/": lambda: left / right,
            }[node.op]()
        case _:
            return None


def words(node: Node) -> str:
    """A part of a condition as its author might have written it, shortened."""
    text = _text(node, 3)
    return text if len(text) <= 60 else text[:59] + "…"


def _text(node: Node, depth: int) -> str:
    if depth == 0:
        return "…"
    match node:
        case Number():
            return node.text
        case Truth():
            return "true" if node.value else "false"
        case Signal():
            return node.name
        case Minus():
            return f"-{_text(node.of, depth - 1)}"
        case Not():
            return f"!{_text(node.of, depth - 1)}"
        case Sum() | Compare():
            return f"{_text(node.left, depth - 1)} {node.op} {_text(node.right, depth - 1)}"
        case Logic():
            parts = [_text(part, depth - 1) for part in node.parts[:3]]
            return f" {node.op} ".join(parts)
    return "…"
