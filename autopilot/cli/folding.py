"""Long lines on a terminal: broken between words, what follows below the text. Pipes get none."""

from __future__ import annotations

import shutil
import sys
import textwrap

import click

_NARROWEST = 20


def fold(line: str, hang: int | None = None) -> str:
    """A line as wide as the terminal that it goes to; unchanged where it goes elsewhere.

    Args:
        line: The line.
        hang: Columns before what follows; two more than before the first row if left out.
    """
    width = shutil.get_terminal_size().columns
    if not sys.stdout.isatty() or len(line) <= width:
        return line
    indent = len(line) - len(line.lstrip())
    before = " " * (indent + 2 if hang is None else hang)
    rows = textwrap.wrap(
        line,
        max(width, len(before) + _NARROWEST),
        subsequent_indent=before,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(rows)


def say(line: str, hang: int | None = None) -> None:
    """Print a line, folded."""
    click.echo(fold(line, hang))
