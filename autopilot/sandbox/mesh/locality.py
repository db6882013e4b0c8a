"""Istio's locality load balancing: which endpoints a caller of a certain place prefers.

Source: Istio's reference of LocalityLoadBalancerSetting. It is on for every service with outlier
detection unless switched off; shares (`distribute`) need no outlier detection. A caller without a
place has no preference. Places are written `region/zone/subzone`; the label has dots instead.
`failoverPriority` ranks by any labels that caller and endpoint share, and then alone decides.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autopilot.sandbox.mesh.model import Endpoint

Body = dict[str, Any]

LABEL = "istio-locality"
"""Of a pod; `region.zone.subzone`, as Istio writes it in labels."""

_PLACES = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)
"""Labels that Istio gives every pod, by where it runs."""


def aware(policy: Body) -> bool:
    """Whether the answer depends on the caller's place, under this traffic policy."""
    setting = _setting(policy)
    if setting is None:
        return False
    return bool(setting.get("distribute")) or policy.get("outlierDetection") is not None


def standing(policy: Body, labels: Mapping[str, str]) -> tuple[str, ...]:
    """The caller's values of the labels that `failoverPriority` names, in its order.

    Empty without such a setting, or without outlier detection: then nothing ever fails over.
    """
    setting = _setting(policy) or {}
    if policy.get("outlierDetection") is None or setting.get("distribute"):
        return ()
    known = _with_places(labels)
    wanted = [str(key).partition("=") for key in setting.get("failoverPriority") or ()]
    return tuple(value if given else known.get(key, "") for key, given, value in wanted)


def by_labels(rule: Body) -> bool:
    """Whether a DestinationRule ranks by labels anywhere."""
    spec = rule.get("spec") or {}
    policies = [item.get("trafficPolicy") or {} for item in (spec, *(spec.get("subsets") or ()))]
    return any((_setting(policy) or {}).get("failoverPriority") for policy in policies)


def group(endpoints: Iterable[Endpoint], policy: Body, values: tuple[str, ...]) -> list[Body]:
    """Envoy's `endpoints` without the endpoints themselves: one for each place and priority.

    Args:
        endpoints: Each is put into its group under `members`.
        policy: The traffic policy in force.
        values: The caller's `standing`; empty where labels don't matter.
    """
    keys = [
        str(key).partition("=")[0] for key in (_setting(policy) or {}).get("failoverPriority") or ()
    ]

    def rank(endpoint: Endpoint) -> int:
        known = _with_places(endpoint.labels)
        return len(values) - _same(values, tuple(known.get(key, "") for key in keys))

    ranks = {rank(endpoint) for endpoint in endpoints} if values else set()
    # Envoy wants priorities without gaps.
    order = {found: position for position, found in enumerate(sorted(ranks))}

    def where(endpoint: Endpoint) -> tuple[int, str]:
        return (order[rank(endpoint)] if values else 0), endpoint.locality

    made = []
    for (priority, place), members in groupby(sorted(endpoints, key=where), key=where):
        item: Body = {"members": list(members)}
        if place:
            item["locality"] = dict(
                zip(("region", "zone", "sub_zone"), place.split("."), strict=False)
            )
        if values:
            item["priority"] = priority
        made.append(item)
    return made


def _same(mine: tuple[str, ...], theirs: tuple[str, ...]) -> int:
    """How many are alike before the first that differs."""
    count = 0
    for one, other in zip(mine, theirs, strict=True):
        if one != other:
            break
        count += 1
    return count


def _with_places(labels: Mapping[str, str]) -> dict[str, str]:
    parts = labels.get(LABEL, "").split(".")
    return {**dict(zip(_PLACES, parts, strict=False)), **labels}


def prefer(groups: list[Body], policy: Body, place: str) -> list[Body]:
    """Give the groups of endpoints their priorities, or their shares.

    Args:
        groups: Envoy's `endpoints`, one for each place.
        policy: The traffic policy in force.
        place: The caller's.
    """
    setting = _setting(policy)
    if not place or setting is None or not aware(policy):
        return groups
    here = _parts(place)
    for rule in setting.get("distribute") or ():
        if _fits(str(rule.get("from", "")), here):
            return _shared(groups, rule.get("to") or {})
    if setting.get("distribute") or policy.get("outlierDetection") is None:
        return groups
    if setting.get("failoverPriority"):
        return groups  # `group` has ranked them, by labels
    failover = {rule.get("from"): rule.get("to") for rule in setting.get("failover") or ()}
    ranks = [_rank(here, _place_of(group), failover) for group in groups]
    # Envoy wants priorities without gaps.
    order = {rank: position for position, rank in enumerate(sorted(set(ranks)))}
    return [{**g, "priority": order[rank]} for g, rank in zip(groups, ranks, strict=True)]


def _setting(policy: Body) -> Body | None:
    setting: Body = (policy.get("loadBalancer") or {}).get("localityLbSetting") or {}
    return None if setting.get("enabled") is False else setting


def _parts(place: str) -> tuple[str, ...]:
    return tuple(place.replace("/", ".").split("."))


def _place_of(group: Body) -> tuple[str, ...]:
    locality = group.get("locality") or {}
    names = ("region", "zone", "sub_zone")
    return tuple(locality[name] for name in names if name in locality)


def _rank(here: tuple[str, ...], there: tuple[str, ...], failover: dict[Any, Any]) -> int:
    """0 for the same place, 1 the same zone, 2 the same region, 3 another, 4 not the next one."""
    padded = [(*parts, "", "", "")[:3] for parts in (here, there)]
    same = _same(padded[0], padded[1])
    if same:
        return 3 - same
    wanted = failover.get(here[0])
    return 4 if wanted and there[:1] != (wanted,) else 3


def _fits(pattern: str, place: tuple[str, ...]) -> bool:
    """Whether `region/zone/*` covers a place; a pattern may stop early."""
    for index, part in enumerate(pattern.split("/")):
        if part == "*":
            return True
        if index >= len(place) or place[index] != part:
            return False
    return True


def _shared(groups: list[Body], shares: dict[str, int]) -> list[Body]:
    """Weigh the groups; those that no share names get nothing."""
    found: dict[int, Body] = {}
    # The more exact pattern takes its groups first.
    for pattern in sorted(shares, key=lambda p: (p.count("*"), -len(p))):
        named = [
            index
            for index, group in enumerate(groups)
            if index not in found and _fits(pattern, _place_of(group))
        ]
        total = sum(len(groups[index]["lb_endpoints"]) for index in named)
        for index in named:
            weight = round(int(shares[pattern]) * 1000 * len(groups[index]["lb_endpoints"]) / total)
            found[index] = {**groups[index], "load_balancing_weight": max(1, weight)}
    return [found[index] for index in sorted(found)]
