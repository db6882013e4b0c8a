"""`autopilot experiment validate`: every error of experiments at once, with its line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autopilot.cli.structured import echo, output_option, plain_problem

if TYPE_CHECKING:
    from autopilot.operators.chaos.check_files import Checked, Found


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@output_option
def validate(files: tuple[str, ...], output: str) -> None:
    """Check experiments; every error at once, with file, line and what would be right.

    A FILE may be a folder, or - for standard input. Documents of other kinds are passed over. Needs
    no cluster. Exits with 2 if anything is wrong.
    """
    from autopilot.cli.rule_validate import stdin_text
    from autopilot.operators.chaos.check_files import checked

    paths = [Path(file) for file in files if file != "-"]
    found = checked(paths, "", stdin_text() if "-" in files else None)
    if output == "text":
        _text(found)
    else:
        echo(
            {
                "valid": not found.problems,
                "experiments": [_plain(one) for one in found.experiments],
                "problems": [plain_problem(problem) for problem in found.problems],
                "notes": [plain_problem(note) for note in found.notes],
            },
            output,
        )
    if found.problems:
        sys.exit(2)


def _text(found: Checked) -> None:
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    for problem in found.problems:
        click.echo(str(problem), err=True)
    for one in found.experiments:
        if one.program is not None:
            count = len(one.program.conditions)
            conditions = f"{count} failure condition{'' if count == 1 else 's'}"
            what = "a control run" if one.program.fault is None else conditions
            click.echo(f"{one.document.file}: {one.name}: {what}: ok")


def _plain(one: Found) -> dict[str, object]:
    program = one.program
    return {
        "file": one.document.file,
        "name": one.name,
        "namespace": one.namespace or None,
        "valid": program is not None,
        "conditions": [each.name for each in program.conditions] if program else [],
    }
