"""`autopilot schema`: JSON Schemas for editors."""

from __future__ import annotations

import click


@click.command()
@click.argument("kind", type=click.Choice(["rule", "rule-test", "experiment"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a Rule, of a rule's tests, or of an Experiment, for an editor.

    \b
    autopilot schema rule > rule.schema.json
    # the first line of a rule's file, for editors with the YAML language server:
    # yaml-language-server: $schema=rule.schema.json
    """  # noqa: D301 -- click wants the backspace itself
    from autopilot.cli.structured import echo
    from autopilot.operators.chaos.schema import experiment_schema
    from autopilot.rules.schema import rule_schema, rule_test_schema

    made = {"rule": rule_schema, "rule-test": rule_test_schema, "experiment": experiment_schema}
    echo(made[kind](), "json")
