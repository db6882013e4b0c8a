"""The command `autopilot` (and its alias `ap`): finds a verb's module only when it is called."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from autopilot.base.errors import AutopilotError, InvalidInput
from autopilot.cli.lazy import LazyGroup

_VERBS: dict[str, tuple[str, str]] = {
    "init": ("autopilot.cli.init:init", "Scaffold an operator."),
    "generate": ("autopilot.cli.generate:generate", "Rewrite what follows from autopilot.yaml."),
    "validate": ("autopilot.cli.validate:validate", "Check a project; every error at once."),
    "graph": ("autopilot.cli.graph:graph", "Draw the state machine (mermaid)."),
    "run": ("autopilot.cli.run:run", "Run an operator against a cluster or a sandbox."),
    "controller": ("autopilot.cli.controller:controller", "Serve Rules and Experiments: YAML."),
    "approve": ("autopilot.cli.approve:approve", "Open a gate that waits for a person."),
    "rule": ("autopilot.cli.rule:rule", "Write a rule, try it out, see what it would do."),
    "experiment": ("autopilot.cli.experiment:experiment", "Inject faults, watch, report."),
    "inspect": ("autopilot.cli.inspect:inspect", "See all that applies to a service."),
    "explain": ("autopilot.cli.explain:explain", "Why a rule is where it is, and what comes next."),
    "halt": ("autopilot.cli.halt:halt", "Stop all operators and remove hazards, at once."),
    "crds": ("autopilot.cli.crds:crds", "Print the included kinds' CRDs, to apply."),
    "schema": ("autopilot.cli.schema:schema", "Print a JSON Schema, for editors."),
    "sandbox": ("autopilot.cli.sandbox:sandbox", "A mesh in a box, on this machine."),
    "demo": ("autopilot.cli.demo:demo", "See it fly: real requests, real Envoy."),
    "version": ("autopilot.cli.version:version", "Print versions."),
    "completion": ("autopilot.cli.completion:completion", "Print a shell's completion script."),
}


@click.group(cls=LazyGroup, verbs=_VERBS, context_settings={"help_option_names": ["-h", "--help"]})
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
