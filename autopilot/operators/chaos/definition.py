"""The operator of all experiments, as the runtime serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from autopilot.kube.kinds import KNOWN
from autopilot.kube.marks import HALT_NAMESPACE, OPERATOR, OVERLAID
from autopilot.mesh.actions import Fault
from autopilot.mesh.istio import touches
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.compile import Programs
from autopilot.operators.chaos.model import EXPERIMENTS, ChaosConfig
from autopilot.operators.chaos.report_model import REPORTS, report_key
from autopilot.operators.chaos.report_recorder import ReportRecorder
from autopilot.operators.chaos.status import ExperimentStatus
from autopilot.operators.chaos.workers.injecting import Checking, Injecting
from autopilot.operators.chaos.workers.leaving import Leaving
from autopilot.operators.chaos.workers.look import Crew
from autopilot.operators.chaos.workers.pending import Over, Pending
from autopilot.operators.chaos.workers.places import Claims, is_active, target_of
from autopilot.operators.chaos.workers.recovering import Recovering
from autopilot.operators.chaos.workers.running import Running
from autopilot.operators.chaos.workers.webhook import Webhooks
from autopilot.runtime.definition import (
    Concerns,
    Input,
    OperatorDefinition,
    Output,
    PhaseDefinition,
)
from autopilot.runtime.settings import any_url
from autopilot.spec.model import Spec
from autopilot.telemetry.queries import QuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

    from autopilot.base.clock import Clock
    from autopilot.kube.kinds import ResourceType
    from autopilot.runtime.definition import Worker

    Body = Mapping[str, Any]

NAME = "chaos"
"""The operator's name: its field manager is `autopilot.chaos`."""

REFUSED = frozenset(
    {"kube-system", "kube-public", "kube-node-lease", "istio-system", HALT_NAMESPACE}
)
"""Namespaces in front of whose services nothing is ever injected."""

VIRTUAL_SERVICES = KNOWN["virtualservices"]


class RawSpec(Spec):
    """An experiment's spec is read when it is compiled: one that makes no sense still ends well."""

    model_config = ConfigDict(extra="allow")


def experiments(
    clock: Clock,
    *,
    refused: Iterable[str] = (),
    allow_url: Callable[[str], bool] = any_url,
) -> OperatorDefinition:
    """The operator of all experiments.

    Args:
        clock: What is counted is measured on its monotonic side, too.
        refused: Further namespaces in front of whose services nothing is injected: the mesh's.
        allow_url: Whether the installation allows the host of a webhook.
    """
    crew = Crew(
        clock,
        Programs(),
        ReportRecorder(),
        Webhooks(allow_url),
        REFUSED | frozenset(refused),
        Claims(clock),
    )
    recovering, over, running = Recovering(crew), Over(crew), Running(crew)
    workers: dict[str, Worker] = {
        machine.PENDING: Pending(crew),
        machine.CHECKING: Checking(crew),
        machine.INJECTING: Injecting(crew),
        machine.VERIFYING: running,
        machine.RUNNING: running,
        machine.RECOVERING: recovering,
        machine.RECOVERY_FAILED: recovering,
        **dict.fromkeys(machine.VERDICTS, over),
    }
    return OperatorDefinition(
        NAME,
        EXPERIMENTS,
        tuple(_phase(name, worker) for name, worker in workers.items()),
        queries=QuerySet([]),
        finalizer=PhaseDefinition(
            "Leaving",
            Leaving(crew),
            inputs=_INPUTS,
            outputs=_OUTPUTS,
            actions=(Fault.name,),
            reads=True,
        ),
        spec=RawSpec,
        status=ExperimentStatus,
        config=ChaosConfig,
        concerns=Concerns(_about, _touched),
        stores_tick=False,
        rests=frozenset(machine.VERDICTS),
    )


def _phase(name: str, worker: Worker) -> PhaseDefinition:
    return PhaseDefinition(
        name,
        worker,
        initial=name == machine.PENDING,
        description=machine.WORDS[name],
        inputs=_INPUTS,
        outputs=_OUTPUTS,
        metrics=True,
        actions=(Fault.name,),
        transitions=machine.WAYS[name],
        reads=True,
    )


def _about(body: Body) -> Iterator[Hashable]:
    """What an experiment is about: its target's service, and other experiments on it."""
    target = target_of(body)
    yield target
    yield ("experiments", *target)


def _touched(kind: ResourceType, body: Body) -> Iterable[Hashable]:
    if kind == EXPERIMENTS:
        return (("experiments", *target_of(body)),)
    return touches.services(kind, body)


def _place(body: Body) -> Hashable:
    meta = body["metadata"]
    return str(meta.get("namespace") or ""), str(meta["name"])


def _overlaid(body: Body) -> Hashable:
    return OVERLAID in (body["metadata"].get("labels") or {})


def _service(body: Body) -> Hashable:
    meta = body["metadata"]
    name = (meta.get("labels") or {}).get(touches.SERVICE_NAME, "")
    return str(meta.get("namespace") or ""), str(name)


_OUTPUTS = (Output("reports", REPORTS, record=True),)

_INPUTS = (
    Input("overlaid", VIRTUAL_SERVICES, namespace="*", index=_overlaid),
    Input("routes", VIRTUAL_SERVICES, namespace="*", index=_place),
    Input("endpointslices", KNOWN["endpointslices"], namespace="*", index=_service),
    Input("experiments", EXPERIMENTS, namespace="*", index=target_of),
    Input("running", EXPERIMENTS, namespace="*", index=is_active),
    # The same selection as the output's: one cache for both.
    Input("reports", REPORTS, f"{OPERATOR}={NAME}", namespace="*", index=report_key),
)
