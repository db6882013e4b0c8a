"""Evicting a pod: a delete that PodDisruptionBudgets may refuse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import errors
from autopilot.sandbox.apiserver.deletion import DeleteOptions, delete
from autopilot.sandbox.apiserver.scaling import selector_text
from autopilot.sandbox.apiserver.selectors import parse_labels

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.target import Target

_BUDGETS = "poddisruptionbudgets.policy"


def evict(core: Core, target: Target, body: Any) -> Body:
    """Delete a pod if its budgets allow.

    Raises:
        ApiError: 404, or 429 with the budget that forbids it.
    """
    pod = core.read(target.kind, target.namespace, target.name)
    if _ready(pod):
        for entry in core.database.entries(_BUDGETS, target.namespace):
            _check_budget(core, entry.body, pod)
    options = (body.get("deleteOptions") or {}) if isinstance(body, dict) else {}
    delete(core, target, DeleteOptions.read(options, {}))
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _check_budget(core: Core, budget: Body, pod: Body) -> None:
    spec = budget.get("spec") or {}
    selects = parse_labels(selector_text(spec.get("selector") or {}))
    if not selects(pod["metadata"].get("labels") or {}):
        return
    given = budget["metadata"]
    pods = [entry.body for entry in core.database.entries("pods", given["namespace"])]
    pods = [one for one in pods if selects(one["metadata"].get("labels") or {})]
    healthy = sum(_ready(one) and "deletionTimestamp" not in one["metadata"] for one in pods)
    if spec.get("maxUnavailable") is not None:
        needed = len(pods) - _count(spec["maxUnavailable"], len(pods))
    else:
        needed = _count(spec.get("minAvailable", 1), len(pods))
    if healthy - 1 >= needed:
        return
    why = (
        f"The disruption budget {given['name']} needs {needed} healthy pods and has {healthy} "
        "currently"
    )
    raise errors.too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        after=0,
        causes=[{"reason": "DisruptionBudget", "message": why}],
    )


def _count(value: Any, total: int) -> int:
    """A number or a percentage of the total, rounded up."""
    if isinstance(value, str):
        return math.ceil(float(value.rstrip("%")) / 100 * total)
    return int(value)


def _ready(pod: Body) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
