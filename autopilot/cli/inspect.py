"""`autopilot inspect`: all that applies to a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autopilot.cli.cluster import looks_at_cluster
from autopilot.cli.structured import output_option

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access


@click.group()
def inspect() -> None:
    """See all that applies to a service: routes, holders, rules, signals."""


@inspect.command()
@click.argument("name")
@click.option("-n", "--namespace", default="default", show_default=True, help="Its namespace.")
@looks_at_cluster
@output_option
def service(name: str, namespace: str, access: Access, output: str) -> None:
    """Show all that applies to the Service NAME, in and out. Nothing is written.

    Mesh objects that route it, lead to it or bound it; who holds which field of them, since when
    and what stood there before; the rules, canaries and other resources about it; what keeps
    autopilot off; its workloads; where its requests go and what its callers see.
    """
    import asyncio

    from autopilot.cli.inspect_view import show
    from autopilot.cli.inspecting import look
    from autopilot.cli.structured import echo
    from autopilot.rules.inspect import plain

    found = asyncio.run(look(access, namespace, name))
    if output == "text":
        show(found)
    else:
        echo(plain(found), output)
