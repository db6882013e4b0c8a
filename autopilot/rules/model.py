"""A Rule as a person writes it.

Only shapes are checked here; what the parts mean to each other is checked when a rule is compiled.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from autopilot.rules.model_actions import Actions
from autopilot.rules.model_signals import SignalSpec, SourceSpec
from autopilot.rules.model_types import (
    Backend,
    Ladder,
    Name,
    Or,
    Service,
    Share,
    Text,
    Texts,
    TimesOf,
    WaitFor,
)
from autopilot.spec.model import Model
from autopilot.spec.types import Duration

GROUP = "autopilot.mesh"
API_VERSION = "autopilot.mesh/v1alpha1"
KIND = "Rule"


class TargetSpec(Model):
    """The service that a rule is about."""

    service: Service
    """Its name, as callers address it."""
    namespace: Service | None = None
    """Its namespace; the rule's own unless told."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port that callers address; all unless told."""
    route: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Only the VirtualService's route of that name."""
    from_: Annotated[Texts, Field(alias="from")] = ()
    """Only requests of callers with one of these `app` labels."""


class ExitSpec(Model):
    """A way out by time alone."""

    to: Name
    """The phase that it leads to."""
    after: Duration
    """After how long."""


class TransitionSpec(Model):
    """A way out of a phase. In list order, the first that is true is taken."""

    to: Name
    """The phase that it leads to."""
    when: Text | None = None
    """A condition over signals, like `errors > 5% || p99 > 800ms`; always true without one."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long it must have been true without a break."""
    times: TimesOf | None = None
    """`3/5`: true of three of the last five samples."""
    after: WaitFor | None = None
    """How long the phase lasts at least: `15s`, or `1m..30m`, doubled by each failed visit."""
    approve: bool = False
    """Whether a person must open it: `autopilot approve rule/NAME PHASE`."""
    back: bool = False
    """Whether it moves traffic back, which no guardrail holds up. Ways to the initial phase do."""


class PhaseSpec(Model):
    """A state of the rule."""

    name: Name
    """As `status.phase` shows it."""
    initial: bool = False
    """Whether the rule begins here; true for exactly one."""
    final: bool = False
    """Whether it ends here: nothing leaves it."""
    description: Annotated[str, Field(max_length=1000)] = ""
    """For diagrams and people."""
    actions: Actions = ()
    """What is done while the phase lasts."""
    while_: Annotated[Text | None, Field(alias="while")] = None
    """The ladder climbs only while this is true and enough requests were seen."""
    max_stay: ExitSpec | None = None
    """Where to after a time, whatever is known."""
    when_blind: ExitSpec | None = None
    """Where to when none of the transitions could be judged for a time."""
    transitions: Annotated[tuple[TransitionSpec, ...], Field(max_length=30)] = ()
    """The ways out, in the order in which they are tried."""


def _return(value: Any) -> Any:
    if isinstance(value, str):
        if value != "manual":
            raise ValueError(f"{value[:40]!r} isn't known; write manual, or a map")
        return {"gate": "manual"}
    return value


class ReturnSpec(Model):
    """How traffic goes back to the primary."""

    gate: Literal["ready", "manual"] = "ready"
    """What opens a trial: a ready endpoint, or `autopilot approve` besides."""
    trial: Ladder = (1.0, 10.0, 50.0)
    """How much goes back on trial, rung by rung."""
    dwell: Duration = timedelta(seconds=30)
    """How long each rung is stood on at least."""
    good: Text | None = None
    """What the primary alone must be like; `primary_errors < 1%` unless told."""
    backoff: WaitFor | None = None
    """How long to wait before a trial, doubled by each failed one. Unless told 1m..30m,
    or none where a person opens the gate."""


class FailoverShort(Model):
    """The short form: fail over, try the primary on a small share, return in steps."""

    to: Backend
    """The standby, `service` or `service/subset`."""
    when: Text
    """When the primary is bad, as its callers see it."""
    for_: Annotated[Duration, Field(alias="for")] = timedelta(seconds=10)
    """How long that must have been true."""
    needs: Text = "standby_ready >= 1"
    """What the standby must be like."""
    return_: Annotated[
        ReturnSpec,
        BeforeValidator(_return),
        Or("manual"),
        Field(alias="return"),
    ] = ReturnSpec()
    """How traffic goes back; or `manual`."""


class PerTime(Model):
    """So many in a time."""

    count: Annotated[int, Field(ge=1, le=19)]
    """How many at most."""
    per: Duration
    """In which time."""


class GuardrailsSpec(Model):
    """Limits that hold whatever the phases say; the installation's own hold as well."""

    max_transitions: PerTime | None = None
    """Transitions per time."""
    min_dwell: Duration | None = None
    """The shortest time between two transitions."""
    max_step: Share | None = None
    """The largest share of traffic that one write may move forward."""


class RuleSpec(Model):
    """A state machine over signals: when, and what."""

    mode: Literal["enforce", "observe"] = "enforce"
    """observe: decide and record, write nothing."""
    target: TargetSpec
    """The service that it is about."""
    interval: Duration = timedelta(seconds=5)
    """How often it is judged when nothing else wakes it."""
    source: SourceSpec | None = None
    """Where telemetry is asked; the installation's Prometheus unless told."""
    min_requests: Annotated[float, Field(ge=0, le=1e9)] = 20
    """Requests that must stand behind a rate of errors or a latency, or it is unknown."""
    signals: Annotated[dict[str, SignalSpec], Field(default_factory=dict, max_length=64)]
    """Values that conditions read, by name."""
    phases: Annotated[tuple[PhaseSpec, ...], Field(max_length=30)] = ()
    """The states."""
    from_any: Annotated[tuple[TransitionSpec, ...], Field(max_length=30)] = ()
    """Ways out of every phase; tried before the phase's own."""
    failover: FailoverShort | None = None
    """Instead of phases: the whole state machine of a failover."""
    guardrails: GuardrailsSpec = GuardrailsSpec()
    """Limits."""
    on_delete: Literal["keep", "restore"] = "keep"
    """What becomes of protections when the rule is deleted; hazards are always undone."""


class RuleDocument(Model):
    """The whole object."""

    api_version: Literal["autopilot.mesh/v1alpha1"]
    """autopilot.mesh/v1alpha1"""
    kind: Literal["Rule"]
    """Rule"""
    metadata: Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
    """Name, namespace, labels, annotations."""
    spec: RuleSpec
    """When, and what."""
    status: Annotated[Any, WithJsonSchema({"type": "object"})] = None
    """The runtime's."""
