"""`autopilot experiment abort` and `rerun`: orders to one that is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from autopilot.cli.experiment_run import Waiting, waits
from autopilot.cli.reaching import reaches_cluster

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access

_NAMESPACE = click.option(
    "-n", "--namespace", default="default", show_default=True, help="Its namespace."
)


@click.command()
@click.argument("name")
@_NAMESPACE
@click.option("--reason", default="", metavar="TEXT", help="Why; it stands in the Report.")
@reaches_cluster
def abort(name: str, namespace: str, reason: str, access: Access) -> None:
    """End the run of experiment NAME: its fault is removed, and the verdict is Aborted.

    The controller does it. Where none runs: autopilot halt --reason TEXT.
    """
    import asyncio

    click.echo(asyncio.run(_abort(access, namespace, name, reason)))


async def _abort(access: Access, namespace: str, name: str, reason: str) -> str:
    from autopilot.base.errors import InvalidInput, Problem
    from autopilot.cli.experimenting import client_of, fetch, mark, phase_of
    from autopilot.kube.marks import ABORT
    from autopilot.operators.chaos import machine

    async with client_of(access) as client:
        body = await fetch(client, namespace, name)
        phase = phase_of(body)
        if phase in machine.VERDICTS:
            where = f"Experiment {namespace}/{name}"
            raise InvalidInput([Problem("", 0, where, f"is over: {phase}")])
        await mark(client, body, ABORT, reason)
    return f"Experiment {namespace}/{name}: aborted in {phase or 'no phase yet'}"


@click.command()
@click.argument("name")
@_NAMESPACE
@waits
@reaches_cluster
def rerun(name: str, namespace: str, waiting: Waiting, access: Access) -> None:
    """Begin another run of experiment NAME, which is over; it gets a Report of its own.

    Exit codes as those of `autopilot experiment run`.
    """
    import asyncio

    sys.exit(asyncio.run(_rerun(access, namespace, name, waiting)))


async def _rerun(access: Access, namespace: str, name: str, waiting: Waiting) -> int:
    from autopilot.cli.experiment_follow import follow
    from autopilot.cli.experimenting import check_over, client_of, fetch, mark, run_of
    from autopilot.kube.marks import RERUN

    async with client_of(access) as client:
        body = await fetch(client, namespace, name)
        check_over(body)
        body = await mark(client, body, RERUN, "true")
        click.echo(f"Experiment {namespace}/{name}: another run was ordered", err=waiting.quiet)
        return await follow(client, body, run_of(body), waiting) if waiting.wait else 0
