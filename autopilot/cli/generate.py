"""`autopilot generate`: what follows from autopilot.yaml and spec.py."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something is stale.")
@click.option("--diff", is_flag=True, help="Show what changes.")
def generate(directory: Path, check: bool, diff: bool) -> None:
    """Rewrite what follows from autopilot.yaml and spec.py.

    That is PACKAGE/generated/ and the manifests in deploy/. Files of the author's own are never
    touched; a phase that has no worker yet gets one to fill in.
    """
    from autopilot.project.generate import generate as rewrite

    outcome = rewrite(directory, check=check)
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    if diff:
        for text in outcome.diffs.values():
            click.echo(text, nl=False)
    verb = ("missing", "stale") if check else ("begun", "wrote")
    for word, names in zip(verb, (outcome.begun, outcome.written), strict=True):
        for name in names:
            click.echo(f"{word} {name}")
    if not outcome.stale:
        click.echo(f"{outcome.unchanged} generated files are up to date")
    elif check:
        click.echo("run `autopilot generate`", err=True)
        sys.exit(1)
