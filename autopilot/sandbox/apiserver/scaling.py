"""The scale subresource: one small object in front of any kind that has replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.apiserver import errors, writes
from autopilot.sandbox.apiserver.causes import Cause
from autopilot.sandbox.apiserver.writes import Patch

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import Core, WriteOptions
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind, ScalePaths
    from autopilot.sandbox.apiserver.target import Target

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(kind: Kind, body: Body) -> Body:
    """The Scale of an object."""
    paths = _paths(kind)
    given = body["metadata"]
    status: Body = {"replicas": _at(body, paths.status) or 0}
    selector = _at(body, paths.selector) if paths.selector else None
    if selector:
        status["selector"] = selector if isinstance(selector, str) else selector_text(selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: given[key] for key in _KEPT if key in given},
        "spec": {"replicas": _at(body, paths.spec) or 0},
        "status": status,
    }


def selector_text(selector: Body) -> str:
    """A LabelSelector as a query writes it."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        values = ",".join(sorted(term.get("values") or ()))
        parts.append(
            {
                "In": f"{term['key']} in ({values})",
                "NotIn": f"{term['key']} notin ({values})",
                "Exists": term["key"],
                "DoesNotExist": f"!{term['key']}",
            }[term["operator"]]
        )
    return ",".join(parts)


def update_scale(core: Core, target: Target, scale: Any, options: WriteOptions) -> Body:
    """Set an object's replicas from a whole Scale.

    Raises:
        ApiError: 404, 409, 422.
    """
    kind = target.kind
    live = core.read(kind, target.namespace, target.name)
    spec = scale.get("spec") if isinstance(scale, dict) else None
    replicas = (spec or {}).get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise errors.invalid(kind, target.name, [Cause("spec.replicas", "FieldValueInvalid", why)])
    given = scale.get("metadata") or {}
    conditions = {key: given[key] for key in ("uid", "resourceVersion") if given.get(key)}
    body = _set(live, _paths(kind).spec.strip(".").split("."), replicas)
    body = {**body, "metadata": {**body["metadata"], **conditions}}
    return scale_of(kind, writes.replace(core, target, live, body, options))


def patch_scale(core: Core, target: Target, change: Patch, options: WriteOptions) -> Body:
    """Set an object's replicas by a patch of its Scale."""
    live = core.read(target.kind, target.namespace, target.name)
    before = scale_of(target.kind, live)
    if change.type in (writes.APPLY, writes.STRATEGIC):
        change = Patch(writes.MERGE, change.content)
    return update_scale(core, target, writes.patched(target.kind, before, change), options)


def _paths(kind: Kind) -> ScalePaths:
    if kind.scale is None:
        raise errors.no_such_path()
    return kind.scale


def _at(body: Any, path: str) -> Any:
    for part in path.strip(".").split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body


def _set(body: Body, path: list[str], value: Any) -> Body:
    if len(path) == 1:
        return {**body, path[0]: value}
    inner = body.get(path[0])
    return {**body, path[0]: _set(inner if isinstance(inner, dict) else {}, path[1:], value)}
