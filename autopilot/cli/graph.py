"""`autopilot graph`: the state machine as a picture."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Choice(["mermaid"]),
    default="mermaid",
    show_default=True,
    help="The picture's format.",
)
def graph(directory: Path, output: str) -> None:
    """Draw the phases and their transitions, to standard output.

    Where a phase declares no transitions, it may go to any other.
    """
    del output  # there is only one so far
    from autopilot.machine.diagram import mermaid
    from autopilot.machine.table import PhaseNode
    from autopilot.project.load import load

    for index, operator in enumerate(load(directory).operators):
        nodes = [
            PhaseNode(
                name=phase.name,
                initial=phase.initial,
                final=phase.final,
                transitions=None
                if phase.transitions is None
                else tuple(way.to for way in phase.transitions),
                description=phase.description,
            )
            for phase in operator.phases
        ]
        click.echo("\n" * bool(index) + mermaid(nodes, title=operator.kind), nl=False)
