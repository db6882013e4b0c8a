"""Reading Kubernetes objects as plain data. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from autopilot.base.timestamps import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Body = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


def meta(body: Body) -> Body:
    """The metadata; empty where there is none."""
    return cast("Body", body.get("metadata") or {})


def spec(body: Body) -> Body:
    """The spec; empty where there is none."""
    return cast("Body", body.get("spec") or {})


def status(body: Body) -> Body:
    """The status; empty where there is none."""
    return cast("Body", body.get("status") or {})


def key(body: Body) -> Key:
    """Namespace and name of an object."""
    found = meta(body)
    return str(found.get("namespace", "")), str(found.get("name", ""))


def uid(body: Body) -> str:
    """The uid; empty where there is none."""
    return str(meta(body).get("uid", ""))


def version(body: Body) -> int:
    """The resourceVersion as a number, which the sandbox's server guarantees it to be."""
    text = str(meta(body).get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def labels(body: Body) -> dict[str, str]:
    """The labels."""
    return dict(meta(body).get("labels") or {})


def notes(body: Body) -> dict[str, str]:
    """The annotations."""
    return dict(meta(body).get("annotations") or {})


def deleting(body: Body) -> bool:
    """Whether somebody has asked for the object's end."""
    return bool(meta(body).get("deletionTimestamp"))


def controller_of(body: Body) -> Body | None:
    """The owner reference that controls an object, if one does."""
    for reference in meta(body).get("ownerReferences") or ():
        if reference.get("controller"):
            return cast("Body", reference)
    return None


def owner_reference(owner: Body) -> Body:
    """A reference that makes `owner` the controller of something."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta(owner)["name"],
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition(body: Body, kind: str) -> Body | None:
    """A condition of an object by its type."""
    for found in status(body).get("conditions") or ():
        if found.get("type") == kind:
            return cast("Body", found)
    return None


def selects(selector: Mapping[str, Any] | None, found: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) selects labels.

    An empty or absent selector selects nothing here: every caller treats it so.
    """
    if not selector:
        return False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    if not wanted and not expressions:
        return False
    return all(found.get(name) == value for name, value in wanted.items()) and all(
        _expression(one, found) for one in expressions
    )


def _expression(one: Mapping[str, Any], found: Mapping[str, str]) -> bool:
    name, operator, values = one["key"], one["operator"], one.get("values") or []
    if operator == "In":
        return found.get(name) in values
    if operator == "NotIn":
        return found.get(name) not in values
    return (name in found) is (operator == "Exists")


def is_ready(pod: Body) -> bool:
    """Whether a pod's Ready condition is true."""
    found = condition(pod, "Ready")
    return found is not None and found.get("status") == "True"


def finished(pod: Body) -> bool:
    """Whether a pod has run to its end."""
    return status(pod).get("phase") in {"Failed", "Succeeded"}


def active(pod: Body) -> bool:
    """Whether a pod counts as a replica."""
    return not finished(pod) and not deleting(pod)


def available(pod: Body, min_ready_seconds: float, now: datetime) -> bool:
    """Whether a pod has been ready for long enough to be counted on."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True":
        return False
    since = parse_time(found.get("lastTransitionTime"))
    return min_ready_seconds <= 0 or (
        since is not None and (now - since).total_seconds() >= min_ready_seconds
    )
