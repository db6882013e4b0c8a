"""What a demo prints, live and at its end."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autopilot.report.sparkline import plot
from autopilot.sandbox.demo import curves
from autopilot.sandbox.demo.record import PROMOTED, FlightRecord, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.report.sparkline import Curve
    from autopilot.sandbox.demo.record import Check, Mark
    from autopilot.sandbox.state import State

_STYLES = {"true": "red", "false": "green", "unknown": "yellow"}
_HANG = 11
"""Columns before the text of a flight's lines: what is wrapped goes on below it."""


class Flown(Protocol):
    """What went through phases in a time."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def phases(self) -> Sequence[Mark]:
        """The phases entered."""
        ...

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...


class Show:
    """Prints lines for people; on a pipe without colours.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._queries: set[str] = set()
        self._last = ""

    def fact(self, name: str, text: str) -> None:
        """A line of the set-up."""
        self.console.print(Text(f"  {name:<12}", style="bold") + Text(text))

    def introduce(self, state: State, host: str, seconds: float) -> None:
        """Say what runs where.

        Args:
            state: The sandbox's.
            host: What a reader may try to ask.
            seconds: What it took so far.
        """
        self.fact("sandbox", f"{state.api_url} · up in {seconds:.1f} s")
        for part in ("envoy", "prometheus"):
            process = state.process(part)
            self.fact(
                part, f"{process.version} · pid {process.pid} · port {process.port} · {process.url}"
            )
        self.fact("try it", f"curl -s -H 'Host: {host}' {state.ingress_url}/")

    def plain(self, text: str) -> None:
        """A line without a mark."""
        self._line(Text(text), hang=4)

    def quote(self, text: str) -> None:
        """A file, as it is."""
        for row in text.splitlines():
            self.console.print(Text(f"    {row}", style="dim"))

    def flight(self, number: int, name: str) -> None:
        """The headline of a flight."""
        self.headline(f"Flight {number}: {name}")

    def headline(self, text: str) -> None:
        """What follows, after an empty line."""
        self.console.print()
        self.console.print(Text(text, style="bold cyan"))

    def event(self, at: float, text: str, *, style: str = "") -> None:
        """Something that happened in a flight."""
        self._line(Text(f"  {at:5.1f} s  ", style="dim") + Text(text, style=style))

    def decision(self, at: float, line: dict[str, Any]) -> None:
        """A decision: what was asked, what came back, what was changed.

        One that neither changes anything nor has another reason than the one before is left out.
        """
        phase, following = line.get("phase", ""), line.get("next") or ""
        reason = f"{phase} {following} {line.get('reason', '')}"
        if reason == self._last and not line.get("changes"):
            return
        self._last = reason
        going = f" → {following}" if following not in ("", phase) else ""
        head = Text(f"  {at:5.1f} s  ", style="dim")
        head.append(f"{phase}{going}", style="bold")
        for text, style in ((line.get("reason"), "magenta"), (line.get("message"), "")):
            if text:
                head.append(f"  {text}", style=style)
        self._line(head)
        for read in line.get("reads", []):
            self._read(read)
        for change in line.get("changes", []):
            self._line(Text(f"           ✎ {change}", style="green"), hang=_HANG + 2)

    def _read(self, read: dict[str, Any]) -> None:
        value, name = read["value"], read["query"]
        answer = f"{value:.4g}" if value is not None else str(read.get("why") or "unknown")
        text = Text(f"           ? {name} = ").append(answer, style="bold")
        for number, judged in enumerate(read["judged"]):
            text.append(" · " if number else "  ")
            text.append(f"{judged['relation']} {judged['limit']:.3g} is ")
            text.append(judged["verdict"], style=_STYLES.get(judged["verdict"], ""))
        self._line(text, hang=_HANG + 2)
        if read["promql"] not in self._queries:
            # Once is enough: it stays the same from flight to flight.
            self._queries.add(read["promql"])
            self._query(read["promql"])

    def _query(self, promql: str) -> None:
        """PromQL as it was sent; a terminal gets it broken between words, so that it can be copied.

        A longer word is the terminal's to break.
        """
        width = self.console.width - _HANG - 3 if self.console.is_terminal else len(promql)
        for row in textwrap.wrap(promql, width, break_long_words=False, break_on_hyphens=False):
            self.console.print(Text(f"             {row}", style="dim"))

    def _line(self, text: Text, *, hang: int = _HANG) -> None:
        """A line; a terminal gets it broken between words, with what follows below the text."""
        if not self.console.is_terminal or text.cell_len <= self.console.width:
            self.console.print(text)
            return
        first, rest = text.divide([hang])
        rows = rest.wrap(self.console, max(20, self.console.width - hang - 1))
        for number, row in enumerate(rows):
            row.rstrip()
            self.console.print((first if number == 0 else Text(" " * hang)) + row)

    def phases(self, flights: Sequence[Flown]) -> None:
        """The table of phases and times."""
        table = Table(title="Phases", title_justify="left", title_style="bold")
        for column in ("flight", "phase"):
            table.add_column(column)
        for column in ("at", "stayed"):
            table.add_column(column, justify="right")
        for flight in flights:
            ends = [mark.at for mark in flight.phases[1:]] + [flight.seconds]
            for index, (mark, end) in enumerate(zip(flight.phases, ends, strict=True)):
                name = flight.name if index == 0 else ""
                table.add_row(name, str(mark.what), f"{mark.at:.1f} s", f"{end - mark.at:.1f} s")
            table.add_section()
        self.console.print()
        self.console.print(table)

    def result(self, number: int, flight: FlightRecord) -> None:
        """A flight's plot, its figures and whether it ended as it should."""
        self.flight(number, flight.name)
        seconds = flight.seconds
        self.plot(
            [
                curves.share("canary %", flight.weights, seconds),
                *curves.answers(flight.requests, flight.began, seconds),
            ],
            seconds,
        )
        self.verdict(flight.as_expected, f"{flight.outcome}: {summary(flight)}")
        self.checks(flight.checks)

    def plot(self, lines: Sequence[Curve], seconds: float) -> None:
        """Curves over one axis of time."""
        for row in plot(lines, seconds=seconds, width=curves.WIDTH):
            self.console.print(Text(f"  {row}"))

    def verdict(self, good: bool, text: str) -> None:
        """How something ended."""
        mark = Text("  ✓ " if good else "  ✗ ", style="bold green" if good else "bold red")
        self._line(mark + Text(text), hang=4)

    def checks(self, checks: Sequence[Check]) -> None:
        """What had to hold besides."""
        for check in checks:
            sign = Text("  ✓ ", style="green") if check.held else Text("  ✗ ", style="bold red")
            self._line(sign + Text(check.what), hang=4)


def verdict(flights: Sequence[FlightRecord]) -> str:
    """The last line."""
    bad = [flight.name for flight in flights if not flight.as_expected]
    if bad:
        return f"not as it should be: {', '.join(bad)}"
    promoted = sum(flight.outcome == PROMOTED for flight in flights)
    return f"{promoted} promoted, {len(flights) - promoted} rolled back: as it should be"
