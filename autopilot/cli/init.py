"""`autopilot init`: a project from a template."""

from __future__ import annotations

import shlex
from pathlib import Path

import click


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--kind", default="", help="The custom resource's kind, like Canary.")
@click.option("--group", default="example.io", show_default=True, help="Its API group.")
@click.option("--version", default="v1alpha1", show_default=True, help="Its API version.")
@click.option(
    "--template",
    default="blank",
    show_default=True,
    metavar="blank|canary|autoroute|chaos",
    help="What to start from.",
)
@click.option("--operator-name", default="", help="Left out, it is made from the kind.")
@click.option("--force", is_flag=True, help="Replace files that are in the way.")
def init(  # noqa: PLR0913, PLR0917 -- one for each option
    directory: Path,
    kind: str,
    group: str,
    version: str,
    template: str,
    operator_name: str,
    force: bool,
) -> None:
    """Scaffold an operator in DIR: a small Python package that is yours.

    Templates: `blank` has three phases to fill in; `canary` tries out new versions of a Deployment
    step by step and rolls back; `autoroute` makes ingress routes for Deployments; `chaos` injects
    errors in front of a Service and watches whether another copes.
    """
    from autopilot.project.init import Wish
    from autopilot.project.init import init as scaffold

    wish = Wish(
        directory,
        kind=kind,
        group=group,
        version=version,
        template=template,
        operator_name=operator_name,
        force=force,
    )
    for name in scaffold(wish):
        click.echo(f"  {directory / name}")
    click.echo(f"\n{wish.named_kind} is ready to be edited. Next:")
    click.echo(f"  cd {shlex.quote(str(directory))}")
    click.echo("  python -m pytest      # the workers' tests: no cluster needed")
    click.echo("  autopilot run         # in a cluster; the README says how to run it in a box")
