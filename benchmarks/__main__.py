"""`python -m benchmarks [NAME …] [-o json] [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Figure, Outcome

NAMES = ("sandbox", "weight", "breach", "syncs", "idle", "rules")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all if none")
    parser.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    parser.add_argument("--quick", action="store_true", help="fewer trials: a look, not a figure")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(NAMES)}")
    return options


async def _run(names: Sequence[str], *, quick: bool, text: bool) -> list[dict[str, Any]]:
    console, found = Console(soft_wrap=True), []
    for name in names:
        before, began = surroundings(), time.monotonic()
        module = import_module(f"benchmarks.{name}")
        outcome: Outcome = await module.measure(quick=quick)
        seconds = time.monotonic() - began
        machine = f"before: {before}; after: {surroundings()}; {seconds:.0f} s"
        if text:
            _show(console, outcome, machine)
        found.append({**outcome.encode(), "machine": machine})
    return found


def _show(console: Console, outcome: Outcome, machine: str) -> None:
    table = Table(title=outcome.name, title_justify="left", title_style="bold", caption=machine)
    table.add_column("figure")
    for column in ("n", "median", "p99", "max", "aim"):
        table.add_column(column, justify="right")
    for figure in outcome.figures:
        table.add_row(*_row(figure))
    console.print(table)
    for note in outcome.notes:
        console.print(f"  {note}", markup=False)
    console.print()


def _row(figure: Figure) -> list[str]:
    told = figure.encode()
    values = (told["median"], told["p99"], told["max"])
    shown = [f"{_number(value)} {figure.unit}".rstrip() for value in values]
    return [figure.name, str(told["n"]), *shown, figure.aim]


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run benchmarks one after the other."""
    options = _arguments(argv)
    text = options.output == "text"
    found = asyncio.run(_run(options.names or NAMES, quick=options.quick, text=text))
    if not text:
        print(json.dumps(found, indent=2))
    return 0


sys.exit(main())
