"""Outlier detection, connection limits and locality failover on one DestinationRule: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.durations import render
from autopilot.base.errors import AutopilotError
from autopilot.kube.ownership import describe
from autopilot.mesh.actions import OutlierDetection
from autopilot.mesh.errors import Unfeasible
from autopilot.mesh.istio.hosts import exported, qualify
from autopilot.overlay.values import at
from autopilot.overlay.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autopilot.kube.client import Body
    from autopilot.mesh.istio.draft import Draft
    from autopilot.mesh.istio.virtual_service import Ask

_POLICY = "/spec/trafficPolicy"
OUTLIERS = f"{_POLICY}/outlierDetection"
LOCALITIES = f"{_POLICY}/loadBalancer/localityLbSetting"
_POOL = f"{_POLICY}/connectionPool"
LIMITS = {
    "max_connections": f"{_POOL}/tcp/maxConnections",
    "max_pending_requests": f"{_POOL}/http/http1MaxPendingRequests",
    "max_requests": f"{_POOL}/http/http2MaxRequests",
}


def rule_for(rules: Iterable[Body], host: str, namespace: str) -> Body | None:
    """The DestinationRule whose policy is in force for a host (given in full).

    Istio looks in the caller's namespace and then in the service's, and takes the first policy of
    several for one host there: the oldest one that has any. This is the service's; see `nearer`.

    Args:
        rules: All of them.
        host: In full.
        namespace: The service's.
    """
    found = [
        body
        for body in rules
        if body["metadata"].get("namespace") == namespace
        and not body["metadata"].get("deletionTimestamp")
        and qualify(str((body.get("spec") or {}).get("host", "")), namespace) == host
    ]
    return min(found, key=_precedence, default=None)


def nearer(rules: Iterable[Body], namespace: str) -> list[Body]:
    """The DestinationRules of one host that callers in their own namespaces go by instead.

    Args:
        rules: All that are for the host.
        namespace: The service's.
    """
    homes = ((body, body["metadata"].get("namespace", "")) for body in rules)
    return [body for body, home in homes if home != namespace and exported(body, home)]


def _precedence(body: Body) -> tuple[bool, str, str]:
    meta = body["metadata"]
    return not _had_policy(body), str(meta.get("creationTimestamp", "")), meta["name"]


def _had_policy(body: Body) -> bool:
    return bool((body.get("spec") or {}).get("trafficPolicy"))


def lay_rule(
    draft: Draft, actions: Sequence[OutlierDetection], ask: Ask, instead: Sequence[Body] = ()
) -> list[str]:
    """Add all steps for one DestinationRule to the draft.

    Args:
        draft: The DestinationRule.
        actions: What is wanted of it.
        ask: Who asks.
        instead: What some callers go by instead; see `nearer`.

    Returns:
        What is kept, in words.
    """
    wanted = {OutlierDetection.name} if actions else set()
    gone = [each for each in draft.own if each.inserted or each.action not in wanted]
    hazards = [each for each in gone if each.effect == "hazard"]
    draft.take_back(hazards if ask.keep else gone)
    for action in actions[:1]:
        try:
            fields = fields_of(action)
        except AutopilotError as error:
            draft.refused.append(error)
            continue
        wish = Wish(ask.holder, action.name, "protection", fields=fields)
        draft.put(wish, f"{action.name}: {_words(action, fields, draft.body, instead)}")
    if actions[1:]:
        draft.refused.append(Unfeasible(f"two {OutlierDetection.name} actions on {draft.target}"))
    kept = [each for each in gone if each not in hazards] if ask.keep else []
    return [f"{draft.target}: {each.action} stays" for each in kept]


def fields_of(action: OutlierDetection) -> dict[str, Any]:
    """The wanted fields, by JSON pointer.

    Raises:
        Unfeasible: Nothing is asked for, or Istio can't do it.
    """
    fields: dict[str, Any] = {}
    if action.consecutive_5xx is not None:
        fields[OUTLIERS] = {
            "consecutive5xxErrors": action.consecutive_5xx,
            "interval": render(action.interval),
            "baseEjectionTime": render(action.base_ejection_time),
            "maxEjectionPercent": action.max_ejection_percent,
        }
    elif action.localities:
        raise Unfeasible("a locality is left only when outlier detection ejects its endpoints")
    for name, pointer in LIMITS.items():
        if getattr(action, name) is not None:
            fields[pointer] = getattr(action, name)
    if action.localities:
        fields[LOCALITIES] = {"enabled": True, **_failover(action.localities)}
    if not fields:
        raise Unfeasible("neither ejection, nor a limit, nor a locality is asked for")
    return fields


def _failover(localities: Mapping[str, str]) -> Body:
    """Istio's `failover` speaks of regions; zones of one region back each other up anyway."""
    regions: dict[str, str] = {}
    for source, standby in localities.items():
        left, right = source.split("/", 1)[0], standby.split("/", 1)[0]
        if left == right:
            continue
        if regions.setdefault(left, right) != right:
            raise Unfeasible(f"Istio fails a region over to one other: {left} to {right}, or")
    pairs = [{"from": left, "to": right} for left, right in regions.items()]
    return {"failover": pairs} if pairs else {}


def _words(
    action: OutlierDetection, fields: Mapping[str, Any], body: Body, instead: Sequence[Body]
) -> str:
    words = [
        f"{pointer.rsplit('/', 1)[-1]} {fields[pointer]}"
        for pointer in LIMITS.values()
        if pointer in fields
    ]
    if OUTLIERS in fields:
        found = fields[OUTLIERS]
        words.insert(
            0,
            f"out for {found['baseEjectionTime']} after {action.consecutive_5xx} errors in a row, "
            f"at most {action.max_ejection_percent}%",
        )
    words += [f"{source} fails over to {to}" for source, to in action.localities.items()]
    if own := _narrower(body, fields):
        words.append(f"not in force for {', '.join(own)}, which have settings of their own")
    if instead:
        homes = sorted({str(each["metadata"].get("namespace", "")) for each in instead})
        rules = ", ".join(sorted(map(describe, instead)))
        words.append(f"not in force for callers in {', '.join(homes)}, which go by {rules}")
    where = action.where
    if where.callers or where.route or where.port is not None:
        words.append("for all callers, routes and ports")
    return "; ".join(words)


def _narrower(body: Body, fields: Mapping[str, Any]) -> list[str]:
    """The subsets and ports whose own policy passes ours over."""
    sections = {pointer.removeprefix(_POLICY + "/").split("/", 1)[0] for pointer in fields}
    spec = body.get("spec") or {}
    found = [
        f"subset {subset.get('name')}"
        for subset in spec.get("subsets") or ()
        if sections & {*(subset.get("trafficPolicy") or {})}
    ]
    ports = at(spec, ("trafficPolicy", "portLevelSettings"))
    for each in ports if isinstance(ports, list) else ():
        found.append(f"port {(each.get('port') or {}).get('number')}")
    return found
