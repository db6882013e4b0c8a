"""`autopilot rule expand`: the long form of what was written short."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("file")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="The format.",
)
def expand(file: str, output: str) -> None:
    """Print the rules of a FILE (- for standard input) with their phases written out.

    What comes out is a valid rule that does the same: a failover's short form shows what it
    stands for, and is a beginning for a state machine of one's own.
    """
    from autopilot.base.errors import InvalidInput, Problem
    from autopilot.cli.rule_validate import stdin_text
    from autopilot.cli.structured import echo
    from autopilot.rules.check_files import rules_in
    from autopilot.rules.compile import long_form

    name = "<stdin>" if file == "-" else file
    try:
        text = stdin_text() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput([Problem(name, 0, "", "isn't text in UTF-8")]) from None
    notes: list[Problem] = []
    documents = rules_in(text, name, notes)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if not documents:
        raise InvalidInput([Problem(name, 0, "", "no rule there")])
    problems: list[Problem] = []
    rules = []
    for document in documents:
        try:
            rules.append(long_form(document))
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(problems)
    if output == "json":
        echo(rules[0] if len(rules) == 1 else rules, "json")
        return
    for index, rule in enumerate(rules):
        if index:
            click.echo("---")
        echo(rule, "yaml")
