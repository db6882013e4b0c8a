"""Which cluster a verb works on that asks no metrics: flags that several verbs share."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autopilot.cli.cluster import Access, sandboxed

if TYPE_CHECKING:
    from collections.abc import Callable

_OPTIONS = (
    click.option("--kubeconfig", type=click.Path(path_type=Path), help="A kubeconfig file."),
    click.option("--context", help="A context of the kubeconfig; its current one by default."),
    click.option("--sandbox", metavar="NAME", help="Instead: a sandbox that is up."),
)


def reaches_cluster(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the flags; it gets them as one `access: Access` that names no metrics server."""

    @functools.wraps(verb)
    def wrapped(
        kubeconfig: Path | None, context: str | None, sandbox: str | None, **rest: Any
    ) -> Any:
        return verb(access=Access(*sandboxed(kubeconfig, context, sandbox), ""), **rest)

    made: Callable[..., Any] = wrapped
    for option in reversed(_OPTIONS):
        made = option(made)
    return made
