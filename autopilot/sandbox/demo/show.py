"""What a demo prints, live and at its end."""

from __future__ import annotations

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
_WIDTH = 60
"""Columns of a plot."""


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

    def flight(self, number: int, name: str) -> None:
        """The headline of a flight."""
        self._queries.clear()
        self.console.print()
        self.console.print(Text(f"Flight {number}: {name}", style="bold cyan"))

    def event(self, at: float, text: str, *, style: str = "") -> None:
        """Something that happened in a flight."""
        self.console.print(Text(f"  {at:5.1f} s  ", style="dim") + Text(text, style=style))

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
        head.append(f"  {line.get('reason', '')}", style="magenta")
        head.append(f"  {line.get('message', '')}")
        self.console.print(head)
        for read in line.get("reads", []):
            self._read(read)
        for change in line.get("changes", []):
            self.console.print(Text(f"           ✎ {change}", style="green"))

    def _read(self, read: dict[str, Any]) -> None:
        value = read["value"]
        answer = f"{value:.4g}" if value is not None else str(read.get("why") or "unknown")
        judged = " · ".join(
            f"{j['relation']} {j['limit']:g} is {_MARKS.get(j['verdict'], j['verdict'])}"
            for j in read["judged"]
        )
        name = read["query"]
        self.console.print(f"           ? {name} = [bold]{answer}[/]  {judged}")
        if name not in self._queries:
            self._queries.add(name)
            self.console.print(Text(f"             {read['promql']}", style="dim"))

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
        for row in plot(curves(flight), seconds=flight.seconds, width=_WIDTH):
            self.console.print(Text(f"  {row}"))
        good = flight.as_expected
        mark = Text("  ✓ " if good else "  ✗ ", style="bold green" if good else "bold red")
        self.console.print(mark + Text(f"{flight.outcome}: {summary(flight)}"))
        for check in flight.checks:
            sign = Text("  ✓ ", style="green") if check.held else Text("  ✗ ", style="bold red")
            self.console.print(sign + Text(check.what))


def curves(flight: FlightRecord) -> list[Curve]:
    """Weight, success rate and latency over the flight's time, a point for each column."""
    step = flight.seconds / _WIDTH
    seconds = stats.timeline(flight.requests, start=flight.began, step=step)
    rates = [(s.at + step / 2, _percent(s.success_rate)) for s in seconds]
    known = [rate for _, rate in rates if rate is not None]
    return [
        Curve("canary %", _held(flight, step), low=0, high=100),
        Curve("success %", rates, pick=min, low=min([*known, 90.0]), high=100),
        Curve("p99 ms", [(s.at + step / 2, _millis(s.p99)) for s in seconds], low=0),
    ]


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 100


def _millis(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _held(flight: FlightRecord, step: float) -> list[tuple[float, float | None]]:
    """The weight in the middle of each column: it holds until it changes."""
    points: list[tuple[float, float | None]] = []
    weight = 0.0
    marks = list(flight.weights)
    for column in range(_WIDTH):
        at = (column + 0.5) * step
        while marks and marks[0].at <= at:
            weight = float(marks.pop(0).what)
        points.append((at, weight))
    return points


def verdict(flights: Sequence[FlightRecord]) -> str:
    """The last line."""
    bad = [flight.name for flight in flights if not flight.as_expected]
    if bad:
        return f"not as it should be: {', '.join(bad)}"
    promoted = sum(flight.outcome == PROMOTED for flight in flights)
    return f"{promoted} promoted, {len(flights) - promoted} rolled back: as it should be"
