"""The cells of builtin kinds in a Table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import parse_time
from autopilot.sandbox.apiserver import ages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    Cell = Callable[[dict[str, Any], datetime], Any]


def spec_of(obj: dict[str, Any]) -> dict[str, Any]:
    """The spec, or nothing."""
    return obj.get("spec") or {}


def status_of(obj: dict[str, Any]) -> dict[str, Any]:
    """The status, or nothing."""
    return obj.get("status") or {}


def joined(values: Iterable[str]) -> str:
    """Values with commas, `<none>` for none."""
    return ",".join(values) or "<none>"


def number(section: str, field: str, default: int = 0) -> Cell:
    """A number at `section.field`."""
    return lambda obj, now: (obj.get(section) or {}).get(field, default)


def pod_spec(obj: dict[str, Any]) -> dict[str, Any]:
    """A workload's pod template's spec."""
    spec = spec_of(obj)
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"].get("spec") or {}
    return (spec.get("template") or {}).get("spec") or {}


def containers(field: str) -> Cell:
    """One field of a template's containers."""
    return lambda obj, now: joined(
        container.get(field, "") for container in pod_spec(obj).get("containers", [])
    )


def labels_text(labels: dict[str, str]) -> str:
    """Labels as `a=b,c=d`."""
    return joined(f"{key}={labels[key]}" for key in sorted(labels))


def selector(obj: dict[str, Any], now: datetime) -> str:
    """A workload's or a service's selector."""
    chosen = spec_of(obj).get("selector") or {}
    if "matchLabels" not in chosen and "matchExpressions" not in chosen:
        return labels_text(chosen)
    terms = [f"{key}={value}" for key, value in sorted(chosen.get("matchLabels", {}).items())]
    for term in chosen.get("matchExpressions", []):
        operator, values = term.get("operator"), ",".join(sorted(term.get("values") or ()))
        if operator in {"In", "NotIn"}:
            terms.append(f"{term['key']} {operator.lower()} ({values})")
        else:
            terms.append(f"{'!' if operator == 'DoesNotExist' else ''}{term['key']}")
    return joined(terms)


def ready(wanted: str, have: str) -> Cell:
    """Ready replicas of those wanted, like `1/2`."""

    def cell(obj: dict[str, Any], now: datetime) -> str:
        return f"{status_of(obj).get(have, 0)}/{spec_of(obj).get(wanted, 1)}"

    return cell


def external_ip(obj: dict[str, Any], now: datetime) -> str:
    """A service's addresses outside the cluster."""
    spec = spec_of(obj)
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", "<none>"))
    outside = list(spec.get("externalIPs") or ())
    if spec.get("type") == "LoadBalancer":
        ingress = (status_of(obj).get("loadBalancer") or {}).get("ingress") or []
        outside = [one.get("ip") or one.get("hostname", "") for one in ingress] + outside
        return ",".join(outside) or "<pending>"
    return joined(outside)


def service_ports(obj: dict[str, Any], now: datetime) -> str:
    """A service's ports, like `80:30080/TCP`."""

    def one(port: dict[str, Any]) -> str:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"

    return joined(one(port) for port in spec_of(obj).get("ports") or ())


def shortened(values: list[str], limit: int = 3) -> str:
    """The first values, and how many more."""
    if len(values) > limit:
        return f"{','.join(values[:limit])} + {len(values) - limit} more..."
    return joined(values)


