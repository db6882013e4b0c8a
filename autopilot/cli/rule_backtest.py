"""`autopilot rule backtest`: what a rule would have done over recorded history."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autopilot.cli.folding import say
from autopilot.cli.structured import echo, output_option

if TYPE_CHECKING:
    from datetime import timedelta

    from autopilot.rules.backtest import Backtest
    from autopilot.rules.program import Program
    from autopilot.telemetry.history import Span

_MOMENT = re.compile(r"  \d{4}-\S+Z  ")
_BELOW = 24
"""Columns before the text of a timeline."""


@click.command()
@click.argument("rule", metavar="RULE")
@click.option("--prometheus", metavar="URL", required=True, help="Prometheus, or any like it.")
@click.option("--from", "begin", metavar="TIME", required=True, help="-2h, or RFC 3339.")
@click.option("--to", "end", metavar="TIME", default="now", show_default=True, help="Likewise.")
@click.option("--step", metavar="DURATION", help="Between two looks.  [default: the interval]")
@click.option(
    "--assume",
    metavar="SIGNAL=VALUE",
    multiple=True,
    help="What a signal says all the time, like standby_ready=2: endpoints aren't recorded.",
)
@click.option("--name", help="Which rule, where the file holds several.")
@click.option(
    "--bearer-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a token for Prometheus.",
)
@click.option(
    "--timeout", metavar="DURATION", default="30s", show_default=True, help="For each request."
)
@output_option
def backtest(  # noqa: PLR0913, PLR0917 -- one for each option
    rule: str,
    prometheus: str,
    begin: str,
    end: str,
    step: str | None,
    assume: tuple[str, ...],
    name: str | None,
    bearer_file: Path | None,
    timeout: str,
    output: str,
) -> None:
    """Tell what a RULE would have done over recorded history.

    RULE is a file. Its signals are asked for at each step of the past, and judged as the
    controller judges them; nothing is changed. Says where data was missing.
    """
    from autopilot.rules.backtest_view import lines, plain

    program = _program(rule, name)
    assumed = dict(_assumed(program, one) for one in assume)
    patience = _duration("--timeout", timeout).total_seconds()
    span = _span(program, begin, end, None if step is None else _duration("--step", step))
    token = bearer_file.read_text(encoding="utf-8").strip() if bearer_file else ""
    found = asyncio.run(_run(program, span, assumed, _Asked(prometheus, token, patience)))
    if output == "text":
        for line in lines(found):
            say(line, _BELOW if _MOMENT.match(line) else None)
    else:
        echo(plain(found), output)


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str
    token: str
    timeout: float


async def _run(
    program: Program, span: Span, assumed: dict[str, float | None], asked: _Asked
) -> Backtest:
    from autopilot.rules.backtest import backtest as flown
    from autopilot.rules.backtest import fetch
    from autopilot.telemetry.prometheus import PrometheusSource

    headers = {"Authorization": f"Bearer {asked.token}"} if asked.token else {}
    source = PrometheusSource(asked.url, headers=headers)
    try:
        past = await fetch(program, source, span, assumed, asked.timeout)
    finally:
        await source.close()
    return flown(program, span, past, assumed)


def _program(file: str, name: str | None) -> Program:
    from autopilot.base.errors import InvalidInput
    from autopilot.rules.check_files import checked
    from autopilot.spec.problems import did_you_mean

    found = checked([Path(file)])
    if found.problems:
        raise InvalidInput(found.problems)
    programs = {rule.name: rule.program for _, rule in found.rules if rule.program}
    if name is None and len(programs) == 1:
        return next(iter(programs.values()))
    if name is None:
        raise click.UsageError(f"{file} holds several rules; --name {' or '.join(programs)}")
    if name not in programs:
        raise click.UsageError(f"--name {name}: no such rule; {did_you_mean(name, programs)}")
    return programs[name]


def _assumed(program: Program, said: str) -> tuple[str, float | None]:
    from autopilot.rules.testfile_values import value_of
    from autopilot.spec.problems import did_you_mean

    name, equals, text = said.partition("=")
    if not equals:
        raise click.UsageError(f"--assume {said}: write SIGNAL=VALUE, like standby_ready=2")
    if name not in program.signals:
        hint = did_you_mean(name, program.signals)
        raise click.UsageError(f"--assume {said}: there is no signal {name!r}; {hint}")
    try:
        return name, value_of(text, program.signals[name].unit)
    except ValueError as error:
        raise click.UsageError(f"--assume {said}: {error}") from None


def _span(program: Program, begin: str, end: str, step: timedelta | None) -> Span:
    from datetime import UTC, datetime

    from autopilot.rules.backtest import moment, span_of

    now = datetime.now(UTC).replace(microsecond=0)
    times = []
    for option, text in (("--from", begin), ("--to", end)):
        try:
            times.append(moment(text, now))
        except ValueError as error:
            raise click.UsageError(f"{option}: {error}") from None
    try:
        return span_of(program, times[0], times[1], step)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _duration(option: str, text: str) -> timedelta:
    from autopilot.base import durations

    try:
        found = durations.parse(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None
    if not found:
        raise click.UsageError(f"{option}: 0s is no time; write it like 30s")
    return found
