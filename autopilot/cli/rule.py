"""`autopilot rule`: write a rule, try it out, see what it would do."""

from __future__ import annotations

import click

from autopilot.cli.lazy import LazyGroup

_VERBS: dict[str, tuple[str, str]] = {
    "validate": ("autopilot.cli.rule_validate:validate", "Check rules; every error at once."),
    "expand": ("autopilot.cli.rule_expand:expand", "Print a failover's long form."),
    "test": ("autopilot.cli.rule_test:test", "Run a rule's unit tests, in virtual time."),
    "backtest": ("autopilot.cli.rule_backtest:backtest", "What it would have done, by history."),
    "plan": ("autopilot.cli.rule_plan:plan", "What each phase would change, and at what price."),
}


@click.group(cls=LazyGroup, verbs=_VERBS)
def rule() -> None:
    """Write a rule, try it out, see what it would do."""
