"""An Experiment as a person writes it. What its parts mean to each other, `compile` checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import ConfigDict, Field

from autopilot.kube.kinds import ResourceType
from autopilot.operators.chaos.model_conditions import (
    Callers,
    Expectation,
    FailureCondition,
    Percentage,
    Service,
)
from autopilot.spec.model import Config, Model, Spec
from autopilot.spec.types import Duration, GrpcStatus

EXPERIMENTS = ResourceType("autopilot.mesh", "v1alpha1", "experiments", "Experiment")


class TargetSpec(Model):
    """The service whose callers get the faults."""

    service: Service
    """Its name, as callers address it."""
    namespace: Service | None = None
    """Its namespace; the experiment's own unless told."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port that callers address; all unless told."""
    route: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Only the VirtualService's route of that name."""


class DelayFault(Model):
    """Requests wait in their caller's proxy."""

    duration: Duration
    """How long."""
    percentage: Percentage = 100.0
    """Of the requests."""


class AbortFault(Model):
    """Requests are answered by their caller's proxy."""

    http_status: Annotated[int, Field(ge=200, le=599)] | None = None
    """With this HTTP status."""
    grpc_status: GrpcStatus | None = None
    """With this gRPC status, like UNAVAILABLE."""
    percentage: Percentage = 100.0
    """Of the requests."""


class FaultSpec(Model):
    """One kind of fault; at most one of each kind."""

    delay: DelayFault | None = None
    """Requests wait."""
    abort: AbortFault | None = None
    """Requests fail."""


class BaselineSpec(Model):
    """The steady state, which must hold before anything is injected."""

    samples: Annotated[int, Field(ge=1, le=1000)] = 1
    """So many polls one after another, in none of which a failure condition is true."""


class EffectSpec(Model):
    """Whether the fault is seen to bite."""

    verify: bool = True
    """Whether requests must be seen that carry the fault's flag; else the run is inconclusive."""
    within: Duration = timedelta(seconds=45)
    """How long after the injection at the latest."""


class RecoverySpec(Model):
    """Whether the fault is seen to be gone."""

    within: Duration = timedelta(minutes=1)
    """How long after the end at the latest; then the phase is RecoveryFailed, and it goes on."""


class ExperimentSpec(Spec):
    """Faults in front of a service, for a time, and what must not happen meanwhile."""

    target: TargetSpec
    """The service whose callers get the faults."""
    from_: Annotated[Callers, Field(alias="from")] = ()
    """Only callers with one of these `app` labels; all unless told."""
    faults: Annotated[tuple[FaultSpec, ...], Field(max_length=2)] = ()
    """What is injected. None is a control run, which needs `observeOnly`."""
    observe_only: bool = False
    """A control run: watch and record, inject nothing."""
    failure_conditions: Annotated[tuple[FailureCondition, ...], Field(max_length=30)] = ()
    """What must not come true. There must be one wherever there are faults."""
    duration: Duration = timedelta(minutes=10)
    """How long the faults stay."""
    poll_interval: Duration = timedelta(seconds=5)
    """How often the conditions are looked at."""
    baseline: BaselineSpec = BaselineSpec()
    """The steady state before."""
    max_errors: Annotated[int, Field(ge=1, le=1000)] = 3
    """So many polls one after another without telemetry end the run."""
    effect: EffectSpec = EffectSpec()
    """Whether the fault bites."""
    recovery: RecoverySpec = RecoverySpec()
    """Whether it is gone."""
    expects: Annotated[tuple[Expectation, ...], Field(max_length=20)] = ()
    """What other autopilots must do meanwhile."""
    suspend: bool = False
    """Not to be begun (yet)."""
    history_limit: Annotated[int, Field(ge=1, le=1000)] = 20
    """How many Reports are kept."""
    take_over: bool = False
    """Whether a fault that is there already is displaced, and put back, rather than refused."""


class ChaosLimits(Model):
    """What an installation allows, whatever an experiment asks."""

    max_percentage: Percentage = 100.0
    """The largest share of requests."""
    max_duration: Duration = timedelta(hours=1)
    """The longest run."""
    max_at_once: Annotated[int, Field(ge=0, le=10_000)] = 5
    """How many run at once; others wait."""
    refused_namespaces: tuple[str, ...] = ()
    """Namespaces that are refused though they opt in, beside the system's own."""


class ChaosConfig(Config):
    """`config:` of an installation, as far as experiments are concerned."""

    model_config = ConfigDict(extra="ignore")

    chaos: ChaosLimits = ChaosLimits()
    """Limits."""
