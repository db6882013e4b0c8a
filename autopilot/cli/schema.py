"""`autopilot schema`: JSON Schemas for editors."""

from __future__ import annotations

import click


@click.command()
@click.argument("kind", type=click.Choice(["rule", "rule-test"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a Rule, or of a rule's tests, for an editor.

    \b
    autopilot schema rule > rule.schema.json
    # the first line of a rule's file, for editors with the YAML language server:
    # yaml-language-server: $schema=rule.schema.json
    """  # noqa: D301 -- click wants the backspace itself
    from autopilot.cli.structured import echo
    from autopilot.rules.schema import rule_schema, rule_test_schema

    echo(rule_schema() if kind == "rule" else rule_test_schema(), "json")
