"""Deleting: preconditions, finalizers, grace periods and what shall become of dependents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from autopilot.base.timestamps import stamp
from autopilot.sandbox.apiserver import crdrules, errors

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import Core
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind
    from autopilot.sandbox.apiserver.target import Target

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_POLICIES = {"Background", "Foreground", "Orphan"}


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete.

    Attributes:
        policy: `Background`, `Foreground`, `Orphan`, or "" to leave what finalizers say.
        grace: Seconds that a running pod has to end; None for its own.
        uid, version: Preconditions.
    """

    policy: str = ""
    grace: int | None = None
    uid: str = ""
    version: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, body: Body, query: dict[str, str]) -> DeleteOptions:
        """From a request's body and query; the body wins.

        Raises:
            ApiError: 400 for what they can't mean.
        """
        policy = body.get("propagationPolicy") or query.get("propagationPolicy", "")
        if body.get("orphanDependents"):
            policy = policy or "Orphan"
        if policy and policy not in _POLICIES:
            raise errors.bad_request(f'invalid propagationPolicy "{policy}"')
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        try:
            seconds = None if grace is None else int(grace)
        except (TypeError, ValueError):
            raise errors.bad_request(f'invalid gracePeriodSeconds "{grace}"') from None
        conditions = body.get("preconditions") or {}
        dry = body.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
        return cls(
            policy,
            seconds,
            conditions.get("uid") or "",
            conditions.get("resourceVersion") or "",
            dry == ["All"],
        )


def delete(core: Core, target: Target, options: DeleteOptions) -> tuple[Body, bool]:
    """Delete an object; returns its last form, and whether it is gone for good.

    Raises:
        ApiError: 404, 409 where a precondition fails.
    """
    kind = target.kind
    live = core.read(kind, target.namespace, target.name)
    _check_preconditions(kind, live, options)
    if target.name in _PERMANENT and kind.storage == "namespaces":
        raise errors.forbidden(kind, target.name, "this namespace may not be deleted")
    finalizers = _finalizers(live, options.policy)
    grace = _grace(kind, live, options.grace)
    if not finalizers and not grace and not _namespace_waits(kind, live):
        return (live if options.dry_run else core.remove(kind, live)), True
    ending = _ending(core, kind, live, finalizers, grace)
    if options.dry_run or ending == live:
        return ending, False
    return core.commit(kind, ending), False


_PERMANENT = {"default", "kube-system", "kube-public", "kube-node-lease"}


def _check_preconditions(kind: Kind, live: Body, options: DeleteOptions) -> None:
    given = live["metadata"]
    for wanted, field, label in (
        (options.uid, "uid", "UID"),
        (options.version, "resourceVersion", "ResourceVersion"),
    ):
        if wanted and wanted != given[field]:
            why = (
                f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: "
            )
            raise errors.conflict(kind, given["name"], why + given[field])


def _finalizers(live: Body, policy: str) -> list[str]:
    kept = list(live["metadata"].get("finalizers") or ())
    if policy:
        kept = [name for name in kept if name not in (FOREGROUND, ORPHAN)]
    if policy == "Foreground":
        kept.append(FOREGROUND)
    if policy == "Orphan":
        kept.append(ORPHAN)
    return kept


def _grace(kind: Kind, live: Body, asked: int | None) -> int:
    """Seconds until a pod may go. Only one that runs somewhere waits, for its node to say so."""
    if kind.storage != "pods":
        return 0
    spec, given = live.get("spec") or {}, live["metadata"]
    ended = (live.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if not spec.get("nodeName") or ended:
        return 0
    own = int(spec.get("terminationGracePeriodSeconds", 30))
    grace = max(0, own if asked is None else asked)
    if "deletionTimestamp" in given:
        return min(grace, int(given.get("deletionGracePeriodSeconds", grace)))
    return grace


def _namespace_waits(kind: Kind, live: Body) -> bool:
    return kind.storage == "namespaces" and bool((live.get("spec") or {}).get("finalizers"))


def _ending(core: Core, kind: Kind, live: Body, finalizers: list[str], grace: int) -> Body:
    given = {**live["metadata"]}
    first = "deletionTimestamp" not in given
    if first or grace < int(given.get("deletionGracePeriodSeconds", 0)):
        at = core.clock.now() + timedelta(seconds=grace)
        given["deletionTimestamp"] = stamp(at)
        given["deletionGracePeriodSeconds"] = grace
    if first and "generation" in given:
        given["generation"] += 1
    given.pop("finalizers", None)
    if finalizers:
        given["finalizers"] = finalizers
    ending: Body = {**live, "metadata": given}
    if kind.storage == "namespaces":
        ending["status"] = {**(live.get("status") or {}), "phase": "Terminating"}
    if kind.storage == crdrules.STORAGE and first:
        ending = crdrules.terminating(ending, core.stamp())
    return ending


def without_finalizer(core: Core, kind: Kind, body: Body, finalizer: str) -> None:
    """Take one finalizer off; the last one off what is being deleted removes it."""
    given = {**body["metadata"]}
    left = [name for name in given.get("finalizers") or () if name != finalizer]
    given.pop("finalizers", None)
    if left:
        given["finalizers"] = left
    after = {**body, "metadata": given}
    waits = left or given.get("deletionGracePeriodSeconds") or _namespace_waits(kind, after)
    if waits:
        core.commit(kind, after)
    else:
        core.remove(kind, after)
