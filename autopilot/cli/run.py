"""`autopilot run`: an operator at work, against a cluster or a sandbox."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from autopilot.cli.running import Wish


@click.command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="A kubeconfig file.")
@click.option("--context", help="A context of the kubeconfig; its current one by default.")
@click.option("--sandbox", "sandbox", metavar="NAME", help="Run against a sandbox that is up.")
@click.option("--dry-run", is_flag=True, help="Decide and say what would change; write nothing.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Log lines for people, or one JSON object a line.",
)
def run(
    directory: Path,
    kubeconfig: Path | None,
    context: str | None,
    sandbox: str | None,
    dry_run: bool,
    log_format: str,
) -> None:
    """Run the operator of the project in DIR until SIGTERM or Ctrl-C.

    The cluster is found as kubectl finds it; which one it is, is printed before anything is done.
    Prometheus is at METRICS_SERVER, else where the mesh provider keeps it.
    """
    import asyncio
    import os

    from autopilot.cli.running import Wish, serve

    wish = Wish(
        directory=directory,
        kubeconfig=str(kubeconfig) if kubeconfig else None,
        context=context,
        metrics_server=os.environ.get("METRICS_SERVER", ""),
        dry_run=dry_run,
        json_lines=log_format == "json",
    )
    if sandbox is not None:
        wish = _in_sandbox(wish, sandbox)
    sys.exit(asyncio.run(serve(wish)))


def _in_sandbox(wish: Wish, name: str) -> Wish:
    from dataclasses import replace

    from autopilot.sandbox.homes import find

    if wish.kubeconfig or wish.context:
        raise click.UsageError("--sandbox brings its own kubeconfig; leave the others out")
    state = find(name)
    if state is None or not state.prometheus_url:
        raise click.UsageError(f"no sandbox {name!r} is up; autopilot sandbox up --name {name}")
    return replace(wish, kubeconfig=state.kubeconfig, metrics_server=state.prometheus_url)
