"""All that applies to a service, in and out: pure, over bodies that somebody else fetched."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import stamp
from autopilot.kube.kinds import KNOWN
from autopilot.kube.marks import ALLOW_FROM, OPT_OUT
from autopilot.overlay.halting import read_order
from autopilot.rules.inspect_about import about
from autopilot.rules.inspect_holds import forsaken, holds_on, scaled_on
from autopilot.rules.inspect_model import Guards, Inspection, ServiceSeen, SignalSeen, Workload
from autopilot.rules.inspect_routes import (
    calls,
    leads,
    leads_to,
    policies,
    policy_of_host,
    routes_host,
    routings,
    split_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.telemetry.sample import Sample


@dataclass(frozen=True, slots=True)
class Found:
    """What could be fetched.

    Attributes:
        service: The Service.
        bodies: By kind; one that is left out couldn't be fetched.
        resources: Rules, canaries and whatever else of autopilot's has phases.
        kinds: The kinds of which all are among them.
        namespace: The service's Namespace; None where it couldn't be fetched.
        halt: The ConfigMap of a halt; None where there is none.
        samples: Signals by name, each with its unit (`verdict.units`).
        unknown: What couldn't be fetched, and why, for people.
    """

    service: Body
    bodies: Mapping[ResourceType, Sequence[Body]] = field(default_factory=dict)
    resources: Sequence[Body] = ()
    kinds: frozenset[str] = frozenset()
    namespace: Body | None = None
    halt: Body | None = None
    samples: Mapping[str, tuple[Sample, str]] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


def inspect(found: Found, now: datetime) -> Inspection:
    """Put together what applies to a service.

    Args:
        found: What could be fetched.
        now: For ages.
    """
    meta = found.service["metadata"]
    namespace, name = meta["namespace"], meta["name"]
    selector = (found.service.get("spec") or {}).get("selector") or {}
    virtual = found.bodies.get(KNOWN["virtualservices"], ())
    rules = [
        body
        for body in found.bodies.get(KNOWN["destinationrules"], ())
        if policy_of_host(body, namespace, name)
    ]
    behind = [body for body in _deployments(found, namespace) if _selects(selector, body)]
    near = [
        body
        for body in virtual
        if routes_host(body, namespace, name) or leads_to(body, namespace, name)
    ]
    held = holds_on([*near, *rules])
    held += [hold for body in behind if (hold := scaled_on(body)) is not None]
    held = forsaken(held, {body["metadata"]["uid"] for body in found.resources}, found.kinds)
    holders: dict[str, list[str]] = {}
    for hold in held:
        what = holders.setdefault(hold.holder, [])
        if hold.object not in what:
            what.append(hold.object)
    routed = routings(virtual, namespace, name)
    workloads = tuple(_workload(body, found) for body in behind)
    return Inspection(
        service=_service(found, namespace, name, selector),
        split=split_of(routed, name),
        signals=tuple(_signal(key, *each, now) for key, each in found.samples.items()),
        guards=_guards(found),
        routes=tuple(routed),
        leads=tuple(leads(virtual, namespace, name)),
        calls=tuple(calls(virtual, selector)) if selector else (),
        policies=tuple(policies(rules, namespace, name)),
        workloads=workloads,
        holds=tuple(held),
        about=tuple(
            about(found.resources, (namespace, name), [each.name for each in workloads], holders)
        ),
        unknown=dict(found.unknown),
    )


def plain(value: Any) -> Any:
    """Dataclasses as plain data for JSON: camelCase names, times in RFC 3339."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _camel(each.name): plain(getattr(value, each.name))
            for each in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(each) for each in value]
    return stamp(value) if isinstance(value, datetime) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _service(found: Found, namespace: str, name: str, selector: Mapping[str, str]) -> ServiceSeen:
    slices = found.bodies.get(KNOWN["endpointslices"])
    endpoints = _endpoints(slices or (), namespace, name)
    up = [each for each in endpoints if (each.get("conditions") or {}).get("ready") is not False]
    zones: dict[str, int] = {}
    for endpoint in up:
        if zone := endpoint.get("zone"):
            zones[zone] = zones.get(zone, 0) + 1
    return ServiceSeen(
        namespace=namespace,
        name=name,
        ports=tuple(map(_port, (found.service.get("spec") or {}).get("ports") or ())),
        selector=dict(selector),
        ready=None if slices is None else len(up),
        endpoints=None if slices is None else len(endpoints),
        zones=dict(sorted(zones.items())),
    )


def _endpoints(slices: Iterable[Body], namespace: str, name: str) -> list[Body]:
    """Endpoints of the address family that has most: of both, each would be there twice."""
    families: dict[str, list[Body]] = {}
    for body in slices:
        meta = body["metadata"]
        label = (meta.get("labels") or {}).get("kubernetes.io/service-name")
        if (meta.get("namespace"), label) == (namespace, name):
            family = families.setdefault(str(body.get("addressType") or ""), [])
            family += body.get("endpoints") or ()
    return max(families.values(), key=len, default=[])


def _port(port: Body) -> str:
    target = port.get("targetPort")
    number = (
        f"{port.get('port')}"
        if target in (None, port.get("port"))
        else (f"{port.get('port')}→{target}")
    )
    return f"{port.get('name', '')} {number}".strip()


def _deployments(found: Found, namespace: str) -> list[Body]:
    listed = found.bodies.get(KNOWN["deployments"], ())
    return [body for body in listed if body["metadata"].get("namespace") == namespace]


def _selects(selector: Mapping[str, str], deployment: Body) -> bool:
    template = ((deployment.get("spec") or {}).get("template") or {}).get("metadata") or {}
    labels = template.get("labels") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _workload(body: Body, found: Found) -> Workload:
    name, spec, status = body["metadata"]["name"], body.get("spec") or {}, body.get("status") or {}
    scalers = []
    for hpa in found.bodies.get(KNOWN["horizontalpodautoscalers"], ()):
        of = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
        home = hpa["metadata"].get("namespace") == body["metadata"].get("namespace")
        if home and (of.get("kind"), of.get("name")) == ("Deployment", name):
            least, most = (hpa["spec"].get(key) for key in ("minReplicas", "maxReplicas"))
            wants = (hpa.get("status") or {}).get("desiredReplicas")
            said = "" if wants is None else f", wants {wants}"
            scalers.append(
                f"{hpa['metadata']['name']} {1 if least is None else least}…{most}{said}"
            )
    replicas = spec.get("replicas")
    wanted = 1 if replicas is None else replicas
    return Workload(name, wanted, status.get("readyReplicas") or 0, tuple(scalers))


def _guards(found: Found) -> Guards:
    marked = [
        f"{body['kind']} {body['metadata']['name']}"
        for body in (found.service, found.namespace)
        if body is not None and _note(body, OPT_OUT) not in {"", "false"}
    ]
    order = None if found.halt is None else read_order(found.halt)
    covered = order is not None and order.covers(found.service["metadata"]["namespace"])
    halted = str(order) if covered else ""
    return Guards(tuple(marked), _note(found.namespace or {}, ALLOW_FROM), halted)


def _note(body: Body, key: str) -> str:
    return str(((body.get("metadata") or {}).get("annotations") or {}).get(key) or "")


def _signal(name: str, sample: Sample, unit: str, now: datetime) -> SignalSeen:
    why = f"{sample.why}: {sample.detail}" if sample.detail else str(sample.why)
    return SignalSeen(
        name=name,
        value=sample.value,
        unit=unit,
        age=None if sample.at is None else max(0.0, (now - sample.at).total_seconds()),
        requests=sample.requests,
        why="" if sample.value is not None else why,
    )
