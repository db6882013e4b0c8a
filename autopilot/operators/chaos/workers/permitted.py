"""Whether a run that goes on still may, and whether its fault still is what it ordered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autopilot.base.errors import InvalidInput
from autopilot.kube.cache import CacheUnavailable
from autopilot.mesh.istio.faults import FAULT, fault_of
from autopilot.operators.chaos import machine
from autopilot.operators.chaos.conditions import Outcome
from autopilot.operators.chaos.workers.pending import not_permitted
from autopilot.overlay.places import Places
from autopilot.overlay.record import read
from autopilot.overlay.values import at, path_of, same
from autopilot.runtime.inputs import Unreadable

if TYPE_CHECKING:
    from typing import Any

    from autopilot.operators.chaos.workers.look import Kept, Look
    from autopilot.overlay.record import Overlay

EVERY = 15.0
"""Seconds between two looks at whether the namespace still opts in."""

PATIENCE = 3
"""So often in a row the fault may fail to be put back before the run ends."""


async def withdrawn(look: Look, kept: Kept) -> Outcome | None:
    """Whether those who let the experiment in have thought better of it."""
    now = look.crew.clock.monotonic()
    if now - kept.asked < EVERY:
        return None
    kept.asked = now
    try:
        refused = await not_permitted(look)
    except Unreadable:
        # It was allowed, and nobody has said otherwise.
        return None
    return Outcome(machine.ABORTED, refused.message) if refused is not None else None


def orphans(look: Look) -> list[str]:
    """Objects of the run that still have its fault, though no mark says any more whose it is.

    Raises:
        CacheUnavailable: It can't be told.
    """
    try:
        fault = look.program.fault
    except InvalidInput:
        return []
    # What was displaced may be of the same form, and is put back.
    if fault is None or fault.take_over:
        return []
    ours = fault_of(fault).fields[FAULT]
    found = []
    for one in look.status.overlays:
        namespace, _, name = one.object.partition(" ")[2].partition("/")
        for body in look.inputs.routes.of((namespace, name)):
            routes = (body.get("spec") or {}).get("http") or ()
            there = sum(isinstance(each, Mapping) and each.get("fault") == ours for each in routes)
            marked = sum(each.inserted or FAULT in each.fields for each in read(body).overlays)
            if str(body["metadata"].get("uid")) == one.uid and there > marked:
                found.append(one.object)
    return found


def contested(look: Look) -> Outcome | None:
    """Whether somebody changes the fault again and again, so that it is no longer put back."""
    if look.ctx.attempt < PATIENCE:
        return None
    try:
        held = look.overlays()
    except CacheUnavailable:
        return None
    for body, overlay in held:
        if _drifted(body, overlay):
            meta = body["metadata"]
            what = f"VirtualService {meta.get('namespace')}/{meta['name']}"
            message = f"somebody else changes the fault on {what} again and again"
            return Outcome(machine.ABORTED, message)
    return None


def _drifted(body: Mapping[str, Any], overlay: Overlay) -> bool:
    found = dict(body)
    place = Places(found, read(found).overlays).find(overlay)
    if not isinstance(place, tuple):
        return True
    return any(
        not same(at(found, (*place, *path_of(name))), overlay.holds(name))
        for name in overlay.fields
    )
