"""What is found out about a service, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.rules.inspect_about import About
    from autopilot.rules.inspect_holds import Hold
    from autopilot.rules.inspect_routes import Lead, Policy, Routing


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """The Service.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        ports: `http 80→8080`.
        selector: Labels of its pods.
        ready: Ready endpoints; None where they couldn't be fetched.
        endpoints: All endpoints; likewise.
        zones: Ready endpoints by zone, where the endpoints say theirs.
    """

    namespace: str
    name: str
    ports: tuple[str, ...]
    selector: Mapping[str, str]
    ready: int | None
    endpoints: int | None
    zones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment behind the service.

    Attributes:
        name: Its name.
        replicas: Wanted.
        ready: Ready.
        scalers: HorizontalPodAutoscalers that scale it: `web 2…10, wants 4`.
    """

    name: str
    replicas: int
    ready: int
    scalers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Guards:
    """What keeps autopilot off.

    Attributes:
        opted_out: Which objects carry the opt-out annotation.
        allow_from: Whose rules the namespace lets act here, beside its own.
        halted: Since when, by whom and why; empty where nothing is halted here.
    """

    opted_out: tuple[str, ...] = ()
    allow_from: str = ""
    halted: str = ""


@dataclass(frozen=True, slots=True)
class SignalSeen:
    """What callers of the service see.

    Attributes:
        name: `errors`, `p99` …
        value: In its unit; None where it isn't known.
        unit: As `verdict.units` spells it.
        age: Seconds since its scrape; None where nothing was scraped.
        requests: How many requests stand behind it.
        why: Why it isn't known.
    """

    name: str
    value: float | None
    unit: str
    age: float | None
    requests: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that applies to a service.

    Attributes:
        service: The Service.
        split: Where its requests go now, percent by destination.
        signals: What its callers see.
        guards: What keeps autopilot off.
        routes: VirtualServices that route it.
        leads: Routes of other hosts, and mirrors, that lead to it.
        calls: Routes that are there for it as a caller.
        policies: Its DestinationRules.
        workloads: Deployments behind it.
        holds: Who holds what of these objects.
        about: Rules, canaries and others that are about it.
        unknown: What couldn't be fetched, and why.
    """

    service: ServiceSeen
    split: Mapping[str, int]
    signals: tuple[SignalSeen, ...]
    guards: Guards
    routes: tuple[Routing, ...]
    leads: tuple[Lead, ...]
    calls: tuple[str, ...]
    policies: tuple[Policy, ...]
    workloads: tuple[Workload, ...]
    holds: tuple[Hold, ...]
    about: tuple[About, ...]
    unknown: Mapping[str, str]
