"""From a condition's text to its tree, with every fault that can be told apart.

The grammar is CEL's without what a condition over signals has no use for: no calls, members,
indexing, lists, maps, macros, `?:`, `in` or `%`. After a fault the reader goes on behind the next
`&&`, `||` or `)`, so that one slip doesn't hide another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.verdict.tokens import Token, Tokens
from autopilot.verdict.tree import (
    Bad,
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

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 2000
"""The longest text, in characters."""
DEEPEST = 12
"""How deeply parentheses and signs may be nested."""
MOST_FAULTS = 20
"""After this many faults the reader gives up."""

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_RESUME = ("&&", "||", ")", "end")
_WORDS = {"and": "&&", "or": "||", "not": "!"}
_UNITS = ("ms", "s", "m", "h", "d")
_KEYWORDS = ("in", "is", "like", "matches", "contains", "between", "then", "else", "if")


class GiveUp(Exception):
    """Reading on makes no sense; the faults say why."""


def parse(text: str) -> tuple[Node, list[Fault]]:
    """Read a text.

    Returns:
        Its tree, with `Bad` where it couldn't be read, and what is wrong.

    Raises:
        ConditionError: It is too long or nested too deeply to be looked at.
    """
    if len(text) > LONGEST:
        fault = Fault(0, f"{len(text)} characters", f"a condition has at most {LONGEST}")
        raise ConditionError(text[:LONGEST], [fault])
    tokens = Tokens(text)
    reader = _Reader(tokens.read(), tokens.faults)
    try:
        tree = reader.condition()
    except GiveUp:
        raise ConditionError(text, reader.faults[:MOST_FAULTS]) from None
    return tree, reader.faults


class _Reader:
    """Recursive descent over the tokens; bounded in depth."""

    def __init__(self, tokens: list[Token], faults: list[Fault]) -> None:
        self.faults = faults
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def condition(self) -> Node:
        """The whole text."""
        if len(self._tokens) == 1:
            if not self.faults:
                self._fault(self._token, "the condition is empty", "write one like errors > 5%")
            return Bad(0)
        parts = [self._or()]
        while self._token.kind == ")":
            self._fault(self._token, "this ')' closes nothing")
            while self._token.kind == ")":
                self._take()
            self._resume()
            if self._token.kind in {"&&", "||"}:
                self._take()
                parts.append(self._or())
        return parts[0] if len(parts) == 1 else Logic(0, "&&", tuple(parts))

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._next += 1
        return token

    def _fault(self, token: Token, message: str, hint: str = "") -> None:
        self.faults.append(Fault(token.at, message, hint))
        if len(self.faults) >= MOST_FAULTS:
            raise GiveUp

    def _resume(self) -> None:
        """Pass over what follows a fault, up to where a new part of the condition begins."""
        depth = 0
        while depth > 0 or self._token.kind not in _RESUME:
            kind = self._token.kind
            if kind == "end":
                return
            depth += (kind == "(") - (kind == ")")
            self._next += 1

    def _stray(self, token: Token) -> None:
        """Something stands where an operator should."""
        word = token.text.lower()
        before = self._tokens[self._next - 1]
        if token.kind == "bad":
            return
        if token.kind == "name" and before.kind == "number" and token.text in _UNITS:
            self._fault(token, "a unit stands right after its number", f"{before.text}{word}")
        elif token.kind == "name" and word in _WORDS:
            self._fault(token, f"{token.text!r} is no operator", f"write {_WORDS[word]}")
        elif token.kind == "name" and word in _KEYWORDS:
            hint = "operators are < <= > >= == != && || ! + - * /"
            self._fault(token, f"there is no {token.text!r} in a condition", hint)
        else:
            hint = "joins are && and ||, comparisons < <= > >= == !="
            self._fault(token, f"an operator is missing before {_shown(token)}", hint)

    def _or(self) -> Node:
        return self._logic("||", self._and)

    def _and(self) -> Node:
        return self._logic("&&", self._part)

    def _part(self) -> Node:
        """A comparison, with nothing behind it but what may follow one."""
        node = self._comparison()
        if self._token.kind in _RESUME:
            return node
        self._stray(self._token)
        self._resume()
        return Bad(node.at)

    def _logic(self, op: str, below: Callable[[], Node]) -> Node:
        first = below()
        if self._token.kind != op:
            return first
        at, parts = self._token.at, [first]
        while self._token.kind == op:
            self._take()
            parts.append(below())
        return Logic(at, op, tuple(parts))

    def _comparison(self) -> Node:
        left = self._sum()
        if self._token.kind not in _COMPARISONS:
            return left
        op = self._take()
        right = self._sum()
        if self._token.kind in _COMPARISONS:
            hint = "write 1% < errors && errors < 5%, or use parentheses"
            self._fault(self._token, "comparisons can't be chained", hint)
            self._resume()
            return Bad(op.at)
        return Compare(op.at, op.kind, left, right)

    def _sum(self) -> Node:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._arithmetic(("*", "/"), self._unary)

    def _arithmetic(self, ops: tuple[str, str], below: Callable[[], Node]) -> Node:
        left, terms = below(), 1
        while self._token.kind in ops:
            op, terms = self._take(), terms + 1
            if terms > DEEPEST:
                self._fault(op, "too many terms", f"at most {DEEPEST} in one sum or product")
                raise GiveUp
            left = Sum(op.at, op.kind, left, below())
        return left

    def _unary(self) -> Node:
        token = self._token
        if token.kind not in {"!", "-"}:
            return self._primary()
        self._take()
        self._deeper(token)
        of = self._unary()
        self._depth -= 1
        return Not(token.at, of) if token.kind == "!" else Minus(token.at, of)

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fault(token, "nested too deeply", f"at most {DEEPEST} levels")
            raise GiveUp

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return Bad(token.at) if token.value.is_nan() else _number(token)
        if token.kind == "(":
            return self._parenthesis(token)
        if token.kind == "text":
            hint = "signals are numbers, or true and false"
            self._fault(token, f"a text ({_shown(token)}) can't be compared with anything", hint)
            return Bad(token.at)
        if token.kind == "name":
            return self._name(token)
        self._next -= token.kind != "end"
        where = "at the end" if token.kind == "end" else f"before {_shown(token)}"
        if token.kind != "bad":
            self._fault(token, f"a signal or a number is missing {where}")
        self._resume()
        return Bad(token.at)

    def _parenthesis(self, opening: Token) -> Node:
        self._deeper(opening)
        inside = self._or()
        if self._token.kind == "end":
            self._fault(opening, "this '(' isn't closed")
            return Bad(opening.at)
        self._take()
        self._depth -= 1
        return inside

    def _name(self, token: Token) -> Node:
        if token.text in {"true", "false"}:
            return Truth(token.at, token.text == "true")
        if token.text.lower() == "not":
            self._fault(token, f"{token.text!r} is no operator", "write !")
            self._resume()
            return Bad(token.at)
        if self._token.kind == "(":
            self._fault(token, f"a condition calls no functions ({token.text})", "name a signal")
            self._resume()
            return Bad(token.at)
        return Signal(token.at, token.text)


def _number(token: Token) -> Number:
    return Number(token.at, token.value, token.unit, token.text)


def _shown(token: Token) -> str:
    text = token.text if len(token.text) <= 30 else token.text[:29] + "…"
    return "the end" if token.kind == "end" else text
