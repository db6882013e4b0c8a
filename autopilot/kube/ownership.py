"""Whose an object is: the marks on what autopilot makes, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import RetryLater, TerminalError
from autopilot.kube.marks import MANAGED_BY, OPERATOR, OWNER, OWNER_UID

if TYPE_CHECKING:
    from autopilot.kube.client import Body


class NotOurs(TerminalError):
    """An object stands where an output should, and it isn't this resource's.

    Args:
        what: The object, like `VirtualService shop/web`.
        holder: Whose it is, for a person.
    """

    def __init__(self, what: str, holder: str) -> None:
        super().__init__(
            f"{what} exists and belongs to {holder}; it is not taken over: "
            "rename the output, or delete that object"
        )
        self.what = what
        self.holder = holder


class StillLeaving(RetryLater):
    """An object of ours, or of an owner of the same name before us, is still being deleted."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """The marks that an owner's objects carry.

    Attributes:
        labels: What prune, caches and the check of ownership select by.
        annotations: The owner in words.
        owner_references: For the API's garbage collector; empty across namespaces.
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    owner_references: list[Body] = field(default_factory=list)

    def mark(self, body: Body) -> Body:
        """The body with the marks in its metadata; the given one is left as it is."""
        meta = dict(body.get("metadata") or {})
        meta["labels"] = {**(meta.get("labels") or {}), **self.labels}
        meta["annotations"] = {**(meta.get("annotations") or {}), **self.annotations}
        if self.owner_references:
            meta["ownerReferences"] = [*self.owner_references]
        return {**body, "metadata": meta}


def ownership(
    owner: Body, operator: str, namespace: str | None = None, *, record: bool = False
) -> Ownership:
    """The marks for an object of `owner`.

    Args:
        owner: The resource; needs apiVersion, kind and the metadata's name and uid.
        operator: The operator's name.
        namespace: Where the object will stand; None means beside its owner. An owner reference
            works within one namespace only, and never upwards to a namespaced owner.
        record: The object outlives its owner: no owner reference.
    """
    meta = owner["metadata"]
    home = meta.get("namespace")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    beside = bool(home) and namespace in {None, home} and not record
    return Ownership(
        labels={MANAGED_BY: "autopilot", OPERATOR: operator, OWNER_UID: meta["uid"]},
        annotations={OWNER: owner_text(owner)},
        owner_references=[reference] if beside else [],
    )


def owner_text(owner: Body) -> str:
    """An owner as the annotation spells it: `Kind/namespace/name`."""
    meta = owner["metadata"]
    return f"{owner['kind']}/{meta.get('namespace') or ''}/{meta['name']}"


def describe(body: Body) -> str:
    """An object for a person: `Deployment shop/web`."""
    meta = body["metadata"]
    where = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{body.get('kind', 'object')} {where}{meta.get('name', '')}"


def check_ours(wanted: Body, live: Body) -> None:
    """Make sure that `live` belongs to the owner whose marks `wanted` carries.

    Raises:
        NotOurs: It belongs to somebody else, or to nobody.
        StillLeaving: It is being deleted, or its owner of the same name was replaced.
    """
    uid = _labels(wanted).get(OWNER_UID)
    if not uid:
        raise ValueError("an output needs the marks of its owner: see ownership()")
    held = _labels(live).get(OWNER_UID)
    if belongs_to(live, uid):
        if live["metadata"].get("deletionTimestamp"):
            raise StillLeaving(f"{describe(live)} is being deleted", after=1.0)
        return
    if held and _notes(live).get(OWNER) == _notes(wanted).get(OWNER) is not None:
        raise StillLeaving(f"{describe(live)} is left over from an earlier owner of the same name")
    raise NotOurs(describe(live), holder_of(live))


def belongs_to(live: Body, uid: str) -> bool:
    """Whether an object is this owner's: by its controller or, where it has none, by our label.

    A label is soon lost to somebody's edit or replace; the controller's uid is nobody else's.
    """
    return owner_of(live) == uid


def owner_of(live: Body) -> str | None:
    """The uid of the owner that an object belongs to; None for nobody's. See `belongs_to`."""
    controller = controller_of(live)
    return _labels(live).get(OWNER_UID) if controller is None else controller.get("uid")


def controller_of(body: Body) -> Body | None:
    """The owner reference that controls an object, if any."""
    references: list[Body] = body["metadata"].get("ownerReferences") or []
    return next((each for each in references if each.get("controller")), None)


def holder_of(live: Body) -> str:
    """Whose an object is, in words: its controller, its owner by our marks, or who made it."""
    if controller := controller_of(live):
        return f"{controller.get('kind')} {controller.get('name')}"
    if owner := _notes(live).get(OWNER):
        return owner
    if by := _labels(live).get(MANAGED_BY):
        return f"what {by} manages"
    managers = live["metadata"].get("managedFields") or []
    return str(managers[0].get("manager")) if managers else "nobody that it names"


def _labels(body: Body) -> dict[str, str]:
    return body["metadata"].get("labels") or {}


def _notes(body: Body) -> dict[str, str]:
    return body["metadata"].get("annotations") or {}
