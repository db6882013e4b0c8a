"""`autopilot rule plan`: what each phase would change, how soon it would see, what it risks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autopilot.cli.cluster import looks_at_cluster
from autopilot.cli.structured import output_option

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access


@click.command()
@click.argument("rule")
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="Where none is written."
)
@click.option("--rps", type=click.FloatRange(0, min_open=True), help="Instead of the present rate.")
@click.option(
    "--scrape-interval",
    metavar="DURATION",
    help="Of the metrics server, like 15s; a quarter of each window by default.",
)
@looks_at_cluster
@output_option
def plan(
    rule: str,
    namespace: str,
    rps: float | None,
    scrape_interval: str | None,
    access: Access,
    output: str,
) -> None:  # click passes flags by name
    """Show what RULE (a file, or rule/NAME in the cluster) would do. Nothing is written.

    For each phase and each rung of its ladder: the changes that it would make to the mesh objects
    as they are now, and what guardrails would say. For each way out that errors decide: how long
    it takes to be ready at 5, 20 and 100 % errors at the present rate of requests, and how many
    requests a step risks until then. How that is reckoned: docs/explain.md.
    """
    import asyncio

    from autopilot.cli import plan_view
    from autopilot.cli.planning import from_file, plan_file, plan_named
    from autopilot.cli.structured import echo

    scrape = _seconds(scrape_interval)
    path = Path(rule)
    if path.is_file() or (path.suffix in {".yaml", ".yml"} and not path.is_dir()):
        plans = asyncio.run(plan_file(access, namespace, from_file(path)))
    elif path.is_dir() or not rule.startswith("rule/"):
        what = "is a folder" if path.is_dir() else "is no file here"
        raise click.UsageError(f"{rule} {what}; RULE is a file, or rule/NAME in the cluster")
    else:
        plans = [asyncio.run(plan_named(access, namespace, rule.removeprefix("rule/")))]
    if output == "text":
        for each in plans:
            plan_view.show(each, rps, scrape)
    else:
        echo([plan_view.plain_plan(each, rps, scrape) for each in plans], output)


def _seconds(text: str | None) -> float | None:
    from autopilot.base import durations

    if text is None:
        return None
    try:
        return durations.parse(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--scrape-interval") from None
