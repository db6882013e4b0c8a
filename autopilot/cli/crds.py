"""`autopilot crds`: the CRDs of the included kinds."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="The format.",
)
def crds(output: str) -> None:
    """Print the CustomResourceDefinitions of the included kinds, to apply.

    \b
    autopilot crds | kubectl apply -f -
    """  # noqa: D301 -- click wants the backspace itself
    from autopilot.cli.structured import echo
    from autopilot.operators.chaos.crd import experiment_crd
    from autopilot.operators.chaos.report_crd import report_crd
    from autopilot.rules.crd import rule_crd

    made = [rule_crd(), experiment_crd(), report_crd()]
    if output == "json":
        echo({"apiVersion": "v1", "kind": "List", "items": made}, "json")
        return
    for index, one in enumerate(made):
        if index:
            click.echo("---")
        echo(one, "yaml")
