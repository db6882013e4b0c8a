"""A condition's text as tokens: the one place that knows where a text or a comment ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from autopilot.verdict.tree import Fault
from autopilot.verdict.units import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

_TWO = ("&&", "||", "==", "!=", "<=", ">=")
_ONE = "<>!()+-*/"
_SPACE = " \t\r\n"
_QUOTES = "\"'"
_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_UNITS_SAID = "units are %, ms, s, m, h and d"
_MEANT = {"=": "==", "&": "&&", "|": "||", "≥": ">=", "≤": "<=", "≠": "!=", "×": "*"}
_OTHERWISE = {
    "=": ("'=' is no comparison", "write =="),
    "&": ("'&' is no operator", "write &&"),
    "|": ("'|' is no operator", "write ||"),
    "≥": ("'≥' is no operator", "write >="),
    "≤": ("'≤' is no operator", "write <="),
    "≠": ("'≠' is no operator", "write !="),
    "×": ("'×' is no operator", "write *"),
    "?": ("a condition has no '?:'", "write it with && and ||"),
    ":": ("a condition has no ':'", "write it with && and ||"),
    "[": ("a condition has no lists and no indexing", "name a signal for each value"),
    "]": ("a condition has no lists and no indexing", "name a signal for each value"),
    "{": ("a condition has no maps", "name a signal for each value"),
    "}": ("a condition has no maps", "name a signal for each value"),
    ",": ("a condition has no ','", "for a decimal write 0.5, for two conditions && or ||"),
    ";": ("a condition has no ';'", "join conditions with && or ||"),
    "^": ("'^' is no operator", "operators are + - * /"),
    "%": ("there is no % operator", "% stands right after a number: 5%"),
    ".": ("a '.' stands alone", "a signal has no fields"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: `number`, `name`, `text`, `end`, `bad` (a fault tells of it), or the operator itself.
        at: Where it begins.
        text: As written.
        value: A number's value, in its unit.
        unit: A number's unit; None for a bare one.
    """

    kind: str
    at: int
    text: str
    value: Decimal = Decimal(0)
    unit: Unit | None = None


