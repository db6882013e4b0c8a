"""What `autopilot rule plan` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.cli.page import Page
from autopilot.rules.inspect import plain
from autopilot.rules.price import Situation
from autopilot.rules.price_steps import costs, prices, seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from autopilot.cli.planning import Planning
    from autopilot.rules.planned import StepPlan
    from autopilot.rules.price import Detection
    from autopilot.rules.price_steps import Price, Seen

RATES = (1.0, 10.0, 100.0, 1000.0)
"""Requests per second that are shown where the present rate isn't known."""


def plain_plan(plan: Planning, rps: float | None, scrape: float | None) -> dict[str, Any]:
    """A plan as plain data."""
    phases = []
    for name, phase in plan.program.phases.items():
        phases.append(
            {
                "name": name,
                "steps": plain([step for step in plan.steps if step.phase == name]),
                "costs": costs(phase),
                "byRate": [
                    {
                        "rps": rate,
                        "detection": plain(seen(plan.program, name, situation)),
                        "prices": plain(prices(plan.program, name, situation)),
                    }
                    for rate, situation in _situations(plan, rps, scrape)
                ],
            }
        )
    return {
        "rule": f"{plan.program.namespace}/{plan.program.name}",
        "mode": "observe" if plan.program.observe else "enforce",
        "rps": plan.rps if rps is None else rps,
        "rateUnknown": plan.why if plan.rps is None and rps is None else "",
        "signals": dict(plan.values),
        "phases": phases,
        "unknown": dict(plan.unknown),
    }


def show(
    plan: Planning, rps: float | None, scrape: float | None, console: Console | None = None
) -> None:
    """Print a plan for people."""
    page, program = Page(console), plan.program
    page.title(f"Rule {program.namespace}/{program.name}")
    target = program.target
    page.fact("target", f"Service {target.namespace}/{target.host}")
    if program.observe:
        page.fact(
            "mode", "observe: it decides and records; none of this would be written", "yellow"
        )
    rate = plan.rps if rps is None else rps
    if rate is None:
        page.fact("requests", f"unknown: {plan.why}; shown for several rates", "yellow")
    else:
        page.fact("requests", f"{rate:.3g} per second", note="given" if rps else "now")
    page.fact("scrapes", "a quarter of each window" if scrape is None else f"{scrape:g} s apart")
    limits = [*_limits(plan)]
    if limits:
        page.fact("guardrails", "; ".join(limits), note="and the installation's own")
    for what, why in plan.unknown.items():
        page.fact(f"no {what}", why, "yellow")
    for name in program.phases:
        _phase(page, plan, name, rps, scrape)


def _phase(page: Page, plan: Planning, name: str, rps: float | None, scrape: float | None) -> None:
    phase = plan.program.phases[name]
    page.section(f"Phase {name}", phase.description)
    for step in plan.steps:
        if step.phase == name:
            _step(page, step)
    for cost in costs(phase):
        page.fact("on purpose", cost, "yellow")
    situations = [*_situations(plan, rps, scrape)]
    first = seen(plan.program, name, situations[0][1])
    for n, each in enumerate(first):
        held = f" (and {each.holds})" if each.holds else ""
        page.line(f"to {each.to} when {each.when}{held}")
        if not each.detections:
            page.line("  errors don't decide it", "dim")
        for rate, situation in situations if each.detections else ():
            found = seen(plan.program, name, situation)[n]
            label = f"at {rate:g} rps" if len(situations) > 1 else ""
            _detections(page, found, label)
    for rate, situation in situations:
        for price in prices(plan.program, name, situation):
            _price(page, price, rate)


def _step(page: Page, step: StepPlan) -> None:
    rung = f"rung {step.rung + 1} of {step.of}: " if step.of > 1 else ""
    page.line(f"{rung}{'; '.join(step.actions) or 'wants nothing of the mesh'}", "bold")
    for each in step.objects:
        made = " (made; removed when it isn't needed any more)" if each.made else ""
        page.line(f"  {each.object}{made}", "cyan")
        for line in each.diff:
            style = {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")
            page.line(f"    {line}", style)
        if not each.diff:
            page.line("    only marks", "dim")
    if not step.objects and not step.refused:
        page.line("  changes nothing", "dim")
    for why in step.refused:
        page.line(f"  refused: {why}", "yellow")
    for why in step.guardrails:
        page.line(f"  held up: {why}", "yellow")


def _detections(page: Page, found: Seen, label: str) -> None:
    nevers = [each for each in found.detections if each.soonest is None]
    if len(nevers) == len(found.detections):
        whys = list(dict.fromkeys(each.why for each in nevers))
        if all(why.startswith("never") for why in whys):
            page.fact(f"  {label}", f"not opened by errors of {found.subject}", "dim")
            return
    parts = [f"{each.errors * 100:g} % errors: {_when(each)}" for each in found.detections]
    subject = f"{found.subject} {label}".strip()
    for n, part in enumerate(parts):
        page.fact(f"  {subject}" if n == 0 else "", part)


def _when(each: Detection) -> str:
    if each.soonest is None or each.latest is None:
        return each.why
    return f"{_span(each.soonest)} to {_span(each.latest)}"


def _price(page: Page, price: Price, rate: float) -> None:
    step = f"rung {price.rung + 1}" if price.rung else "the step"
    what = f"{price.share:g} % to {price.subject}"
    if price.requests is None or price.seconds is None:
        page.fact("price", f"{step} ({what}) at {rate:.3g} rps: not bounded: {price.by}", "yellow")
        return
    count = round(price.requests)
    risk = f"risks ≤ {count} request{'' if count == 1 else 's'} at {rate:.3g} rps"
    page.fact("price", f"{step} ({what}) {risk}", note=f"{_span(price.seconds)}, {price.by}")


def _situations(
    plan: Planning, rps: float | None, scrape: float | None
) -> Iterable[tuple[float, Situation]]:
    rate = plan.rps if rps is None else rps
    for each in RATES if rate is None else (rate,):
        yield each, Situation(each, scrape, plan.values)


def _limits(plan: Planning) -> Iterable[str]:
    limits = plan.program.limits
    if limits.max_transitions:
        count, per = limits.max_transitions
        yield f"at most {count} transitions per {durations.render(per)}, then it latches"
    if limits.min_dwell:
        yield f"each phase lasts {durations.render(limits.min_dwell)} at least"
    if limits.max_step < 100:
        yield f"no write moves more than {limits.max_step:g} %"


def _span(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 10 else durations.render(round(seconds))
