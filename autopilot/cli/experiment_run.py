"""`autopilot experiment run`: begin one, and in a pipeline wait for its verdict."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autopilot.cli.reaching import reaches_cluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.cli.cluster import Access


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a run is waited for.

    Attributes:
        wait: Whether it is at all.
        timeout: Seconds; None for what the experiment may take, and some more.
        leave: Whether it goes on when the waiting ends before it.
        report: Where its Report is written; its name says as what.
        output: `text` for progress and result in lines; `json` for the Report alone.
    """

    wait: bool = True
    timeout: float | None = None
    leave: bool = False
    report: Path | None = None
    output: str = "text"

    @property
    def quiet(self) -> bool:
        """Whether standard output is for data alone."""
        return self.output != "text"


_OPTIONS = (
    click.option("--wait", is_flag=True, help="Show progress, and exit by the verdict."),
    click.option(
        "--timeout",
        metavar="DURATION",
        help="Wait no longer, then abort; what it may take, and 5m more, by default.",
    ),
    click.option(
        "--leave", is_flag=True, help="Let it go on where the waiting ends early, as by Ctrl-C."
    ),
    click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the Report there at the end: .html, .md or .json.",
    ),
    click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="With json, standard output has the Report alone.",
    ),
)


def waits(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the flags of waiting; it gets them as one `waiting: Waiting`."""

    @functools.wraps(verb)
    def wrapped(
        *,
        wait: bool,
        timeout: str | None,
        leave: bool,
        report: Path | None,
        output: str,
        **rest: Any,
    ) -> Any:
        asked = [timeout is not None, leave, report is not None, output != "text"]
        if any(asked) and not wait:
            raise click.UsageError("--timeout, --leave, --report and -o go with --wait")
        if report is not None and report.suffix not in {".html", ".md", ".json"}:
            raise click.BadParameter("ends in .html, .md or .json", param_hint="--report")
        made = Waiting(wait, _seconds(timeout), leave, report, output)
        return verb(waiting=made, **rest)

    made: Callable[..., Any] = wrapped
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


def _seconds(text: str | None) -> float | None:
    from autopilot.base import durations

    if text is None:
        return None
    try:
        return durations.parse(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from None


@click.command()
@click.argument("file")
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="Where none is written."
)
@waits
@reaches_cluster
def run(file: str, namespace: str, waiting: Waiting, access: Access) -> None:
    """Run the experiment in FILE (- for standard input); one that is over is run once more.

    \b
    Exit codes with --wait:
      0    Succeeded
      1    Failed
      2    refused: it is wrong, not allowed, or at work already; nothing was injected
      3    anything else: Aborted, Inconclusive, Completed (a control run), no verdict in time
      130  interrupted

    Ctrl-C (or SIGTERM) aborts the experiment and waits until its fault is gone; a second one stops
    the waiting, and the controller goes on removing it. With --leave the experiment goes on.
    """  # noqa: D301 -- click wants the backspace itself
    import asyncio

    sys.exit(asyncio.run(_run(access, file, namespace, waiting)))


async def _run(access: Access, file: str, namespace: str, waiting: Waiting) -> int:
    from autopilot.cli.experiment_follow import follow
    from autopilot.cli.experimenting import begin, client_of, one_of

    found = one_of(file, namespace)
    async with client_of(access) as client:
        body, last = await begin(client, found)
        done = "runs once more" if last else "created"
        click.echo(f"Experiment {found.namespace}/{found.name}: {done}", err=waiting.quiet)
        return await follow(client, body, last, waiting) if waiting.wait else 0
