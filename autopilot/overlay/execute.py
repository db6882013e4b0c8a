"""Carrying overlays out: read, plan, write, and again where somebody was faster."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import RetryLater
from autopilot.kube.client import Conflict, Invalid, KubeClient, NotFound
from autopilot.kube.marks import OVERLAY_MANAGER
from autopilot.kube.ownership import describe
from autopilot.kube.retry import AtOnce
from autopilot.overlay.apply import Planned, as_stored, plan
from autopilot.overlay.base import is_new, spent
from autopilot.overlay.drift import Drift, key_of
from autopilot.overlay.errors import NotThere
from autopilot.overlay.undo import Outcome, Undoing, finish, undo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autopilot.base.clock import Clock
    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.overlay.record import Overlay
    from autopilot.overlay.wish import Wish

ATTEMPTS = 5
"""How often a race for one object is run before it is left to the back-off."""

_PASSES = 3
"""What is undone may be what made another overlay hard to find: so that is looked for again."""


@dataclass(frozen=True, slots=True)
class Target:
    """The object that an overlay is on.

    Attributes:
        kind: Its kind.
        name: Its name.
        namespace: Its namespace; None for a cluster-scoped kind.
    """

    kind: ResourceType
    name: str
    namespace: str | None

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    @classmethod
    def of(cls, kind: ResourceType, body: Body) -> Target:
        """The target that a body is."""
        return cls(kind, body["metadata"]["name"], body["metadata"].get("namespace"))


@dataclass(frozen=True, slots=True)
class Hands:
    """What overlays are carried out with.

    Attributes:
        client: The API.
        clock: For records and for waits between attempts.
        drift: Counts repairs; the same one at every sync, for it remembers.
        observe: Told of each answer, so that caches see our writes at once.
        before_write: Called before each write; raises to stop it (a lease that was lost).
        observe_deleted: Told of each deletion.
        rng: For the jitter.
    """

    client: KubeClient
    clock: Clock
    drift: Drift
    observe: Callable[[ResourceType, Body], None] | None = None
    before_write: Callable[[], None] | None = None
    observe_deleted: Callable[[ResourceType, Body], None] | None = None
    rng: random.Random = field(default_factory=random.Random)


async def put(hands: Hands, target: Target, wish: Wish, live: Body | None = None) -> Planned:
    """Let an object hold what is wanted.

    Args:
        hands: What to do it with.
        target: The object.
        wish: What is wanted.
        live: The object as a cache knows it: where that is as wanted already, no call is made.

    Returns:
        What was done; `change` is `none` where nothing was.

    Raises:
        NotUnique, NotThere, Foreign, Held, TooLarge: It can't be; see `plan`.
        Contested: Others change the fields again and again.
        RetryLater: The object changed too often in between.
        ApiError: A call failed; `Invalid` when the server refuses what is wanted.
    """
    done: Planned | None = None

    def decide(body: Body) -> Sequence[Body]:
        nonlocal done
        done = plan(body, wish, hands.clock.now())
        if done.change == "repair":
            key = key_of(body["metadata"]["uid"], done.overlay.id)
            hands.drift.allow(key, dict(done.overlay.after), f"{describe(body)} ({wish.action})")
        return done.patch

    try:
        answer = await _write(hands, target, decide, live)
        if done is not None and done.patch:
            stored = done.overlay
            await _write(hands, target, lambda body: as_stored(body, stored), answer)
    except NotFound as error:
        raise NotThere(f"{target} isn't there") from error
    if done is None:
        raise AssertionError("a plan precedes every write")
    key = key_of(done.overlay.target, done.overlay.id)
    if done.change == "repair":
        hands.drift.made(key)
    elif done.change == "none":
        hands.drift.settled(key)
    return done


async def take_back(
    hands: Hands, target: Target, chosen: Callable[[Overlay], bool], live: Body | None = None
) -> tuple[Outcome, ...]:
    """Undo overlays, and give their fields back to their owners.

    A base of ours goes with its last overlay. Run again after a kill it goes on from where it was;
    an object that is gone is done.

    Args:
        hands: What to do it with.
        target: The object.
        chosen: Which overlays; none at all only finishes what an earlier undo left.
        live: The object as a cache knows it: where nothing is to be done, no call is made.

    Returns:
        What became of each field.

    Raises:
        RetryLater: The object changed too often in between.
        ApiError: A call failed.
    """
    done = Undoing()

    def decide(body: Body) -> Sequence[Body]:
        nonlocal done
        done = undo(body, chosen)
        return done.patch

    outcomes: list[Outcome] = []
    body = live
    try:
        for _ in range(_PASSES):
            body = await _write(hands, target, decide, body)
            outcomes = [*(each for each in outcomes if each.how != "unclear"), *done.outcomes]
            if not done.patch or all(each.how != "unclear" for each in outcomes):
                break
        body = await _write(hands, target, _finish, body)
        if outcomes or not is_new(body, hands.clock.now()):
            await _retire(hands, target, body)
    except NotFound:
        pass
    if body is None:
        return tuple(outcomes)
    for outcome in outcomes:
        if outcome.how != "unclear":
            hands.drift.forget(key_of(body["metadata"]["uid"], outcome.overlay.id))
    return tuple(outcomes)


def _finish(body: Body) -> Sequence[Body]:
    """The owners back; a base that is about to go keeps its label, by which it is found."""
    return () if spent(body) else finish(body)


async def _retire(hands: Hands, target: Target, body: Body) -> None:
    """Delete a base that nothing stands on any more, as it was read."""
    for attempt in range(ATTEMPTS):
        if not spent(body):
            return
        meta = body["metadata"]
        if hands.before_write is not None:
            hands.before_write()
        try:
            await hands.client.delete(
                target.kind,
                target.name,
                target.namespace,
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
            )
        except Conflict:
            body = await hands.client.get(target.kind, target.name, target.namespace)
            await asyncio.sleep(AtOnce().delay(attempt, hands.rng))
            continue
        if hands.observe_deleted is not None:
            hands.observe_deleted(target.kind, body)
        return
    raise RetryLater(f"{target} changed under us {ATTEMPTS} times in a row")


async def _write(
    hands: Hands, target: Target, decide: Callable[[Body], Sequence[Body]], live: Body | None
) -> Body:
    """Write what is decided on the object as it is now; returns the object afterwards."""
    name, namespace = target.name, target.namespace
    if live is not None and "managedFields" not in live["metadata"]:
        if not decide(live):
            return live
        # A cache may lag behind, and leaves out the owners of fields, which must be recorded.
        live = None
    if live is None:
        live = await hands.client.get(target.kind, name, namespace)
    for attempt in range(ATTEMPTS):
        patch = decide(live)
        if not patch:
            return live
        if hands.before_write is not None:
            hands.before_write()
        try:
            answer = await hands.client.patch(
                target.kind, name, namespace, [*patch], manager=OVERLAY_MANAGER
            )
        except (Conflict, Invalid) as error:
            # A JSON patch whose `test` fails is 422, and so is one that the schema refuses.
            seen = live["metadata"]["resourceVersion"]
            live = await hands.client.get(target.kind, name, namespace)
            if isinstance(error, Invalid) and live["metadata"]["resourceVersion"] == seen:
                raise
            # A pause for the other writer to finish, so in real time whatever clock decides.
            await asyncio.sleep(AtOnce().delay(attempt, hands.rng))
            continue
        if hands.observe is not None:
            hands.observe(target.kind, answer)
        return answer
    raise RetryLater(f"{target} changed under us {ATTEMPTS} times in a row")
