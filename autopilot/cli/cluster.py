"""Which cluster and which metrics server a verb looks at: flags that several verbs share."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

NO_METRICS = "no metrics server is named; give --metrics-server or set METRICS_SERVER"


@dataclass(frozen=True, slots=True)
class Access:
    """Where to look.

    Attributes:
        kubeconfig: A path; None to search as kubectl does.
        context: A context of it; None for its current one.
        metrics_server: Prometheus's address; empty where none is named.
    """

    kubeconfig: str | None
    context: str | None
    metrics_server: str


_OPTIONS = (
    click.option("--kubeconfig", type=click.Path(path_type=Path), help="A kubeconfig file."),
    click.option("--context", help="A context of the kubeconfig; its current one by default."),
    click.option("--sandbox", metavar="NAME", help="Instead: a sandbox that is up."),
    click.option(
        "--metrics-server",
        metavar="URL",
        envvar="METRICS_SERVER",
        default="",
        help="Prometheus, or what speaks its API; $METRICS_SERVER by default.",
    ),
)


def looks_at_cluster(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the flags; it gets them as one `access: Access`."""

    @functools.wraps(verb)
    def wrapped(
        kubeconfig: Path | None,
        context: str | None,
        sandbox: str | None,
        metrics_server: str,
        **rest: Any,
    ) -> Any:
        found = Access(str(kubeconfig) if kubeconfig else None, context, metrics_server)
        return verb(access=found if sandbox is None else _sandbox(found, sandbox), **rest)

    made: Callable[..., Any] = wrapped
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


def _sandbox(access: Access, name: str) -> Access:
    from autopilot.sandbox.homes import find

    if access.kubeconfig or access.context:
        raise click.UsageError("--sandbox brings its own kubeconfig; leave the others out")
    state = find(name)
    if state is None:
        raise click.UsageError(f"no sandbox {name!r} is up; autopilot sandbox up --name {name}")
    # A METRICS_SERVER of the environment is another cluster's, as likely as not.
    source = click.get_current_context().get_parameter_source("metrics_server")
    named = source is click.core.ParameterSource.COMMANDLINE
    return Access(state.kubeconfig, None, access.metrics_server if named else state.prometheus_url)


def sandboxed(
    kubeconfig: Path | None, context: str | None, sandbox: str | None
) -> tuple[str | None, str | None]:
    """Kubeconfig and context for a verb that asks no metrics.

    Raises:
        click.UsageError: There is no such sandbox, or a kubeconfig is named besides.
    """
    path = str(kubeconfig) if kubeconfig else None
    if sandbox is None:
        return path, context
    if path or context:
        raise click.UsageError("--sandbox brings its own kubeconfig; leave the others out")
    from autopilot.sandbox.homes import find

    state = find(sandbox)
    if state is None:
        raise click.UsageError(
            f"no sandbox {sandbox!r} is up; autopilot sandbox up --name {sandbox}"
        )
    return state.kubeconfig, None
