"""Puts the guard of a process together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput
from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.kube.selectors import Selection
from autopilot.runtime.guardrails.guard import Guard
from autopilot.runtime.guardrails.ledger import Ledger
from autopilot.runtime.record import Key
from autopilot.runtime.view import stored_phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autopilot.kube.cache import Cache
    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.runtime.caches import Caches, Scope
    from autopilot.runtime.served import Served


def make_guard(served: Mapping[str, Served], caches: Caches, scope: Scope) -> Guard:
    """The guard of a process.

    Args:
        served: All operators, by primary kind.
        caches: Where it reads; one of Namespaces is made if anybody acts.
        scope: What part of the API is served.
    """
    acts = any(phase.actions for one in served.values() for phase in one.definition.phases)
    namespaces = caches.need(NAMESPACES, _namespaces(scope)) if acts else None
    return Guard(Ledger(lambda: off_initial(served)), namespaces, _kept(caches, scope))


def off_initial(served: Mapping[str, Served]) -> Iterator[Key]:
    """The resources that are off their initial phase, as caches show.

    Raises:
        CacheUnavailable: It can't be told.
    """
    for kind, one in served.items():
        for body in one.primary.list():
            phase = stored_phase(body)
            if phase and phase not in one.definition.rests and phase != _initial(one, body):
                meta = body["metadata"]
                yield Key(kind, str(meta.get("namespace") or ""), str(meta["name"]))


def _initial(served: Served, body: Body) -> str:
    try:
        return served.machine_for(body).initial.name
    except InvalidInput:
        # It stands where it stood when it made sense; that it is off is the safe guess.
        return ""


def _namespaces(scope: Scope) -> Selection:
    # Who may see one namespace only isn't told of others: what can't be told isn't allowed.
    return Selection(None, "", f"metadata.name={scope.namespace}" if scope.namespace else "")


def _kept(caches: Caches, scope: Scope) -> Cache | None:
    services: ResourceType = KNOWN["services"]
    where = scope.selection(services)
    return next((c for c in caches if c.kind == services and c.selection == where), None)
