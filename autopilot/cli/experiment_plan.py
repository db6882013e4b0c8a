"""`autopilot experiment plan`: what a run would change, and what forbids it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autopilot.cli.reaching import reaches_cluster
from autopilot.cli.structured import output_option

if TYPE_CHECKING:
    from autopilot.cli.cluster import Access
    from autopilot.cli.experiment_planning import Plan
    from autopilot.operators.chaos.model import ChaosLimits


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="Where none is written."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The installation's configuration, for its limits.",
)
@reaches_cluster
@output_option
def plan(
    files: tuple[str, ...], namespace: str, config: Path | None, access: Access, output: str
) -> None:
    """Show what the experiments in FILE would do. Nothing is written, nothing is injected.

    The target and what stands behind it, the changes to the mesh's objects as they are now, and
    what the controller would refuse. Exits with 2 if anything is refused.
    """
    import asyncio

    from autopilot.cli.experiment_planning import plans
    from autopilot.cli.experimenting import experiments_in
    from autopilot.cli.structured import echo

    found = experiments_in(files, namespace)
    made = asyncio.run(plans(access, found, _limits(config)))
    if output == "text":
        for one in made:
            _show(one)
    else:
        echo([_plain(one) for one in made], output)
    if any(one.refused for one in made):
        sys.exit(2)


def _limits(path: Path | None) -> ChaosLimits:
    """The installation's limits; the defaults where its configuration isn't given.

    Raises:
        InvalidInput: The configuration is wrong.
    """
    from autopilot.operators.chaos.model import ChaosConfig
    from autopilot.project.load import read_config_as
    from autopilot.spec.controller_config import ControllerConfig

    if path is None:
        return ChaosConfig().chaos
    config = read_config_as(ControllerConfig, path)[1]
    return ChaosConfig.model_validate(config.config).chaos


def _show(plan: Plan) -> None:
    from autopilot.cli.page import Page

    page, program = Page(), plan.program
    spec, where = program.spec, program.where
    page.title(f"Experiment {plan.namespace}/{plan.name}")
    behind = "" if plan.ready is None else f"{plan.ready} ready endpoints"
    page.fact("target", f"Service {where.namespace}/{where.host}", note=behind)
    page.fact("callers", ", ".join(spec.from_) if spec.from_ else "all")
    for fault in _faults(plan) or ["none: a control run"]:
        page.fact("fault", fault)
    page.fact("lasts", _times(plan))
    for one in program.conditions:
        page.fact("fails when", _condition(one))
    for expect in program.expects:
        page.fact("expects", expect.what)
    for what, why in plan.unknown.items():
        page.fact(f"no {what}", why, "yellow")
    page.section("Changes to the mesh", "undone at the end, whatever the verdict")
    for each in plan.objects:
        made = " (made; removed when it isn't needed any more)" if each.made else ""
        page.line(f"{each.object}{made}", "cyan")
        for line in each.diff or ("only marks",):
            style = {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "" if each.diff else "dim")
            page.line(f"  {line}", style)
    if not plan.objects:
        page.line("none", "dim")
    page.section("Guardrails")
    for why in plan.refused:
        page.line(f"refused: {why}", "red")
    for why in plan.waits:
        page.line(f"waits: {why}", "yellow")
    if not plan.refused and not plan.waits:
        page.line("nothing forbids it", "green")
    click.echo()


def _faults(plan: Plan) -> list[str]:
    from autopilot.base import durations

    fault = plan.program.fault
    if fault is None:
        return []
    found = []
    if fault.abort_status is not None or fault.abort_grpc is not None:
        answer = fault.abort_grpc or fault.abort_status
        found.append(f"{fault.abort_percentage:g} % aborted with {answer}")
    if fault.delay is not None:
        found.append(f"{fault.delay_percentage:g} % delayed by {durations.render(fault.delay)}")
    return found


def _times(plan: Plan) -> str:
    from autopilot.base import durations

    spec = plan.program.spec
    polls = f"a poll each {durations.render(spec.poll_interval)}"
    return f"{durations.render(spec.duration)} at most, {polls}"


def _condition(one: Any) -> str:
    from autopilot.verdict.units import render

    times = f", in {one.for_polls} polls one after another" if one.for_polls > 1 else ""
    if one.query is None:
        return f"{one.reads} answers other than 2xx{times}"
    return f"{one.reads} {one.operator} {render(one.threshold, one.unit)}{times}"


def _plain(plan: Plan) -> dict[str, Any]:
    where = plan.program.where
    return {
        "experiment": f"{plan.namespace}/{plan.name}",
        "target": {
            "service": where.host,
            "namespace": where.namespace,
            "callers": list(plan.program.spec.from_),
            "ready": plan.ready,
        },
        "faults": _faults(plan),
        "conditions": [
            {"name": one.name, "fails": _condition(one)} for one in plan.program.conditions
        ],
        "expects": [one.what for one in plan.program.expects],
        "objects": [
            {"object": one.object, "made": one.made, "diff": list(one.diff)} for one in plan.objects
        ],
        "refused": list(plan.refused),
        "waits": list(plan.waits),
        "unknown": plan.unknown,
    }
