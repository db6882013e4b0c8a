"""A resource that is being deleted: its finalizer's worker, then the undoing of its actions.

Nothing that a user owns may be left without pods: what the actions hold is put back in the safe
order before our finalizer goes, and only then does the API collect what the resource owned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.kube.client import ApiError, NotFound
from autopilot.kube.kinds import NAMESPACES
from autopilot.kube.marks import FINALIZER
from autopilot.runtime import reasons

if TYPE_CHECKING:
    from autopilot.runtime.attempt import Attempt
    from autopilot.runtime.result import Ending


def is_held(attempt: Attempt) -> bool:
    """Whether our finalizer is on the resource; without it there is nothing to undo."""
    return FINALIZER in (attempt.body["metadata"].get("finalizers") or [])


async def end(attempt: Attempt) -> bool:
    """One sync of a resource that is being deleted and still held by our finalizer.

    Returns:
        Whether it is let go; False while the finalizer's worker has something left to do.

    Raises:
        ApiError: A write failed.
        RetryLater: Undoing now would leave callers without ready pods.
    """
    if not await namespace_leaves(attempt):
        if not await _finalize(attempt):
            return False
        attempt.record.reason = reasons.FINALIZED
        keeps = attempt.served.definition.keeps
        kept = keeps is not None and keeps(attempt.body)
        ending: Ending = "keep" if kept else "restore"
        await attempt.served.writer.undo(
            attempt.body, attempt.written, ending if keeps is not None else ""
        )
        if kept:
            _tell_kept(attempt)
    try:
        await attempt.served.writer.hold(attempt.body, finalizer=False)
    except NotFound:
        return True
    attempt.written.changes.append("finalizer: removed")
    return True


def _tell_kept(attempt: Attempt) -> None:
    """Say what stays in force without its holder, on the resource and on each object."""
    key = attempt.key
    held: dict[str, list[str]] = {}
    for body, overlay in attempt.served.writer.kept(attempt.body):
        meta = body["metadata"]
        where = f"{body['kind']} {meta.get('namespace')}/{meta['name']}"
        held.setdefault(where, []).append(overlay.action)
        attempt.event(
            "Warning",
            reasons.KEPT,
            f"{overlay.action} of {overlay.holder} stays in force though it was deleted; "
            f"autopilot halt --restore {key.name} undoes it",
            body,
        )
    if held:
        what = "; ".join(f"{', '.join(actions)} on {where}" for where, actions in held.items())
        attempt.event(
            "Warning",
            reasons.KEPT,
            f"deleted with onDelete: keep; in force still: {what}; "
            f"autopilot halt --restore {key.name} undoes it",
        )


async def _finalize(attempt: Attempt) -> bool:
    """Run the author's finalizer, if there is one; whether it has done all."""
    finalizer = attempt.served.definition.finalizer
    if finalizer is None:
        return True
    attempt.phase, attempt.finalizing = finalizer, True
    attempt.record.phase = finalizer.name
    decision = await attempt.ask()
    await attempt.write(decision)
    return decision.finished


async def namespace_leaves(attempt: Attempt) -> bool:
    """Whether the namespace goes as a whole: then there is nobody left to protect."""
    if not attempt.key.namespace:
        return False
    try:
        found = await attempt.commons.client.get(NAMESPACES, attempt.key.namespace)
    except ApiError:
        # Not allowed to look, or gone already: then our finalizer is removed the ordinary way.
        return False
    return bool(found["metadata"].get("deletionTimestamp"))
