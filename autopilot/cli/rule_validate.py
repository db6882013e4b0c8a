"""`autopilot rule validate`: every error of rules at once, with its line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autopilot.cli.structured import echo, output_option, plain_problem

if TYPE_CHECKING:
    from autopilot.rules.check_files import Checked
    from autopilot.rules.compile import Analysis


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@output_option
def validate(files: tuple[str, ...], output: str) -> None:
    """Check rules; every error at once, with file, line and what would be right.

    A FILE may be a folder, or - for standard input. Documents of other kinds are passed over, and
    in a folder the tests of rules (*_test.yaml). Needs no cluster. Exits with 2 if anything is
    wrong.
    """
    from autopilot.rules.check_files import checked

    paths = [Path(file) for file in files if file != "-"]
    found = checked(paths, stdin_text() if "-" in files else None)
    if output == "text":
        _text(found)
    else:
        echo(
            {
                "valid": not found.problems,
                "rules": [_plain(file, rule) for file, rule in found.rules],
                "problems": [plain_problem(problem) for problem in found.problems],
                "notes": [plain_problem(note) for note in found.notes],
            },
            output,
        )
    if found.problems:
        sys.exit(2)


def stdin_text() -> str:
    """All of standard input, as far as a rule may be long; what isn't UTF-8 is refused."""
    from autopilot.base.errors import InvalidInput, Problem
    from autopilot.rules.check_files import LARGEST

    data = sys.stdin.buffer.read(LARGEST + 1)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput([Problem("<stdin>", 0, "", "isn't text in UTF-8")]) from None


def _text(found: Checked) -> None:
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    for problem in found.problems:
        click.echo(str(problem), err=True)
    for file, rule in found.rules:
        if rule.program is not None:
            phases = _many(len(rule.program.phases), "phase")
            signals = _many(len(rule.program.signals), "signal")
            click.echo(f"{file}: {rule.name}: {phases}, {signals}: ok")


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _plain(file: str, rule: Analysis) -> dict[str, object]:
    program = rule.program
    return {
        "file": file,
        "name": rule.name,
        "namespace": program.namespace if program else None,
        "valid": program is not None,
        "phases": list(program.phases) if program else [],
        "signals": list(program.signals) if program else [],
    }
