"""`autopilot controller`: the operators that come with autopilot, at work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autopilot.cli.cluster import looks_at_cluster

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access

INCLUDED = ("rules", "chaos")
"""The operators that there are."""


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(INCLUDED),
    help="Only this operator; may be given several times. All of them by default.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The installation's configuration, with its guardrails.",
)
@looks_at_cluster
@click.option("--namespace", "-n", default="", help="The only namespace to serve.")
@click.option("--dry-run", is_flag=True, help="Decide and say what would change; write nothing.")
@click.option(
    "--metrics-addr",
    metavar="HOST:PORT",
    help="Where its own metrics and probes are served; the configuration's by default.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Log lines for people, or one JSON object a line.",
)
def controller(  # noqa: PLR0913 -- one parameter for each flag
    *,
    only: tuple[str, ...],
    config_file: Path | None,
    access: Access,
    namespace: str,
    dry_run: bool,
    metrics_addr: str | None,
    log_format: str,
) -> None:
    """Serve Rules and Experiments until SIGTERM or Ctrl-C.

    `autopilot crds` prints the kinds to apply before.

    The cluster is found as kubectl finds it; which one it is, is printed before anything is done.
    Prometheus is at --metrics-server, else where the mesh provider keeps it.
    """
    import asyncio

    from autopilot.cli.controlling import Orders, serve

    orders = Orders(
        access=access,
        only=only or INCLUDED,
        config_file=config_file,
        namespace=namespace,
        dry_run=dry_run,
        metrics_addr=metrics_addr,
        json_lines=log_format == "json",
    )
    sys.exit(asyncio.run(serve(orders)))
