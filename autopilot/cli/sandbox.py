"""`autopilot sandbox`: a mesh in a box, on this machine."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from autopilot.sandbox.control import Wish
    from autopilot.sandbox.state import State

DEFAULT_NAME = "default"

_name = click.option(
    "--name", default=DEFAULT_NAME, show_default=True, help="Which sandbox; several can be up."
)
_output = click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True
)


@click.group()
def sandbox() -> None:
    """A mesh in a box: an API server, pods, Envoy and Prometheus, on this machine alone."""


@sandbox.command()
@_name
@click.option("--demo-app/--no-demo-app", default=True, help="Deploy `web` in namespace `demo`.")
@click.option("--load", type=click.FloatRange(0.1, 20_000), help="Requests a second on the app.")
@click.option(
    "--scrape-interval",
    type=click.FloatRange(0.05, 60),
    default=0.5,
    show_default=True,
    help="Seconds.",
)
@_output
def up(
    name: str, demo_app: bool, load: float | None, scrape_interval: float, output: str
) -> None:  # click passes flags by position
    """Start a sandbox and wait until it serves; one that is up is left as it is."""
    from autopilot.sandbox.control import Wish
    from autopilot.sandbox.control import up as start
    from autopilot.sandbox.state import READY

    if load is not None and not demo_app:
        raise click.UsageError("--load asks the demo app; leave --no-demo-app out")
    wish = Wish(demo_app, load, scrape_interval)
    state, already = start(_checked(name), wish)
    if already and (other := _ignored(name, wish)):
        again = f"to change that: {_again('down', name)}, then up"
        click.echo(f"left as it is, started with {other}; {again}", err=True)
    if output != "text":
        _print(state.encode(), output)
    else:
        how = "already up" if already else "up"
        click.echo(f"sandbox {state.name!r} is {how} ({state.phase})")
        _describe(state)
        click.echo(_usage(state, demo_app=demo_app and not already))
    if state.phase != READY:
        click.echo(f"{state.message}; start afresh: {_again('down', name)}, then up", err=True)
        sys.exit(1)


@sandbox.command()
@_name
def down(name: str) -> None:
    """End a sandbox; nothing of it is left."""
    from autopilot.sandbox.control import down as stop

    ended = stop(_checked(name))
    click.echo(f"sandbox {name!r} is down" if ended else f"sandbox {name!r} isn't up")


@sandbox.command()
@_name
@_output
def status(name: str, output: str) -> None:
    """Show a sandbox and its processes; exits with 1 unless all is well."""
    from autopilot.sandbox.homes import find
    from autopilot.sandbox.state import READY

    state = find(_checked(name))
    if state is None:
        if output == "text":
            click.echo(f"sandbox {name!r} isn't up; start it: {_again('up', name)}")
        else:
            _print({"name": name, "phase": "down"}, output)
        sys.exit(1)
    if output == "text":
        click.echo(f"sandbox {state.name!r} is {state.phase}")
        _describe(state)
    else:
        _print(state.encode(), output)
    if state.message:
        click.echo(state.message, err=True)
    sys.exit(0 if state.phase == READY else 1)


@sandbox.command()
@_name
@click.option("--print", "show", is_flag=True, help="Print the file itself, not its path.")
def kubeconfig(name: str, show: bool) -> None:
    """Print the path of a sandbox's kubeconfig."""
    from autopilot.base.errors import TerminalError
    from autopilot.sandbox.homes import find

    state = find(_checked(name))
    if state is None:
        raise TerminalError(f"sandbox {name!r} isn't up; start it: {_again('up', name)}")
    path = Path(state.kubeconfig)
    click.echo(path.read_text() if show else str(path))


@sandbox.command()
@click.option("--quiet", is_flag=True, help="Say nothing when all is well.")
def fetch(quiet: bool) -> None:
    """Get Prometheus, which a sandbox needs; without root, into a cache of ours."""
    from autopilot.sandbox.telemetry.fetch import ensure_prometheus

    found = ensure_prometheus()
    if not quiet:
        click.echo(f"Prometheus: {found}")


def _ignored(name: str, wish: Wish) -> str:
    """How a sandbox that is up differs from what the command line asks for; empty if it doesn't."""
    from autopilot.sandbox.control import asked

    started = asked(name)
    if started is None:
        return ""
    named = click.get_current_context().get_parameter_source
    pairs = (
        ("demo_app", "--demo-app" if started.demo_app else "--no-demo-app"),
        ("load", f"--load {started.load:g}" if started.load else "no --load"),
        ("scrape_interval", f"--scrape-interval {started.scrape_interval:g}"),
    )
    return ", ".join(
        said
        for key, said in pairs
        if named(key) is ParameterSource.COMMANDLINE and getattr(started, key) != getattr(wish, key)
    )


def _checked(name: str) -> str:
    from autopilot.sandbox.homes import check_name

    return check_name(name)


def _again(verb: str, name: str) -> str:
    return f"autopilot sandbox {verb}" + ("" if name == DEFAULT_NAME else f" --name {name}")


def _print(body: object, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(body, indent=2))
        return
    import yaml

    # Through JSON, so that YAML sees plain lists and mappings.
    click.echo(yaml.safe_dump(json.loads(json.dumps(body)), sort_keys=False).rstrip())


def _describe(state: State) -> None:
    for process in state.processes:
        well = "" if process.running else "  stopped" if not process.pid else "  ENDED"
        what = f"{process.name} {process.version}".strip()
        click.echo(f"  {what:<18} pid {process.pid:<8} {process.url or '-'}{well}")
    click.echo(f"  {'ingress':<18} {'':<12} {state.ingress_url}")


def _usage(state: State, *, demo_app: bool) -> str:
    exports = f"export KUBECONFIG={shlex.quote(state.kubeconfig)}"
    exports += f" METRICS_SERVER={shlex.quote(state.prometheus_url)}"
    lines = ["", "use it:", f"  {exports}", "  kubectl get deployments,pods,services -A"]
    if demo_app:
        lines.append(f"  curl -s -H 'Host: web.demo' {state.ingress_url}/")
    return "\n".join([*lines, f"end it:\n  {_again('down', state.name)}"])
