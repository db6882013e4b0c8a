"""A neutral object of ours, where there was none to overlay: pure.

It says what the mesh does anyway, so that overlays have something to stand on. It outlives nobody:
with its last overlay it goes. One that others have changed since is theirs, and stays.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from autopilot.kube.marks import BASE, MANAGED_BY, OVERLAID
from autopilot.overlay.record import read
from autopilot.overlay.values import canonical, same

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType

GRACE = timedelta(seconds=30)
"""How long a new base may wait for its first overlay before others take it for left over."""


def base(kind: ResourceType, name: str, namespace: str, spec: Body) -> Body:
    """The body of a base.

    It carries the sweep's label from the start: whoever is killed before the first overlay leaves
    nothing that isn't found. No owner reference: a kept protection outlives its rule.
    """
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY: "autopilot", OVERLAID: "true"},
            "annotations": {BASE: canonical(spec)},
        },
        "spec": spec,
    }


def is_base(body: Body) -> bool:
    """Whether an object was made as a base."""
    return BASE in (body["metadata"].get("annotations") or {})


def spent(body: Body) -> bool:
    """Whether a base has no overlay left, and nobody changed it: it may be deleted."""
    text = (body["metadata"].get("annotations") or {}).get(BASE)
    if text is None or not read(body).ended:
        return False
    try:
        return same(json.loads(text), body.get("spec"))
    except (ValueError, RecursionError):
        return False


def is_new(body: Body, now: datetime) -> bool:
    """Whether it was made so lately that its first overlay may be on its way."""
    try:
        made = datetime.fromisoformat(str(body["metadata"].get("creationTimestamp")))
    except ValueError:
        return True
    return now - made < GRACE
