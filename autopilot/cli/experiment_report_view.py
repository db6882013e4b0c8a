"""What `autopilot experiment report` prints on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.cli.page import Page
from autopilot.operators.chaos import report_facts as say
from autopilot.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from autopilot.operators.chaos.report_model import ConditionRecord, RunRecord

_WIDTH = 48


def show(record: RunRecord, console: Console | None = None) -> None:
    """Print a report."""
    page = Page(console)
    page.title(f"Experiment {say.title(record)}")
    page.fact("verdict", say.verdict(record), tone(record.verdict))
    if record.cause is not None:
        page.fact("cause", record.cause.message)
    for name, value, remark in say.facts(record):
        page.fact(name, value, note=remark)
    if record.conditions:
        page.section("Failure conditions")
        for one in record.conditions:
            _condition(page, record, one)
    if record.expects:
        page.section("Expected of others")
        for each in record.expects:
            style = {Verdict.TRUE: "green", Verdict.FALSE: "red"}.get(each.met, "yellow")
            after = "" if each.after is None else f" after {each.after:.1f} s"
            page.line(f"{say.MET[each.met]}{after}: {each.what}", style, note=each.message)
    if record.overlays:
        page.section("Changes to the mesh")
        for held in record.overlays:
            made, undone = say.offset(record, held.made), say.offset(record, held.undone)
            style = "" if held.undone is not None else "yellow"
            page.line(f"{held.object}: {held.change}", style, note=f"{made}, undone {undone}")
    if record.phases:
        page.section("Phases")
        for visit in record.phases:
            page.fact(visit.phase, say.offset(record, visit.at), note=visit.message)


def show_all(records: Sequence[RunRecord], console: Console | None = None) -> None:
    """Print one line for each report."""
    page = Page(console)
    for record in records:
        cause = record.cause.message if record.cause is not None else ""
        head = f"run {record.run:<4} {say.when(record.started)}  {say.verdict(record)}"
        page.line(head, tone(record.verdict), note=cause)
    if not records:
        page.line("there are no reports")


def tone(verdict: str) -> str:
    """A colour for a verdict."""
    return "green" if verdict in say.GOOD else "red" if verdict in say.BAD else "yellow"


def _condition(page: Page, record: RunRecord, one: ConditionRecord) -> None:
    row = say.summary(one)
    decided = record.cause is not None and record.cause.condition == one.name
    page.line(f"{one.name}: {one.reads}", "bold red" if decided else "bold")
    counts = f"{row.polls} polls"
    counts += f", {row.failing} failing" if row.failing else ""
    counts += f", {row.unknown} unknown" if row.unknown else ""
    page.fact("  fails when", row.fails, note=counts)
    if drawn := say.spark(record, one, _WIDTH):
        page.fact("  values", drawn, note=f"{row.lowest} … {row.highest}, last {row.last}")