def endpoints(obj: dict[str, Any], now: datetime) -> str:
    """Endpoints' addresses with ports."""
    found = []
    for subset in obj.get("subsets") or ():
        addresses = [address.get("ip", "") for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if ports:
            found += [f"{ip}:{port.get('port')}" for port in ports for ip in addresses]
        else:
            found += addresses
    return shortened(found)


def slice_ports(obj: dict[str, Any], now: datetime) -> str:
    """A slice's ports."""
    ports = obj.get("ports") or ()
    return shortened([str(port.get("port", "*")) for port in ports]) if ports else "<unset>"


def slice_addresses(obj: dict[str, Any], now: datetime) -> str:
    """A slice's addresses."""
    found = [ip for one in obj.get("endpoints") or () for ip in one.get("addresses") or ()]
    return shortened(found) if found else "<unset>"


def count(*fields: str) -> Cell:
    """The number of members of these fields."""
    return lambda obj, now: sum(len(obj.get(field) or ()) for field in fields)


def namespace_phase(obj: dict[str, Any], now: datetime) -> str:
    """A namespace's phase."""
    return str(status_of(obj).get("phase", ""))


def event_object(obj: dict[str, Any]) -> dict[str, Any]:
    """What an event of either API is about."""
    return obj.get("involvedObject") or obj.get("regarding") or {}


def event_seen(obj: dict[str, Any], now: datetime) -> str:
    """How long ago an event was last seen."""
    series = obj.get("series") or {}
    seen = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    return ages.age(seen or obj.get("deprecatedLastTimestamp"), now)


def event_first(obj: dict[str, Any], now: datetime) -> str:
    """How long ago an event was first seen."""
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp")
    return ages.age(first or obj.get("eventTime"), now)


def event_subject(obj: dict[str, Any], now: datetime) -> str:
    """What an event is about, like `pod/a`."""
    subject = event_object(obj)
    return f"{str(subject.get('kind', '')).lower()}/{subject.get('name', '')}"


def event_source(obj: dict[str, Any], now: datetime) -> str:
    """Who sent an event."""
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    parts = [source.get("component") or obj.get("reportingComponent"), source.get("host")]
    return ", ".join(part for part in parts if part)


def event_message(obj: dict[str, Any], now: datetime) -> str:
    """An event's words."""
    return str(obj.get("message") or obj.get("note") or "").strip()


def event_count(obj: dict[str, Any], now: datetime) -> int:
    """How often an event was seen."""
    series = obj.get("series") or {}
    return int(series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1)


def node_status(obj: dict[str, Any], now: datetime) -> str:
    """A node's readiness."""
    words = []
    for condition in status_of(obj).get("conditions") or ():
        if condition.get("type") == "Ready":
            words.append("Ready" if condition.get("status") == "True" else "NotReady")
    words = words or ["Unknown"]
    if spec_of(obj).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def node_roles(obj: dict[str, Any], now: datetime) -> str:
    """A node's roles."""
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return joined(sorted(key[len(prefix) :] for key in labels if key.startswith(prefix)))


def node_address(kind: str) -> Cell:
    """A node's address of one type."""

    def cell(obj: dict[str, Any], now: datetime) -> str:
        addresses = status_of(obj).get("addresses") or ()
        return next((one["address"] for one in addresses if one.get("type") == kind), "<none>")

    return cell


def node_info(field: str) -> Cell:
    """A fact of a node's nodeInfo."""
    return lambda obj, now: (status_of(obj).get("nodeInfo") or {}).get(field, "<unknown>")


def job_status(obj: dict[str, Any], now: datetime) -> str:
    """A job's state."""
    true = {
        condition.get("type")
        for condition in status_of(obj).get("conditions") or ()
        if condition.get("status") == "True"
    }
    for kind, word in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if kind in true:
            return word
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else "Running"


def job_completions(obj: dict[str, Any], now: datetime) -> str:
    """Pods done of those wanted."""
    return f"{status_of(obj).get('succeeded', 0)}/{spec_of(obj).get('completions', 1)}"


def job_duration(obj: dict[str, Any], now: datetime) -> str:
    """How long a job ran."""
    started = parse_time(status_of(obj).get("startTime"))
    if started is None:
        return ""
    ended = parse_time(status_of(obj).get("completionTime")) or now
    return ages.human_duration((ended - started).total_seconds())


def created(obj: dict[str, Any], now: datetime) -> Any:
    """When an object was made."""
    return obj["metadata"].get("creationTimestamp")
