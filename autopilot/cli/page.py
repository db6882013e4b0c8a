"""Lines for people, on a terminal or a pipe: titles, facts, items."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

_FACT = 18
_HANG = 2


class Page:
    """Prints.

    Args:
        console: Where to; standard output if left out. A pipe gets no colours and no breaks.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    def title(self, text: str) -> None:
        """The first line."""
        self.console.print(Text(text, style="bold cyan"))

    def section(self, text: str, note: str = "") -> None:
        """A headline, after an empty line."""
        self.console.print()
        self.console.print(Text(text, style="bold cyan") + Text(f"  {note}" if note else "", "dim"))

    def line(self, text: str, style: str = "", *, note: str = "", note_style: str = "dim") -> None:
        """A line; its note stands behind it."""
        made = Text(" " * _HANG) + Text(text, style)
        if note:
            made += Text(f"  {note}", note_style)
        self._print(made, _HANG + 2)

    def fact(self, name: str, text: str, style: str = "", *, note: str = "") -> None:
        """A name, and in a column of its own what is to be said."""
        made = Text(" " * _HANG) + Text(f"{name:<{_FACT}} ", "dim") + Text(text, style)
        if note:
            made += Text(f"  {note}", "dim")
        self._print(made, _HANG + _FACT + 1)

    def item(self, name: str, what: str, text: str, style: str = "") -> None:
        """A named item in two columns."""
        made = Text(" " * (_HANG + 2)) + Text(f"{name:<{_FACT - 2}} ", style or "dim")
        made += Text(f"{what}  ") + Text(text, "green")
        self._print(made, _HANG + _FACT + 1)

    def _print(self, text: Text, hang: int) -> None:
        """A terminal gets a long line broken between words, what follows below the text."""
        if not self.console.is_terminal or text.cell_len <= self.console.width:
            self.console.print(text)
            return
        first, rest = text.divide([hang])
        for number, row in enumerate(
            rest.wrap(self.console, max(20, self.console.width - hang - 1))
        ):
            row.rstrip()
            self.console.print((first if number == 0 else Text(" " * hang)) + row)
