"""Rendered Python as a formatter would leave it.

Names of any length are put into the templates, so what fits on a line is known only afterwards.
This does what follows from that: it joins brackets that fit on one line, splits signatures that
don't, and sorts and wraps the names of `from … import`. It is no formatter for code in general.
"""

from __future__ import annotations

import re

WIDTH = 100
_HUGGED = re.compile(
    r"^(?P<indent> *)(?P<head>\S.*)(?P<open>[(\[{])\n +(?P<body>\S.*[^,\s\\])\n"
    r"(?P=indent)(?P<tail>[)\]}].*)$",
    re.MULTILINE,
)
_SIGNATURE = re.compile(
    r"^(?P<indent> *)(?P<head>(?:async )?def \w+)\((?P<body>[^()\n]+)\)(?P<tail>.*:)$", re.MULTILINE
)
_SPLIT = re.compile(
    r"^(?P<head> *(?:async )?def \w+\(\n)(?P<indent> +)(?P<body>\S.*[^,\s])\n(?P<tail> *\).*:)$",
    re.MULTILINE,
)
_IMPORT = re.compile(
    r"^from (?P<module>\S+) import (?:\((?P<wrapped>[^)]*)\)|(?P<names>[^(\n]+))$", re.MULTILINE
)


def tidy(text: str) -> str:
    """Join what fits, sort and wrap imported names, end with one newline."""
    previous = ""
    while text != previous:
        previous = text
        text = _HUGGED.sub(_joined, text)
    text = _SPLIT.sub(_one_each, _SIGNATURE.sub(_hugged, text))
    text = _IMPORT.sub(_import, text)
    return text.rstrip("\n") + "\n" if text.strip() else ""


def _joined(match: re.Match[str]) -> str:
    line = match["indent"] + match["head"] + match["open"] + match["body"] + match["tail"]
    fits = len(line) <= WIDTH and "#" not in match["body"]
    return line if fits else match[0]


def _hugged(match: re.Match[str]) -> str:
    if len(match[0]) <= WIDTH:
        return match[0]
    indent = match["indent"]
    return f"{indent}{match['head']}(\n{indent}    {match['body']}\n{indent}){match['tail']}"


def _one_each(match: re.Match[str]) -> str:
    if len(match["indent"] + match["body"]) <= WIDTH:
        return match[0]
    parameters = re.split(r", (?![^\[]*\])", match["body"])
    lines = "".join(f"{match['indent']}{each},\n" for each in parameters)
    return f"{match['head']}{lines}{match['tail']}"


def _import(match: re.Match[str]) -> str:
    found = match["wrapped"] if match["wrapped"] is not None else match["names"]
    if " as " in found or "#" in found:
        return match[0]
    names = sorted({name.strip() for name in found.split(",") if name.strip()}, key=_rank)
    line = f"from {match['module']} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    wrapped = "".join(f"    {name},\n" for name in names)
    return f"from {match['module']} import (\n{wrapped})"


def _rank(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as linters sort imports."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[0].isupper() else 2), name
