"""`autopilot halt`: stop everything, without needing anything that runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autopilot.cli.folding import say
from autopilot.cli.structured import echo, output_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from autopilot.overlay.halting import Order
    from autopilot.runtime.halting.desk import Desk, Hold
    from autopilot.runtime.halting.orders import Report

_FLAGS = (
    click.option("--kubeconfig", type=click.Path(path_type=Path), help="A kubeconfig file."),
    click.option("--context", help="A context of the kubeconfig; its current one by default."),
    click.option("--sandbox", metavar="NAME", help="Instead: a sandbox that is up."),
)


def _reaches(verb: Callable[..., Any]) -> Callable[..., Any]:
    for flag in reversed(_FLAGS):
        verb = flag(verb)
    return verb


@click.group(invoke_without_command=True)
@click.option("--reason", metavar="TEXT", help="Why: everybody who is held up will read it.")
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    metavar="NAME",
    multiple=True,
    help="Only there; may be given several times. Everywhere by default.",
)
@click.option(
    "--restore",
    metavar="HOLDER",
    help="Give back all that a holder holds: NAME, NAMESPACE/NAME or KIND/NAMESPACE/NAME.",
)
@_reaches
@output_option
@click.pass_context
def halt(ctx: click.Context, /, **given: Any) -> None:
    """Stop all operators from writing, remove hazards, and list what is frozen.

    Faults and mirrors are undone. Failovers, splits and the like stay as they are: undoing them
    blindly could send production to what is dead. Works from the marks on the objects alone, with
    no operator running. Run again, it goes on from what is left.

    Exits with 1 if anything could not be done.
    """
    if ctx.invoked_subcommand is not None:
        if given["reason"] or given["restore"] or given["namespaces"]:
            raise click.UsageError(f"{ctx.invoked_subcommand} takes no --reason, -n or --restore")
        ctx.obj = given
        return
    reason, name = given["reason"], given["restore"]
    if not reason and not name:
        raise click.UsageError("say why: autopilot halt --reason TEXT (or: status, resume)")
    if reason and name:
        raise click.UsageError("first --reason, then, once you have seen what is held, --restore")
    if reason:
        _halt(given, reason)
    else:
        _restore(given, name)


@halt.command(short_help="What is halted, and all that is held.")
@_reaches
@output_option
@click.pass_context
def status(ctx: click.Context, /, **given: Any) -> None:
    """Whether operators are halted, and all that is held, by whom and since when."""
    from autopilot.runtime.halting.orders import look

    given = _both(ctx, given)
    _tell(_run(given, look), given, "held")


@halt.command()
@_reaches
@output_option
@click.pass_context
def resume(ctx: click.Context, /, **given: Any) -> None:
    """Let operators go on. What they still want, they do again."""
    from autopilot.runtime.halting.orders import resume as go_on

    given = _both(ctx, given)
    order = _run(given, go_on)
    if given["output"] != "text":
        echo({"halted": False, "was": _order(order)}, given["output"])
    elif order is None:
        click.echo("operators were not halted")
    else:
        click.echo(f"operators go on; they were {order}")


def _both(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The flags before and after the subcommand."""
    before = {name: value for name, value in (ctx.obj or {}).items() if value}
    own = {name: value for name, value in given.items() if value and value != "text"}
    return {**given, **before, **own}


def _halt(given: dict[str, Any], reason: str) -> None:
    from functools import partial

    from autopilot.base.clock import SystemClock
    from autopilot.overlay.halting import Order
    from autopilot.runtime.halting.orders import halt as stop

    now = SystemClock().now().replace(microsecond=0)
    order = Order(reason, _somebody(), now, frozenset(given["namespaces"]))
    report: Report = _run(given, partial(stop, wanted=order))
    _tell(report, given, "frozen")


def _restore(given: dict[str, Any], name: str) -> None:
    from autopilot.mesh.providers import PROVIDERS
    from autopilot.runtime.halting.restoring import restore

    async def work(desk: Desk) -> Report:
        (provider,) = PROVIDERS.values()
        return await restore(desk, provider(), name)

    _tell(_run(given, work), given, "still held by it", removed="given back")


