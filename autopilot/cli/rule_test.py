"""`autopilot rule test`: the unit tests of rules, in virtual time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autopilot.cli.folding import say
from autopilot.cli.structured import echo, output_option, plain_problem

if TYPE_CHECKING:
    from autopilot.rules.testfile_read import Suite
    from autopilot.rules.testfile_run import Failure, Outcome

_BELOW = 14
"""Columns before the text of a timeline."""


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@output_option
@click.option("-v", "--verbose", is_flag=True, help="Show the timeline of each test.")
def test(files: tuple[str, ...], output: str, verbose: bool) -> None:
    """Run the unit tests of rules, in virtual time; needs no cluster.

    A FILE holds tests (autopilot schema rule-test); of a folder, all NAME_test.yaml in it. A test
    says what signals do over time and what is expected of the rule at which moment. Exits with 1
    if a test fails, and with 2 if anything is wrong with the files.
    """
    from autopilot.rules.testfile_read import suite_of
    from autopilot.rules.testfile_run import run

    suite = suite_of([Path(file) for file in files])
    outcomes = [] if suite.problems else [run(case) for case in suite.cases]
    if output == "text":
        _text(suite, outcomes, verbose=verbose)
    else:
        echo(_plain(suite, outcomes), output)
    if suite.problems:
        sys.exit(2)
    if not all(outcome.passed for outcome in outcomes):
        sys.exit(1)


def _text(suite: Suite, outcomes: list[Outcome], *, verbose: bool) -> None:
    for problem in sorted(suite.problems):
        click.echo(str(problem), err=True)
    for outcome in outcomes:
        case = outcome.case
        if outcome.passed:
            ok = click.style("ok", fg="green")
            click.echo(f"{ok}    {case.file}:{case.line}: {case.name}")
        else:
            _failed(outcome)
        if verbose and outcome.passed:
            _timeline(outcome)
    if outcomes:
        failed = sum(not outcome.passed for outcome in outcomes)
        tests = f"{len(outcomes)} test{'s' if len(outcomes) > 1 else ''}"
        click.echo(f"{tests}: {f'{failed} failed' if failed else 'ok'}")


def _failed(outcome: Outcome) -> None:
    from autopilot.base import durations

    case, told = outcome.case, set[float]()
    bad = click.style("FAIL", fg="red", bold=True)
    click.echo(f"{bad}  {case.file}:{case.line}: {case.name}")
    for failure in outcome.failures:
        at = durations.render(failure.at)
        click.echo(f"  {case.file}:{failure.line}: at {at}: {failure.what}")
        say(f"    expected  {failure.expected}", _BELOW)
        say(f"    got       {failure.got}", _BELOW)
        if failure.at not in told:
            for line in failure.why:
                say(f"      {line}")
        told.add(failure.at)
    _timeline(outcome)


def _timeline(outcome: Outcome) -> None:
    click.echo("  timeline")
    for line in outcome.timeline:
        say(f"    {line}", _BELOW)


def _plain(suite: Suite, outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "passed": not suite.problems and all(outcome.passed for outcome in outcomes),
        "problems": [plain_problem(problem) for problem in sorted(suite.problems)],
        "tests": [_plain_test(outcome) for outcome in outcomes],
    }


def _plain_test(outcome: Outcome) -> dict[str, Any]:
    from autopilot.rules.words import describe

    case = outcome.case
    return {
        "file": case.file,
        "line": case.line,
        "name": case.name,
        "rule": case.program.name,
        "passed": outcome.passed,
        "failures": [_plain_failure(failure) for failure in outcome.failures],
        "timeline": [
            {
                "at": step.at,
                "phase": step.phase,
                "rung": step.rung + 1,
                "reason": step.event[0],
                "message": step.event[1],
                "actions": [describe(action) for action in step.wanted],
            }
            for step in outcome.flight.steps
        ],
    }


def _plain_failure(failure: Failure) -> dict[str, Any]:
    return {
        "line": failure.line,
        "at": failure.at,
        "what": failure.what,
        "expected": failure.expected,
        "got": failure.got,
        "why": list(failure.why),
    }
