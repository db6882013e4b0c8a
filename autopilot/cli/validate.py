"""`autopilot validate`: every error of a project, or of single files, at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autopilot.cli.structured import echo, output_option, plain_problem

if TYPE_CHECKING:
    from autopilot.base.errors import Problem


@click.command()
@click.argument("paths", metavar="[DIR|FILE]...", nargs=-1, type=click.Path(path_type=Path))
@output_option
def validate(paths: tuple[Path, ...], output: str) -> None:
    """Check a project: both YAML files, the models and the workers.

    A FILE (of either format) is checked alone. Exits with 2 if anything is wrong.
    """
    from autopilot.project.check import check

    found = [check(path) for path in paths or (Path(),)]
    problems = [problem for one in found for problem in one.problems]
    notes = [note for one in found for note in one.notes]
    if output == "text":
        _text(problems, notes, [one.summary for one in found])
    else:
        data = {
            "valid": not problems,
            "problems": [plain_problem(problem) for problem in problems],
            "notes": notes,
        }
        echo(data, output)
    if problems:
        sys.exit(2)


def _text(problems: list[Problem], notes: list[str], summaries: list[str]) -> None:
    for note in notes:
        click.echo(f"note: {note}", err=True)
    for problem in problems:
        click.echo(str(problem), err=True)
    if not problems:
        for summary in summaries:
            click.echo(summary)
