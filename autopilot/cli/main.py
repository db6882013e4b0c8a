"""The command `autopilot` (and its alias `ap`): finds a verb's module only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from autopilot.base.errors import AutopilotError, InvalidInput

_VERBS: dict[str, tuple[str, str]] = {
    "init": ("autopilot.cli.init:init", "Scaffold an operator."),
    "generate": ("autopilot.cli.generate:generate", "Rewrite what follows from autopilot.yaml."),
    "validate": ("autopilot.cli.validate:validate", "Check a project; every error at once."),
    "graph": ("autopilot.cli.graph:graph", "Draw the state machine (mermaid)."),
    "run": ("autopilot.cli.run:run", "Run an operator against a cluster or a sandbox."),
    "sandbox": ("autopilot.cli.sandbox:sandbox", "A mesh in a box, on this machine."),
    "demo": ("autopilot.cli.demo:demo", "See it fly: real requests, real Envoy."),
    "version": ("autopilot.cli.version:version", "Print versions."),
    "completion": ("autopilot.cli.completion:completion", "Print a shell's completion script."),
}


class Verbs(click.Group):
    """A group that imports a verb when it is asked for, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order that a newcomer needs them."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module."""
        if cmd_name not in _VERBS:
            return None
        module, _, attribute = _VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, text) in _VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Watches a service mesh's telemetry and moves its traffic."""


def main(args: list[str] | None = None) -> NoReturn:
    """Run a verb.

    Exit codes: 0 done; 1 failed; 2 what was typed or written is wrong; 130 interrupted.
    """
    try:
        # Not click's own way of ending: to it, an interruption is a failure like any other.
        sys.exit(cli.main(args=args, prog_name="autopilot", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except InvalidInput as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except AutopilotError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        # A place that can't be read or written: what was typed names it.
        what = error.strerror or str(error)
        click.echo(f"{error.filename}: {what}" if error.filename else f"error: {what}", err=True)
        sys.exit(2 if error.filename else 1)
