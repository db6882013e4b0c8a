"""What `autopilot explain` prints for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from autopilot.base import durations
from autopilot.cli.inspect_view import ago, show_hold
from autopilot.cli.page import Page

if TYPE_CHECKING:
    from rich.console import Console

    from autopilot.cli.explaining import Told
    from autopilot.rules.explained import Explanation, LadderTold, Way

_STYLES = {"true": "green", "false": "dim", "unknown": "yellow"}
_LATEST = 6
"""How many of the last phases are shown."""


def show(told: Told, console: Console | None = None, now: datetime | None = None) -> None:
    """Print an explanation.

    Args:
        told: What was found out.
        console: Where to; standard output if left out.
        now: For ages; the present if left out.
    """
    page, now = Page(console), now or datetime.now(UTC)
    page.title(told.resource)
    _head(page, told, now)
    if told.explanation is not None:
        _rule(page, told.explanation, stopped=bool(told.troubles))
    for problem in told.problems:
        page.line(problem, "red")
    if told.conditions:
        page.section("Conditions")
        for condition in told.conditions:
            page.line(condition)
    page.section("Held", "by the marks on the objects themselves")
    for hold in told.holds:
        show_hold(page, hold, now)
    if not told.holds:
        page.line("nothing", "dim")
    if told.history:
        page.section("Last phases")
        for visit in told.history[:_LATEST]:
            since = "" if visit.at is None else f"{ago(visit.at, now)} ago"
            page.fact(visit.phase, since, note=visit.why)
    if told.unknown:
        page.section("Unknown", "couldn't be read")
        for what, why in told.unknown.items():
            page.fact(what, why, "yellow")


def _head(page: Page, told: Told, now: datetime) -> None:
    found = told.explanation
    if found is not None and found.virtual:
        since = "" if found.since is None else f", for {ago(found.since, now)}"
        page.fact("mode", "observe: it decides and records, and writes nothing", "yellow")
        page.fact("would be in", f"{found.phase}{since}", "bold")
    elif told.phase:
        since = "" if told.since is None else f"for {ago(told.since, now)}"
        page.fact("phase", told.phase, "bold", note=since)
    else:
        page.fact("phase", "none yet: is `autopilot controller` running?", "yellow")
    if found is not None and found.why:
        page.fact("because", found.why)
    for trouble in told.troubles:
        page.fact("stopped by", trouble, "bold red")
    if told.problems:
        page.fact("wrong", "the spec doesn't compile, so nothing moves:", "bold red")


def _rule(page: Page, found: Explanation, *, stopped: bool) -> None:
    for count in found.failed:
        page.fact("failed", count, "yellow")
    if found.wants:
        page.fact("wants", "; ".join(found.wants))
    page.section("Signals", "as they are now")
    for signal in sorted(found.signals, key=lambda each: not each.read):
        age = "" if signal.age is None else f"{durations.render(round(signal.age))} ago"
        idle = "" if signal.read else "not read in this phase"
        note = ", ".join(filter(None, (age, idle)))
        if signal.why:
            page.fact(signal.name, f"unknown: {signal.why}", "yellow", note=idle)
        else:
            page.fact(signal.name, signal.value, "" if signal.read else "dim", note=note)
    page.section("Ways out", "the first that is ready is taken")
    for way in found.ways:
        _way(page, way)
    for text in found.exits:
        page.line(text)
    if not found.ways and not found.exits:
        page.line("none", "dim")
    if found.ladder is not None:
        _ladder(page, found.ladder)
    page.section("Next", "once nothing stops it; see above" if stopped else "")
    for text in found.next:
        page.line(text, "bold")


def _way(page: Page, way: Way) -> None:
    style = "bold green" if way.ready else _STYLES.get(way.verdict, "")
    verdict = "ready" if way.ready else way.verdict
    page.line(f"to {way.to}: {verdict}", style, note=way.holds)
    for line in way.lines:
        said = line.removesuffix(":").rsplit(" is ", 1)[-1]
        page.line(f"  {line}", _STYLES.get(said, ""))
    for lack in way.lacks:
        page.line(f"  waits for {lack}", "cyan")


def _ladder(page: Page, ladder: LadderTold) -> None:
    page.section("Ladder", f"rung {ladder.rung} of {ladder.of}")
    left = durations.render(round(ladder.dwell_left, 1))
    page.fact("dwell", f"{left} left" if ladder.dwell_left else "spent")
    if ladder.lines:
        page.fact("while", ladder.climbs, _STYLES.get(ladder.climbs, ""))
        for line in ladder.lines:
            page.line(f"  {line}", _STYLES.get(line.removesuffix(":").rsplit(" is ", 1)[-1], ""))
    for each in ladder.then:
        page.fact("then", each)
