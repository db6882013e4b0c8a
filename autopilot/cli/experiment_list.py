"""`autopilot experiment list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from autopilot.cli.reaching import reaches_cluster
from autopilot.cli.structured import output_option

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access

_CAUSE = 70


@click.command("list")
@click.option("-n", "--namespace", default="default", show_default=True, help="Their namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Those of all namespaces.")
@reaches_cluster
@output_option
def list_(namespace: str, *, all_namespaces: bool, access: Access, output: str) -> None:
    """List experiments: phase, run, target, and why it stands where it does."""
    import asyncio

    from autopilot.cli.structured import echo

    rows = asyncio.run(_rows(access, None if all_namespaces else namespace))
    if output != "text":
        echo(rows, output)
        return
    if not rows:
        click.echo("there are no experiments" + ("" if all_namespaces else f" in {namespace}"))
        return
    names = ["name", "phase", "run", "target", "why"]
    names = ["namespace", *names] if all_namespaces else names
    table = [[_short(str(row[name])) for name in names] for row in rows]
    head = [name.upper() for name in names]
    widths = [max(len(line[n]) for line in [head, *table]) for n in range(len(names))]
    for line in [head, *table]:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


async def _rows(access: Access, namespace: str | None) -> list[dict[str, Any]]:
    from autopilot.cli.experimenting import client_of
    from autopilot.operators.chaos.model import EXPERIMENTS

    async with client_of(access) as client:
        found = (await client.list(EXPERIMENTS, namespace)).items
    return [_row(body) for body in sorted(found, key=_key)]


def _key(body: dict[str, Any]) -> tuple[str, str]:
    return str(body["metadata"].get("namespace")), str(body["metadata"]["name"])


def _row(body: dict[str, Any]) -> dict[str, Any]:
    from autopilot.cli.experimenting import phase_of, run_of
    from autopilot.operators.chaos.workers.places import target_of

    status, (home, service) = body.get("status") or {}, target_of(body)
    namespace, name = _key(body)
    cause = status.get("cause") or {}
    return {
        "namespace": namespace,
        "name": name,
        "phase": phase_of(body) or "–",
        "run": run_of(body),
        "target": service if home == namespace else f"{home}/{service}",
        "why": str(cause.get("message") or status.get("waits") or ""),
        "report": status.get("report"),
    }


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CAUSE else line[: _CAUSE - 1] + "…"