class Tokens:
    """Reads a text into tokens; what can't be one becomes a fault, and is passed over."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[Fault] = []
        self._at = 0

    def read(self) -> list[Token]:
        """All tokens, the last one of kind `end`."""
        return [*self._all(), Token("end", len(self.text), "")]

    def _all(self) -> Iterator[Token]:
        text = self.text
        while self._at < len(text):
            at, here = self._at, text[self._at]
            if here in _SPACE:
                self._at += 1
            elif text.startswith("//", at):
                end = text.find("\n", at)
                self._at = len(text) if end < 0 else end
            elif here in _QUOTES or self._prefixed(at):
                yield self._string()
            elif _digit(here) or (here == "." and _digit(text[at + 1 : at + 2])):
                yield self._number()
            elif _letter(here):
                yield self._name()
            elif text[at : at + 2] in _TWO or here in _ONE:
                size = 2 if text[at : at + 2] in _TWO else 1
                self._at += size
                yield Token(text[at : at + size], at, text[at : at + size])
            else:
                yield self._otherwise(here)

    def _otherwise(self, here: str) -> Token:
        """A fault, and what was meant: so that the rest can still be read."""
        at = self._at
        while self._at < len(self.text) and self.text[self._at] == here:
            self._at += 1
        said = _OTHERWISE.get(here)
        message, hint = said or (f"{here!r} means nothing in a condition", "")
        self.faults.append(Fault(at, message, hint))
        return Token(_MEANT.get(here, "bad"), at, here)

    def _prefixed(self, at: int) -> bool:
        """Whether a raw or bytes text begins here: r"", b'', rb"", bR''."""
        end = at
        while end < at + 2 and self.text[end : end + 1] in {"r", "R", "b", "B"}:
            end += 1
        return end > at and self.text[end : end + 1] in {'"', "'"}

    def _string(self) -> Token:
        text, at = self.text, self._at
        raw = False
        while text[self._at] not in _QUOTES:
            raw = raw or text[self._at] in "rR"
            self._at += 1
        quote = text[self._at]
        mark = quote * 3 if text.startswith(quote * 3, self._at) else quote
        self._at += len(mark)
        while self._at < len(text) and not text.startswith(mark, self._at):
            if len(mark) == 1 and text[self._at] == "\n":
                break
            self._at += 2 if text[self._at] == "\\" and not raw else 1
        if not text.startswith(mark, self._at) or self._at >= len(text):
            self._at = min(self._at, len(text))
            self.faults.append(
                Fault(at, "the text that begins here doesn't end", f"close it with {mark}")
            )
        else:
            self._at += len(mark)
        return Token("text", at, text[at : self._at])

    def _name(self) -> Token:
        text, at = self.text, self._at
        while True:
            self._word()
            if text[self._at : self._at + 1] != "." or not _letter(
                text[self._at + 1 : self._at + 2]
            ):
                return Token("name", at, text[at : self._at])
            self._at += 1

    def _word(self) -> None:
        text = self.text
        while self._at < len(text) and (_letter(text[self._at]) or _digit(text[self._at])):
            self._at += 1

    def _number(self) -> Token:
        """A number with what stands right after it: `5`, `0.05`, `5%`, `800ms`, `1m30s`."""
        at = self._at
        parts: list[tuple[str, str]] = []
        while not parts or (parts[-1][1] and _digit(self.text[self._at : self._at + 1])):
            digits = self._digits()
            start = self._at
            while _letter(self.text[self._at : self._at + 1]):
                self._at += 1
            parts.append((digits, self.text[start : self._at]))
        if len(parts) == 1 and not parts[0][1] and self._percent():
            return self._checked(at, parts[0][0], Unit.PERCENT)
        if len(parts) == 1 and not parts[0][1]:
            return self._checked(at, parts[0][0], None)
        return self._duration(at, parts)

    def _digits(self) -> str:
        """Digits, a fraction and an exponent; an `e` that no digits follow isn't one."""
        text, at = self.text, self._at
        self._run()
        if text[self._at : self._at + 1] == "." and _digit(text[self._at + 1 : self._at + 2]):
            self._at += 1
            self._run()
        if text[self._at : self._at + 1] in {"e", "E"}:
            sign = 1 if text[self._at + 1 : self._at + 2] in {"+", "-"} else 0
            if _digit(text[self._at + 1 + sign : self._at + 2 + sign]):
                self._at += 1 + sign
                self._run()
        return text[at : self._at]

    def _run(self) -> None:
        while _digit(self.text[self._at : self._at + 1]):
            self._at += 1

    def _percent(self) -> bool:
        end = self._at
        while self.text[end : end + 1] == " ":
            end += 1
        if self.text[end : end + 1] != "%":
            return False
        self._at = end + 1
        return True

    def _duration(self, at: int, parts: list[tuple[str, str]]) -> Token:
        text = self.text[at : self._at]
        wrong = [unit for _, unit in parts if unit not in _SECONDS]
        if wrong:
            self._unknown_unit(at, text, wrong[0])
            return Token("number", at, text, Decimal("NaN"))
        if len(parts) == 1 and parts[0][1] == "ms":
            return self._checked(at, parts[0][0], Unit.MILLISECONDS)
        strange = any("e" in digits.lower() or len(digits) > 40 for digits, _ in parts)
        if strange or len(parts) > len(_SECONDS):
            self.faults.append(Fault(at, f"{_short(text)} is no duration", "write it like 1m30s"))
            return Token("number", at, text, Decimal("NaN"))
        seconds = sum((Decimal(digits) * _SECONDS[unit] for digits, unit in parts), Decimal(0))
        return self._checked(at, str(seconds), Unit.SECONDS)

    def _unknown_unit(self, at: int, text: str, unit: str) -> None:
        hint = _UNITS_SAID
        if unit.lower().startswith("x") or unit in {"u", "_"} or unit.startswith("_"):
            hint = "write a plain decimal number"
        elif unit in {"k", "K", "M", "G"}:
            hint = "write the number out"
        elif unit.lower() in {"sec", "secs", "second", "seconds", "min", "msec", "percent", "pct"}:
            right = "ms" if unit.lower() == "msec" else "m" if unit.lower() == "min" else "s"
            right = "%" if unit.lower() in {"percent", "pct"} else right
            hint = f"{text[: -len(unit)]}{right}?"
        self.faults.append(Fault(at, f"{_short(text)} is no number", hint))

    def _checked(self, at: int, digits: str, unit: Unit | None) -> Token:
        text = self.text[at : self._at]
        try:
            value = Decimal(digits) if len(digits) <= 40 else Decimal("NaN")
        except InvalidOperation:
            value = Decimal("NaN")
        if not (value.is_finite() and math.isfinite(float(value))):
            self.faults.append(Fault(at, f"{_short(text)} is beyond every measure"))
            value = Decimal("NaN")
        return Token("number", at, text, value, unit)


def _digit(text: str) -> bool:
    return "0" <= text <= "9" and len(text) == 1


def _letter(text: str) -> bool:
    return len(text) == 1 and ("a" <= text <= "z" or "A" <= text <= "Z" or text == "_")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
