"""What `autopilot rule plan` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base import durations
from autopilot.cli.page import Page
from autopilot.rules.inspect import plain
from autopilot.rules.price import Situation
from autopilot.rules.price_steps import costs, prices, seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
        page.fact("unknown", f"{what}: {why}", "yellow")
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
    told = [(rate, seen(plan.program, name, situation)) for rate, situation in situations]
    for n, each in enumerate(told[0][1]):
        held = f" (and {each.holds})" if each.holds else ""
        page.line(f"to {each.to} when {each.when}{held}")
        if each.detections:
            _detections(page, [(rate, found[n]) for rate, found in told])
        else:
            page.line("  errors don't decide it", "dim")
    _prices(page, [(rate, prices(plan.program, name, each)) for rate, each in situations])


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


def _detections(page: Page, rows: Sequence[tuple[float, Seen]]) -> None:
    """How soon errors are seen; a line for each rate that makes a difference."""
    texts: dict[str, float] = {}
    for rate, found in rows:
        if all(each.why.startswith("never") for each in found.detections):
            why = found.detections[-1].why.removeprefix("never: ")
            text = f"not opened by errors of {found.subject}: {why}"
        else:
            text = f"{found.subject}: " + "; ".join(_parts(found.detections))
        texts.setdefault(text, rate)
    for text, rate in texts.items():
        page.fact(f"  from {_rate(rate)}" if len(texts) > 1 else "  seen", text)


def _parts(detections: Iterable[Detection]) -> Iterable[str]:
    """`5 %: 8s to 30s`; what is the same of several is said once."""
    said: dict[str, list[str]] = {}
    for each in detections:
        text = each.why
        if each.soonest is not None and each.latest is not None:
            text = f"{_span(each.soonest)} to {_span(each.latest)}"
        said.setdefault(text, []).append(f"{each.errors * 100:g} %")
    for text, shares in said.items():
        yield f"{', '.join(shares)} errors: {text}"


def _prices(page: Page, rows: Sequence[tuple[float, Sequence[Price]]]) -> None:
    unbounded: list[str] = []
    ladder = any(price.rung for _, found in rows for price in found)
    for rate, found in rows:
        for price in found:
            step = f"rung {price.rung + 1}" if ladder else "the step"
            what = f"{step} ({price.share:g} % to {price.subject})"
            if price.requests is None or price.seconds is None:
                unbounded.append(f"{what}: not bounded: {price.by}")
                continue
            count = round(price.requests)
            risk = f"risks ≤ {count} request{'' if count == 1 else 's'} at {_rate(rate)}"
            page.fact("price", f"{what} {risk}", note=f"{_span(price.seconds)}, {price.by}")
    for text in dict.fromkeys(unbounded):
        page.fact("price", text, "yellow")


def _rate(rate: float) -> str:
    return f"{rate:.4g} rps"


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
