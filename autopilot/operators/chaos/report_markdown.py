"""A report in Markdown: for a pull request, a ticket, a chat."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from autopilot.operators.chaos import report_facts as say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.operators.chaos.report_model import RunRecord

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_WIDTH = 40


def markdown(record: RunRecord) -> str:
    """The report as a text in GitHub's Markdown."""
    lines = [f"# {_text(say.title(record))}: {_text(say.verdict(record))}", ""]
    if record.cause is not None:
        lines += [f"**{_text(record.cause.message)}**", ""]
    for name, value, remark in say.facts(record):
        lines.append(f"- {name}: {_text(value)}" + (f" ({_text(remark)})" if remark else ""))
    lines += _conditions(record)
    lines += _section(
        "Phases",
        ("Phase", "At", "Why"),
        ((one.phase, say.offset(record, one.at), one.message) for one in record.phases),
    )
    lines += _section(
        "Expected of others",
        ("What", "Result", "After", "Seen last"),
        (
            (
                one.what,
                say.MET[one.met],
                "–" if one.after is None else f"{one.after:.1f} s",
                one.message,
            )
            for one in record.expects
        ),
    )
    lines += _section(
        "Changes to the mesh",
        ("Object", "Change", "Made", "Undone"),
        (
            (one.object, one.change, say.offset(record, one.made), say.offset(record, one.undone))
            for one in record.overlays
        ),
    )
    lines += ["", "## Experiment", "", *_fenced(json.dumps(record.spec, indent=2, default=str))]
    return "\n".join(lines) + "\n"


def _conditions(record: RunRecord) -> list[str]:
    rows = []
    for one in record.conditions:
        row = say.summary(one)
        unknown = f", {row.unknown} unknown" if row.unknown else ""
        values = f"{row.lowest} … {row.highest}"
        rows.append((row.name, row.reads, row.fails, f"{row.polls}{unknown}", values, row.last))
    lines = _section(
        "Failure conditions", ("Name", "Reads", "Fails when", "Polls", "Values", "Last"), rows
    )
    drawn = [(one, say.spark(record, one, _WIDTH)) for one in record.conditions]
    longest = max((len(_line(one.name)) for one, text in drawn if text), default=0)
    curves = [
        f"{_line(one.name):<{longest}}  {text}  "
        f"{say.summary(one).lowest} … {say.summary(one).highest}"
        for one, text in drawn
        if text
    ]
    return lines + (["", *_fenced("\n".join(curves))] if curves else [])


def _section(heading: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = [f"| {' | '.join(_text(cell) or ' ' for cell in row)} |" for row in rows]
    if not found:
        return []
    head = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    return ["", f"## {heading}", "", *head, *found]


def _fenced(text: str) -> list[str]:
    """A block whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, text, fence]


def _text(text: str) -> str:
    """One line, which means nothing to Markdown."""
    return _SPECIAL.sub(r"\\\1", _line(text))


def _line(text: str) -> str:
    return " ".join(text.split())
