"""Putting values into PromQL so that none of them can become PromQL."""

from __future__ import annotations

import re

from autopilot.base import durations

_ESCAPES = {"\\": "\\\\", "\n": "\\n", '"': "\\x22", "'": "\\x27", "`": "\\x60"}
_REGEX_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_DURATION = re.compile(r"(\d+(ms|s|m|h|d|w|y))+")
_BARE = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*|-?\d+(\.\d+)?([eE][+-]?\d+)?")


def escape(text: str) -> str:
    r"""Make text safe inside a `"…"` or `'…'` literal.

    Quotes become `\x22` and the like rather than `\"`: PromQL, like Go, refuses an escaped quote
    of the other sort, and so one spelling is right in both sorts.

    Raises:
        ValueError: The text isn't Unicode (a lone surrogate).
    """
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("a lone surrogate can't be sent")
    return "".join(
        _ESCAPES.get(char) or (f"\\x{ord(char):02x}" if char < " " or char == "\x7f" else char)
        for char in text
    )


def quote(text: str) -> str:
    """The text as a string literal."""
    return f'"{escape(text)}"'


def regex(text: str) -> str:
    """The text as a regular expression (RE2) that matches only itself; not yet quoted."""
    return _REGEX_META.sub(lambda match: "\\" + match.group(), text)


def one_of(label: str, values: list[str]) -> str:
    """A matcher for any of these values: `=` for one, an anchored alternation for several."""
    if len(values) == 1:
        return f"{label}={quote(values[0])}"
    return f"{label}=~{quote('|'.join(regex(value) for value in values))}"


def window(text: str) -> str:
    """Check a range's duration and write it as PromQL takes it: `1.5s` becomes `1s500ms`.

    Raises:
        ValueError: It is no duration, or zero.
    """
    if not _DURATION.fullmatch(text):
        text = durations.render(durations.parse(text))
    if not re.search(r"[1-9]", text):
        raise ValueError("a window of no length holds no samples; write one like 5s")
    return text


def bare(text: str) -> str:
    """Check a value that stands outside quotes, where nothing can be escaped.

    Raises:
        ValueError: It is neither a duration, a number nor a name.
    """
    if _DURATION.fullmatch(text) or _BARE.fullmatch(text):
        return text
    raise ValueError(
        f"{text[:60]!r} stands outside quotes, where only a duration, a number or a name may"
    )
