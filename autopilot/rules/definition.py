"""The operator of all rules, as the runtime serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from autopilot.base.errors import InvalidInput
from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.mesh.actions import OVERLAID, Mirror, Shift
from autopilot.mesh.istio import touches
from autopilot.mesh.istio.hosts import service_of
from autopilot.rules.program import Ready
from autopilot.rules.programs import Programs
from autopilot.rules.status import RuleStatus
from autopilot.rules.worker import RuleWorker
from autopilot.runtime.definition import Concerns, Input, OperatorDefinition, PhaseDefinition
from autopilot.spec.model import FreeConfig, Spec
from autopilot.telemetry.queries import QuerySet

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from autopilot.base.clock import Clock
    from autopilot.machine.table import PhaseMachine
    from autopilot.rules.program import Program

    Body = Mapping[str, Any]

RULES = ResourceType("autopilot.mesh", "v1alpha1", "rules", "Rule")

NAME = "rules"
"""The operator's name: its field manager is `autopilot.rules`."""

ENDPOINT_SLICES = KNOWN["endpointslices"]

_ROW = "*"


class RawSpec(Spec):
    """A rule's spec is read when it is compiled, not at each look."""

    model_config = ConfigDict(extra="ignore")


def rules(clock: Clock) -> OperatorDefinition:
    """The operator of all rules.

    Args:
        clock: What is counted is measured on its monotonic side.
    """
    programs = Programs()

    def machine_of(body: Body) -> PhaseMachine:
        return programs.of(body).machine

    def about(body: Body) -> Iterator[Hashable]:
        try:
            compiled = programs.of(body)
        except InvalidInput:
            return iter(())
        return services(compiled.program)

    row = PhaseDefinition(
        _ROW,
        RuleWorker(clock, programs),
        initial=True,
        inputs=(Input("endpointslices", ENDPOINT_SLICES, namespace="*", index=_service),),
        metrics=True,
        actions=tuple(action.name for action in OVERLAID),
    )
    return OperatorDefinition(
        NAME,
        RULES,
        (row,),
        queries=QuerySet([]),
        spec=RawSpec,
        status=RuleStatus,
        config=FreeConfig,
        machine_of=machine_of,
        keeps=_keeps,
        limits=lambda body: programs.of(body).program.limits,
        concerns=Concerns(about, touches.services),
        stores_tick=False,
    )


def services(program: Program) -> Iterator[tuple[str, str]]:
    """The services that a rule is about: its target, where its requests may go, what it counts."""
    target = program.target
    yield target.namespace, target.host
    for phase in program.phases.values():
        for plan in phase.actions:
            for action in plan.rungs:
                home = action.where.namespace or target.namespace
                yield home, action.where.host
                ways = [*action.weights] if isinstance(action, Shift) else []
                ways += [action.to] if isinstance(action, Mirror) else []
                for to in ways:
                    yield service_of(to.partition("/")[0], home)
    for signal in program.signals.values():
        if isinstance(signal.source, Ready):
            yield signal.source.namespace, signal.source.service


def _service(body: Body) -> Hashable:
    """What EndpointSlices are looked up by."""
    meta = body["metadata"]
    name = (meta.get("labels") or {}).get(touches.SERVICE_NAME, "")
    return str(meta.get("namespace") or ""), str(name)


def _keeps(body: Body) -> bool:
    """Whether protections stay when the rule goes. One that can't be compiled can still say so."""
    spec = body.get("spec")
    return not isinstance(spec, dict) or spec.get("onDelete", "keep") != "restore"
