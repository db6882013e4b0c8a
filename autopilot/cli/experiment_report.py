"""`autopilot experiment report`: what happened in a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autopilot.cli.reaching import reaches_cluster

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access
    from autopilot.kube.client import Body
    from autopilot.operators.chaos.report_model import RunRecord


@click.command()
@click.argument("name")
@click.option("-n", "--namespace", default="default", show_default=True, help="Its namespace.")
@click.option("--run", "number", type=click.IntRange(1), help="Which run; the last by default.")
@click.option("--all", "every", is_flag=True, help="List the reports of all its runs.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "markdown", "html", "json"]),
    help="Text by default, or as the file's name ends.",
)
@click.option(
    "-f",
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it there: .html, .md or .json.",
)
@reaches_cluster
def report(  # noqa: PLR0913 -- one parameter for each flag
    *,
    name: str,
    namespace: str,
    number: int | None,
    every: bool,
    output: str | None,
    file: Path | None,
    access: Access,
) -> None:
    """Show the report of experiment NAME: of its last run, unless --run says which.

    It needs the Report alone: the experiment may be gone. A page (html) has its plots inside and
    loads nothing.
    """
    import asyncio
    from typing import cast

    from autopilot.cli.experiment_report_view import show, show_all
    from autopilot.operators.chaos.report_export import FORMS, Form, export

    records = asyncio.run(_records(access, namespace, name))
    if every:
        show_all(records)
        return
    record = _chosen(records, namespace, name, number)
    form = output or (FORMS.get(file.suffix, "html") if file else "text")
    if form == "text":
        if file is not None:
            raise click.UsageError("text is for the terminal; into a file: .html, .md or .json")
        show(record)
        return
    text = export(record, cast("Form", form))
    if file is None:
        click.echo(text)
        return
    file.write_text(text, encoding="utf-8")
    click.echo(str(file))


async def _records(access: Access, namespace: str, name: str) -> list[RunRecord]:
    """All its reports that can be read, the oldest first; one that can't is named."""
    from autopilot.base.errors import InvalidInput
    from autopilot.cli.experimenting import client_of
    from autopilot.operators.chaos.report_model import EXPERIMENT, REPORTS, RunRecord, report_key

    label = f"{EXPERIMENT}={name}" if len(name) <= 63 else ""
    async with client_of(access) as client:
        found: list[Body] = (await client.list(REPORTS, namespace, labels=label)).items
    records = []
    for body in found:
        if report_key(body) == (namespace, name):
            try:
                records.append(RunRecord.from_body(body))
            except InvalidInput as error:
                click.echo(f"note: {error}", err=True)
    return sorted(records, key=lambda one: one.run)


def _chosen(records: list[RunRecord], namespace: str, name: str, number: int | None) -> RunRecord:
    from autopilot.base.errors import TerminalError

    if not records:
        raise TerminalError(f"there is no Report of Experiment {namespace}/{name}")
    found = [one for one in records if number in (None, one.run)]
    if not found:
        runs = ", ".join(str(one.run) for one in records)
        raise TerminalError(f"there is no Report of run {number}; there are: {runs}")
    return found[-1]
