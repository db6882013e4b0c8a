"""`autopilot experiment`: chaos from the command line and in pipelines."""

from __future__ import annotations

import click

from autopilot.cli.lazy import LazyGroup

_VERBS: dict[str, tuple[str, str]] = {
    "validate": ("autopilot.cli.experiment_validate:validate", "Check files; no cluster needed."),
    "plan": ("autopilot.cli.experiment_plan:plan", "What it would change, and what forbids it."),
    "run": ("autopilot.cli.experiment_run:run", "Run one; in a pipeline, wait for its verdict."),
    "list": ("autopilot.cli.experiment_list:list_", "Experiments and how they stand."),
    "abort": ("autopilot.cli.experiment_marks:abort", "End a run and remove its fault."),
    "rerun": ("autopilot.cli.experiment_marks:rerun", "Begin another run of one that is over."),
    "report": ("autopilot.cli.experiment_report:report", "What happened, as text, page or data."),
}


@click.group(cls=LazyGroup, verbs=_VERBS)
def experiment() -> None:
    """Inject faults, watch, restore, report. `autopilot controller` does the work."""