def _run(given: dict[str, Any], work: Callable[[Desk], Awaitable[Any]]) -> Any:
    import asyncio

    from autopilot.base.clock import SystemClock
    from autopilot.cli.cluster import sandboxed
    from autopilot.kube.http import connect
    from autopilot.runtime.halting.desk import Desk

    kubeconfig, context = sandboxed(given["kubeconfig"], given["context"], given["sandbox"])

    async def connected() -> Any:
        client = await connect(kubeconfig, context, user_agent="autopilot-halt")
        try:
            click.echo(f"context {client.context}, server {client.server}", err=True)
            return await work(Desk(client, SystemClock()))
        finally:
            await client.close()

    return asyncio.run(connected())


def _somebody() -> str:
    import getpass
    import socket

    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return f"somebody@{socket.gethostname()}"


def _tell(report: Report, given: dict[str, Any], held: str, *, removed: str = "removed") -> None:
    from autopilot.base.clock import SystemClock

    now = SystemClock().now()
    if given["output"] == "text":
        _text(report, now, held, removed)
    else:
        echo(_data(report, now), given["output"])
    if report.failed:
        count = len(report.failed)
        click.echo(f"FAILED: {count} {'thing' if count == 1 else 'things'} left undone:", err=True)
        for failure in report.failed:
            click.echo(f"  {failure.what}: {failure.why}", err=True)
        click.echo("run it again: it goes on from what is left", err=True)
        sys.exit(1)


_SAID = {None: "whether operators are halted can't be told", False: "operators are not halted"}


def _text(report: Report, now: datetime, held: str, removed: str) -> None:
    click.echo(str(report.order) if report.order else _SAID[report.halted])
    if report.removed:
        click.echo(f"{removed}:")
        _rows(report.removed, now)
    if report.hazards:
        click.echo("hazards in force:")
        _rows(report.hazards, now)
    nothing = "nothing that could be seen" if report.failed else "nothing"
    click.echo(f"{held}:" if report.holds else f"{held}: {nothing}")
    _rows(report.holds, now)
    for note in report.notes:
        click.echo(f"note: {note}")


def _rows(holds: tuple[Hold, ...], now: datetime) -> None:
    rows = [
        (hold.action, hold.object, f"of {hold.holder}", f"for {_age(hold.at, now)}", hold.detail)
        for hold in holds
    ]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        say("  " + "  ".join([*cells, row[4]]).rstrip())


def _age(at: datetime | None, now: datetime) -> str:
    from autopilot.base.durations import render

    return "?" if at is None else render(max(0, int((now - at).total_seconds())))


def _data(report: Report, now: datetime) -> dict[str, Any]:
    return {
        "halted": report.halted,
        "order": _order(report.order),
        "removed": [_plain(hold, now) for hold in report.removed],
        "hazards": [_plain(hold, now) for hold in report.hazards],
        "protections": [_plain(hold, now) for hold in report.holds],
        "failed": [{"what": each.what, "why": each.why} for each in report.failed],
        "notes": list(report.notes),
    }


def _plain(hold: Hold, now: datetime) -> dict[str, Any]:
    who = hold.holder
    return {
        "object": hold.object,
        "action": hold.action,
        "effect": hold.effect,
        "holder": {"kind": who.kind, "namespace": who.namespace, "name": who.name, "uid": who.uid},
        "at": hold.at.isoformat() if hold.at else None,
        "ageSeconds": round((now - hold.at).total_seconds(), 1) if hold.at else None,
        "detail": hold.detail,
    }


def _order(order: Order | None) -> dict[str, Any] | None:
    if order is None:
        return None
    return {
        "reason": order.reason,
        "by": order.by,
        "at": order.at.isoformat() if order.at else None,
        "namespaces": sorted(order.namespaces),
    }
