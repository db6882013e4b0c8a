"""`-o json|yaml`: the same data for scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.base.errors import Problem

output_option: Callable[[Any], Any] = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "yaml"]),
    default="text",
    show_default=True,
    help="For people, or for scripts.",
)


def echo(data: Any, form: str) -> None:
    """Print data to standard output, as JSON or YAML."""
    if form == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    import yaml

    click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)


def plain_problem(problem: Problem) -> dict[str, str | int]:
    """A problem as data."""
    return {
        "file": problem.file,
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    }
