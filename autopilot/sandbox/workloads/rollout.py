"""How a Deployment moves from one ReplicaSet to the next: how many replicas each gets now. Pure.

The rules are Kubernetes' own: never more than replicas + maxSurge pods, never fewer available
ones than replicas - maxUnavailable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_BUDGET = "25%"


@dataclass(frozen=True, slots=True)
class Budget:
    """How far a rolling update may stray from the wanted number of replicas."""

    surge: int
    unavailable: int


@dataclass(frozen=True, slots=True)
class Replicas:
    """One ReplicaSet, as the rollout sees it.

    Attributes:
        name: Its name; the newest ReplicaSet is told apart by its place, not by it.
        wanted: Its spec's replicas.
        available: How many of them are available.
        pods: How many pods it has, also those that aren't ready; ending ones included.
    """

    name: str
    wanted: int
    available: int
    pods: int


def resolved(value: int | str | None, replicas: int, *, up: bool) -> int:
    """A number, or a percentage of the replicas rounded up or down."""
    if value is None:
        value = DEFAULT_BUDGET
    if isinstance(value, str) and value.endswith("%"):
        share = float(value[:-1]) * replicas / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def budget(strategy: Mapping[str, Any] | None, replicas: int) -> Budget:
    """The budget of a strategy; if both ends come to zero, one may be unavailable."""
    rolling = (strategy or {}).get("rollingUpdate") or {}
    surge = resolved(rolling.get("maxSurge"), replicas, up=True)
    unavailable = min(replicas, resolved(rolling.get("maxUnavailable"), replicas, up=False))
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Budget(surge, unavailable)


def recreate(replicas: int, new: Replicas, old: Sequence[Replicas]) -> dict[str, int]:
    """First nothing of the old is left, then all of the new is made."""
    if any(one.wanted or one.pods for one in old):
        return {one.name: 0 for one in old if one.wanted}
    return {new.name: replicas} if new.wanted != replicas else {}


def rolling(
    replicas: int, limits: Budget, new: Replicas, old: Sequence[Replicas]
) -> dict[str, int]:
    """The next step: the new numbers of those ReplicaSets whose number changes.

    Args:
        replicas: What the Deployment wants.
        limits: How far it may stray.
        new: The ReplicaSet of the present template.
        old: All others, the oldest first.
    """
    wanted = _new_wanted(replicas, limits, new, old)
    if wanted != new.wanted:
        return {new.name: wanted}
    return _scale_down(replicas, limits, new, old)


def _new_wanted(replicas: int, limits: Budget, new: Replicas, old: Sequence[Replicas]) -> int:
    if new.wanted >= replicas:
        return replicas
    room = replicas + limits.surge - new.wanted - sum(one.wanted for one in old)
    return new.wanted + max(0, min(room, replicas - new.wanted))


def _scale_down(
    replicas: int, limits: Budget, new: Replicas, old: Sequence[Replicas]
) -> dict[str, int]:
    everything = new.wanted + sum(one.wanted for one in old)
    floor = replicas - limits.unavailable
    new_unavailable = new.wanted - new.available
    room = everything - floor - new_unavailable
    if room <= 0:
        return {}
    after = {one.name: one.wanted for one in old}
    for one in old:
        # Unhealthy replicas serve nobody: they go first, and cost no availability.
        gone = max(0, min(room, one.wanted - min(one.available, one.wanted)))
        after[one.name] -= gone
        room -= gone
    spare = new.available + sum(min(one.available, one.wanted) for one in old) - floor
    for one in old:
        gone = max(0, min(spare, after[one.name]))
        after[one.name] -= gone
        spare -= gone
    return {one.name: after[one.name] for one in old if after[one.name] != one.wanted}
