"""`autopilot explain`: why a rule is where it is, what it waits for, what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autopilot.cli.cluster import looks_at_cluster
from autopilot.cli.structured import output_option

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access

_RULES = {"rule", "rules", "rules.autopilot.mesh"}


@click.command()
@click.argument("what", metavar="KIND/NAME")
@click.option("-n", "--namespace", default="default", show_default=True, help="Its namespace.")
@looks_at_cluster
@output_option
def explain(what: str, namespace: str, access: Access, output: str) -> None:
    """Explain a rule, like rule/checkout-failover. Nothing is written.

    Its phase and since when; each signal's value and age, or why it is unknown; each way out with
    the verdict of each comparison and what it still waits for; the ladder; what it holds, by the
    marks on the objects themselves; what stops it; what would happen next.

    Of other kinds (canary/NAME): phase, conditions, history and what it holds.
    """
    import asyncio

    from autopilot.cli.explain_view import show
    from autopilot.cli.explaining import explain_other, explain_rule
    from autopilot.cli.structured import echo
    from autopilot.rules.inspect import plain

    kind, slash, name = what.partition("/")
    if not slash or not kind or not name:
        raise click.UsageError(f"{what!r} is no KIND/NAME, like rule/checkout-failover")
    if kind.lower() in _RULES:
        told = asyncio.run(explain_rule(access, namespace, name))
    else:
        told = asyncio.run(explain_other(access, kind, namespace, name))
    if output == "text":
        show(told)
    else:
        echo(plain(told), output)
