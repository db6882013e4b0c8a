"""Who may begin: one experiment for each target, and not too many at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from autopilot.kube.marks import PAUSED
from autopilot.operators.chaos import machine

if TYPE_CHECKING:
    from autopilot.base.clock import Clock

Body = Mapping[str, Any]
Target = tuple[str, str]

_LONGEST = 30.0
"""Seconds after which a claim that led nowhere is forgotten."""


def target_of(body: Body) -> Target:
    """Namespace and name of the service that an experiment is about, as far as it says."""
    home = str(body["metadata"].get("namespace") or "")
    spec = body.get("spec")
    target = spec.get("target") if isinstance(spec, dict) else None
    if not isinstance(target, dict):
        return home, ""
    return str(target.get("namespace") or home), str(target.get("service") or "")


def phase_of(body: Body) -> str:
    """The stored phase."""
    status = body.get("status")
    phase = status.get("phase") if isinstance(status, dict) else None
    return phase if isinstance(phase, str) else ""


def is_active(body: Body) -> Hashable:
    """What experiments are looked up by, to count those that run."""
    return phase_of(body) in machine.ACTIVE


def before(body: Body) -> tuple[str, str]:
    """Who asked first comes first."""
    meta = body["metadata"]
    return str(meta.get("creationTimestamp") or ""), str(meta.get("uid") or "")


class Claims:
    """Who has been let in by this process and isn't seen to be in yet.

    Args:
        clock: Its monotonic side.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[str, tuple[Target, float]] = {}

    def claim(self, uid: str, target: Target) -> None:
        """Let one in."""
        self._of[uid] = (target, self._clock.monotonic())

    def drop(self, uid: str) -> None:
        """It is in, or out again."""
        self._of.pop(uid, None)

    def others(self, uid: str) -> Iterator[tuple[str, Target]]:
        """All others that were let in."""
        now = self._clock.monotonic()
        for other, (target, at) in list(self._of.items()):
            if now - at > _LONGEST:
                del self._of[other]
            elif other != uid:
                yield other, target


def waits_for(own: Target, uid: str, on_target: Iterable[Body], claims: Claims) -> str:
    """Whom an experiment waits for before it has its target to itself; empty for nobody."""
    bodies = [body for body in on_target if not body["metadata"].get("deletionTimestamp")]
    mine = next((body for body in bodies if str(body["metadata"].get("uid")) == uid), None)
    for body in on_target:
        if str(body["metadata"].get("uid")) != uid and phase_of(body) in machine.ACTIVE:
            return f"Experiment {_name(body)} is on the same target"
    for _, target in claims.others(uid):
        if target == own:
            return "another experiment begins on the same target"
    for body in bodies:
        if body is not mine and mine is not None and _queues(body) and before(body) < before(mine):
            return f"Experiment {_name(body)} on the same target asked before"
    return ""


def at_once(uid: str, active: Iterable[Body], claims: Claims) -> int:
    """How many others run."""
    uids = {str(body["metadata"].get("uid")) for body in active} - {uid}
    return len(uids | {other for other, _ in claims.others(uid)})


def _queues(body: Body) -> bool:
    """Whether an experiment is waiting for its turn, and nothing else holds it up."""
    spec = body.get("spec")
    suspended = isinstance(spec, dict) and spec.get("suspend") is True
    paused = PAUSED in (body["metadata"].get("annotations") or {})
    return phase_of(body) == machine.PENDING and not suspended and not paused


def _name(body: Body) -> str:
    meta = body["metadata"]
    return f"{meta.get('namespace')}/{meta['name']}"
