"""What a demo prints, live and at its end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autopilot.report.sparkline import Curve, plot
from autopilot.sandbox.demo.record import PROMOTED, FlightRecord, summary
from autopilot.sandbox.load import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKS = {"true": "[red]true[/]", "false": "[green]false[/]", "unknown": "[yellow]unknown[/]"}
_COLUMN = 0.5


class Show:
    """Prints lines for people; on a pipe without colours.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._queries: set[str] = set()

    def fact(self, name: str, text: str) -> None:
        """A line of the set-up."""
        self.console.print(Text(f"  {name:<12}", style="bold") + Text(text))

    def flight(self, number: int, name: str) -> None:
        """The headline of a flight."""
        self._queries.clear()
        self.console.print()
        self.console.print(Text(f"Flight {number}: {name}", style="bold cyan"))

    def event(self, at: float, text: str, *, style: str = "") -> None:
        """Something that happened in a flight."""
        self.console.print(Text(f"  {at:5.1f} s  ", style="dim") + Text(text, style=style))

    def decision(self, at: float, line: dict[str, Any]) -> None:
        """A decision: what was asked, what came back, what was changed."""
        going = f" → {line['next']}" if line.get("next") else ""
        head = Text(f"  {at:5.1f} s  ", style="dim")
        head.append(f"{line.get('phase', '')}{going}", style="bold")
        head.append(f"  {line.get('reason', '')}", style="magenta")
        head.append(f"  {line.get('message', '')}")
        self.console.print(head)
        for read in line.get("reads", []):
            self._read(read)
        for change in line.get("changes", []):
            self.console.print(Text(f"           ✎ {change}", style="green"))

    def _read(self, read: dict[str, Any]) -> None:
        value = read.get("value")
        answer = f"{value:.4g}" if value is not None else str(read.get("why") or "unknown")
        judged = " · ".join(
            f"{j['relation']} {j['limit']:g} is {_MARKS.get(j['verdict'], j['verdict'])}"
            for j in read.get("judgements", [])
        )
        name = read.get("query", "")
        self.console.print(f"           ? {name} = [bold]{answer}[/]  {judged}")
        if name not in self._queries:
            self._queries.add(name)
            promql = re.sub(r"\s+", " ", str(read.get("promql", "")))
            self.console.print(Text(f"             {promql}", style="dim"))

    def phases(self, flights: Sequence[FlightRecord]) -> None:
        """The table of phases and times."""
        table = Table(title="Phases", title_justify="left", title_style="bold")
        for column, justify in (("flight", "left"), ("phase", "left"), ("at", "right")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        table.add_column("stayed", justify="right")
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
        self.console.print()
        self.console.print(Text(f"Flight {number}: {flight.name}", style="bold cyan"))
        for row in plot(curves(flight), seconds=flight.seconds):
            self.console.print(Text(f"  {row}"))
        good = flight.as_expected
        mark = Text("  ✓ " if good else "  ✗ ", style="bold green" if good else "bold red")
        self.console.print(mark + Text(f"{flight.outcome}: {summary(flight)}"))
        for check in flight.checks:
            sign = Text("  ✓ ", style="green") if check.held else Text("  ✗ ", style="bold red")
            self.console.print(sign + Text(check.what))


def curves(flight: FlightRecord) -> list[Curve]:
    """Weight, success rate and latency over the flight's time."""
    seconds = stats.timeline(flight.requests, start=flight.began, step=_COLUMN)
    return [
        Curve("canary %", _held(flight), low=0, high=100),
        Curve(
            "success %",
            [(s.at, None if s.success_rate is None else s.success_rate * 100) for s in seconds],
            pick=min,
            high=100,
        ),
        Curve("p99 ms", [(s.at, None if s.p99 is None else s.p99 * 1000) for s in seconds]),
    ]


def _held(flight: FlightRecord) -> list[tuple[float, float | None]]:
    """The weight at every half second: it holds until it changes."""
    points: list[tuple[float, float | None]] = []
    weight: float | None = 0.0
    marks = list(flight.weights)
    at = 0.0
    while at <= flight.seconds:
        while marks and marks[0].at <= at:
            weight = float(marks.pop(0).what)
        points.append((at, weight))
        at += _COLUMN
    return points


def verdict(flights: Sequence[FlightRecord]) -> str:
    """The last line."""
    bad = [flight.name for flight in flights if not flight.as_expected]
    if bad:
        return f"not as it should be: {', '.join(bad)}"
    promoted = sum(flight.outcome == PROMOTED for flight in flights)
    return f"{promoted} promoted, {len(flights) - promoted} rolled back: as it should be"
