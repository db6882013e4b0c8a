"""Carrying out steps: the same for every mesh."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import AutopilotError, RetryLater
from autopilot.kube.client import AlreadyExists, Conflict, Invalid, KubeClient, NotFound
from autopilot.kube.marks import OVERLAY_MANAGER
from autopilot.mesh.errors import TargetMissing
from autopilot.mesh.scaling import SetMark, SetReplicas, next_write
from autopilot.mesh.steps import (
    DEPLOYMENTS,
    ApplyOwned,
    Change,
    DeleteOwned,
    HoldReplicas,
    MakeBase,
    Plan,
    PutOverlay,
    ReleaseReplicas,
    Step,
    TakeBack,
)
from autopilot.overlay.execute import put, take_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.kube.apply import Applier, Observer
    from autopilot.kube.client import Body
    from autopilot.mesh.repairs import Repairs
    from autopilot.overlay.execute import Hands
    from autopilot.overlay.record import Overlay

ATTEMPTS = 5
_LONGEST_CHAIN = 4


@dataclass(frozen=True, slots=True)
class Executor:
    """What steps are carried out with.

    Attributes:
        client: The API.
        applier: For objects of ours; the same one at every sync, for it remembers.
        repairs: Likewise.
        manager: The field manager for foreign objects, like `autopilot.canary`.
        observe: Told of each answer, so that caches see our writes at once.
        observe_deleted: Told of each deletion.
        before_write: Called before each write; raises to stop it (a lease that was lost).
        hands: For overlays; the same ones at every sync. None where no action is one.
    """

    client: KubeClient
    applier: Applier
    repairs: Repairs
    manager: str
    observe: Observer | None = None
    observe_deleted: Observer | None = None
    before_write: Callable[[], None] | None = None
    hands: Hands | None = None


async def execute(plan: Plan, executor: Executor) -> tuple[list[Change], list[AutopilotError]]:
    """Carry out a plan.

    A step that fails doesn't keep steps that move traffic back from being tried; those that move
    forward, or that come after it for safety's sake, wait for the next sync.

    Returns:
        The writes that were made, and the failures: the plan's own refusals and those of steps.

    Raises:
        asyncio.CancelledError: Between two writes, or with one's outcome unknown: run it again.
    """
    changes: list[Change] = []
    failed: list[AutopilotError] = [*plan.refused]
    broken = False
    for what in plan.settled:
        executor.repairs.settled(what)
    for step in plan.steps:
        if broken and not _safe_after_failure(step):
            continue
        try:
            change = await _carry_out(step, executor)
        except AutopilotError as error:
            failed.append(error)
            broken = True
            continue
        if change is not None:
            changes.append(change)
    return changes, failed


def _safe_after_failure(step: Step) -> bool:
    """Routes and capacity that go back may; a deletion relies on all that came before it."""
    return step.moves == "back" and not isinstance(step, DeleteOwned)


async def _carry_out(step: Step, executor: Executor) -> Change | None:
    if isinstance(step, ApplyOwned):
        _check(executor)
        outcome = await executor.applier.ensure(step.kind, step.body, step.live)
        # After a restart one apply per object only learns what the server has, or takes over the
        # record of its fields: that is no change of anything.
        if not outcome.wrote or not (step.differs or outcome.action == "repaired"):
            return None
        repaired = outcome.action == "repaired"
        return Change(step, step.summary, step.moves, repaired, outcome.body)
    if isinstance(step, DeleteOwned):
        return await _delete(step, executor)
    if isinstance(step, MakeBase):
        return await _make(step, executor)
    if isinstance(step, PutOverlay | TakeBack):
        return await _overlay(step, executor)
    return await _scale(step, executor)


async def _make(step: MakeBase, executor: Executor) -> Change | None:
    _check(executor)
    try:
        answer = await executor.client.create(
            step.kind, step.body, step.body["metadata"]["namespace"], manager=OVERLAY_MANAGER
        )
    except AlreadyExists:
        return None  # Somebody was faster, or the cache is behind: overlays stand on that one.
    if executor.observe:
        executor.observe(step.kind, answer)
    return Change(step, step.summary, step.moves, body=answer)


async def _overlay(step: PutOverlay | TakeBack, executor: Executor) -> Change | None:
    hands = executor.hands
    if hands is None:
        raise AssertionError("overlays need hands")
    if isinstance(step, TakeBack):

        def chosen(overlay: Overlay) -> bool:
            return overlay.id in step.chosen and step.holder.succeeds(overlay.holder)

        outcomes = await take_back(hands, step.target, chosen)
        left = [each.why for each in outcomes if each.why]
        summary = "; ".join([step.summary, *left])
        return Change(step, summary, step.moves) if outcomes else None
    # A step may rely on those before it, which what was observed doesn't know of yet.
    done = await put(hands, step.target, step.wish, None if step.differs else step.live)
    if done.change in {"none", "record"}:
        return None
    return Change(step, step.summary, step.moves, done.change == "repair", done.body)


async def _delete(step: DeleteOwned, executor: Executor) -> Change | None:
    _check(executor)
    meta = step.live["metadata"]
    try:
        await executor.client.delete(
            step.kind, meta["name"], meta.get("namespace"), uid=meta["uid"]
        )
    except NotFound:
        return None
    except Conflict:
        return None  # Another object of that name: not the one that was ours.
    finally:
        executor.applier.forget(step.kind, meta.get("namespace"), meta["name"])
    if executor.observe_deleted:
        executor.observe_deleted(step.kind, step.live)
    return Change(step, step.summary, step.moves)


async def _scale(step: HoldReplicas | ReleaseReplicas, executor: Executor) -> Change | None:
    name = step.live["metadata"]["name"]
    namespace = step.live["metadata"]["namespace"]
    what = f"Deployment {namespace}/{name}"
    if isinstance(step, HoldReplicas) and step.repair:
        executor.repairs.allow(what, step.replicas, f"the replica count of {what}")
    live = step.live
    wrote = conflicts = 0
    while wrote < _LONGEST_CHAIN and conflicts < ATTEMPTS:
        write = next_write(step, live)
        if write is None:
            break
        try:
            live = await _write(write, live, executor)
            wrote += 1
        except (Conflict, Invalid) as error:
            # A JSON patch whose `test` fails is 422: the object has changed since it was read.
            if isinstance(error, Invalid) and not isinstance(write, SetMark):
                raise
            conflicts += 1
            live = await executor.client.get(DEPLOYMENTS, name, namespace)
        except NotFound as error:
            if isinstance(step, ReleaseReplicas):
                return None
            raise TargetMissing(f"{what} isn't there") from error
    else:
        raise RetryLater(f"{what} changed under us {conflicts} times in a row")
    if isinstance(step, ReleaseReplicas):
        executor.repairs.forget(what)
    if not wrote:
        return None
    repaired = isinstance(step, HoldReplicas) and step.repair
    if repaired:
        executor.repairs.made(what)
    return Change(step, step.summary, step.moves, repaired, live)


def _check(executor: Executor) -> None:
    if executor.before_write is not None:
        executor.before_write()


async def _write(write: SetMark | SetReplicas, live: Body, executor: Executor) -> Body:
    _check(executor)
    meta = live["metadata"]
    if isinstance(write, SetMark):
        answer = await executor.client.patch(
            DEPLOYMENTS, meta["name"], meta["namespace"], write.patch, manager=executor.manager
        )
    else:
        # The URL is the Deployment's; the body is of the kind Scale.
        scale = await executor.client.replace(
            DEPLOYMENTS, write.scale, subresource="scale", manager=executor.manager
        )
        answer = copy.deepcopy(live)
        answer["spec"]["replicas"] = scale["spec"].get("replicas", 0)
        answer["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"]
    if executor.observe:
        executor.observe(DEPLOYMENTS, answer)
    return answer
