"""Undoing what nobody answers for any more.

Which overlays that are is decided from their marks alone (pure): a hazard whose holder is gone or
whose deadline has passed is undone. A protection never is: to undo a failover blindly would send
traffic back to what is dead. It is listed, for a person.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from autopilot.base.errors import AutopilotError, RetryLater
from autopilot.kube.client import ApiError, Gone, KubeClient, NotFound
from autopilot.kube.marks import OVERLAID
from autopilot.overlay.execute import Hands, Target, take_back
from autopilot.overlay.record import Broken, Holder, Overlay, read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime

    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.overlay.undo import Outcome

SELECTOR = f"{OVERLAID}=true"
PATIENCE = 30.0
"""Seconds that one object, or one list, may take."""

Reason = Literal["holder gone", "deadline passed", "copied", "halted"]
"""`copied`: the mark names another object; it came along when that one was copied. `halted`: an
order to halt holds here."""


@dataclass(frozen=True, slots=True)
class Marked:
    """One overlay, found on its object.

    Attributes:
        target: The object.
        overlay: The overlay.
        reason: Why nobody answers for it; None while somebody does, or where it can't be told.
    """

    target: Target
    overlay: Overlay
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a sweep is to do.

    Attributes:
        undo: Hazards to undo.
        stay: All other overlays; protections that nobody answers for have a reason.
        unfinished: Objects whose last overlay is undone, but whose field owners aren't back yet.
        broken: Marks that make no sense, for a person.
    """

    undo: tuple[Marked, ...] = ()
    stay: tuple[Marked, ...] = ()
    unfinished: tuple[Target, ...] = ()
    broken: tuple[tuple[Target, Broken], ...] = ()


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did.

    Attributes:
        decision: What it was to do.
        outcomes: What became of each field.
        failed: What it couldn't do, for now; by target or kind, for people.
    """

    decision: Decision
    outcomes: tuple[Outcome, ...]
    failed: tuple[tuple[str, AutopilotError], ...]


Lives = dict[str, bool | None]
"""By a holder's uid: whether it exists; None where that can't be told."""


def decide(
    marked: Iterable[tuple[Target, Body]],
    lives: Lives,
    now: datetime,
    halted: Callable[[str], bool] | None = None,
) -> Decision:
    """Which overlays are to be undone.

    Args:
        marked: Objects with the label.
        lives: Which holders exist.
        now: For deadlines.
        halted: Whether a namespace is halted; None: none is.
    """
    ending: list[Marked] = []
    stay: list[Marked] = []
    unfinished: list[Target] = []
    broken: list[tuple[Target, Broken]] = []
    for target, body in marked:
        marks = read(body)
        if marks.ended:
            unfinished.append(target)
        broken += [(target, each) for each in marks.broken]
        for overlay in marks.overlays:
            reason = _reason(overlay, body["metadata"]["uid"], lives, now)
            if reason is None and halted is not None and overlay.effect == "hazard":
                places = (target.namespace or "", overlay.holder.namespace)
                reason = "halted" if any(map(halted, places)) else None
            lost = reason is not None and overlay.effect == "hazard"
            (ending if lost else stay).append(Marked(target, overlay, reason))
    return Decision(tuple(ending), tuple(stay), tuple(unfinished), tuple(broken))


def _reason(overlay: Overlay, uid: str, lives: Lives, now: datetime) -> Reason | None:
    if lives.get(overlay.holder.uid) is False:
        return "holder gone"
    if overlay.deadline is not None and overlay.deadline <= now:
        return "deadline passed"
    return "copied" if overlay.target != uid else None


async def sweep(
    hands: Hands,
    kinds: Iterable[ResourceType],
    alive: Callable[[Holder], Awaitable[bool | None]],
    namespace: str | None = None,
    halted: Callable[[str], bool] | None = None,
) -> Swept:
    """Look at all marked objects and undo what nobody answers for.

    One object, or kind, that fails keeps no other from being swept.

    Args:
        hands: What to do it with.
        kinds: The kinds that may carry overlays.
        alive: Whether a holder exists, by its uid; None where that can't be told. See `holders`.
        namespace: Only there; None for everywhere.
        halted: Whether a namespace is halted, so that its hazards go; None: none is.
    """
    failed: list[tuple[str, AutopilotError]] = []
    marked, failures = await marked_objects(hands.client, kinds, namespace)
    failed += failures
    lives: Lives = {}
    for _, body in marked:
        for overlay in read(body).overlays:
            if overlay.holder.uid not in lives:
                lives[overlay.holder.uid] = await alive(overlay.holder)
    decision = decide(marked, lives, hands.clock.now(), halted)
    due = dict.fromkeys([*decision.unfinished, *(each.target for each in decision.undo)])
    outcomes: list[Outcome] = []
    for target in due:
        try:
            async with asyncio.timeout(PATIENCE):
                outcomes += await take_back(hands, target, _still(decision, target))
        except TimeoutError:
            failed.append((str(target), RetryLater(f"{target}: not done in {PATIENCE:g} s")))
        except AutopilotError as error:
            failed.append((str(target), error))
    return Swept(decision, tuple(outcomes), tuple(failed))


def _still(decision: Decision, target: Target) -> Callable[[Overlay], bool]:
    """The overlays that were decided on, unless a holder has renewed one since."""
    seen = {each.overlay.id: each.overlay for each in decision.undo if each.target == target}

    def chosen(overlay: Overlay) -> bool:
        was = seen.get(overlay.id)
        return was is not None and (was.holder, was.deadline) == (overlay.holder, overlay.deadline)

    return chosen


async def marked_objects(
    client: KubeClient, kinds: Iterable[ResourceType], namespace: str | None = None
) -> tuple[list[tuple[Target, Body]], list[tuple[str, AutopilotError]]]:
    """All objects with the label, and the kinds that couldn't be listed.

    A kind that the cluster doesn't have, has none.
    """
    found: list[tuple[Target, Body]] = []
    failed: list[tuple[str, AutopilotError]] = []
    for kind in kinds:
        try:
            async with asyncio.timeout(PATIENCE):
                listing = await client.list(kind, namespace, labels=SELECTOR)
        except (NotFound, Gone):
            continue
        except TimeoutError:
            failed.append((kind.qualified, RetryLater(f"no list in {PATIENCE:g} s")))
        except ApiError as error:
            failed.append((kind.qualified, error))
        else:
            found += [(Target.of(kind, body), body) for body in listing.items]
    return found, failed


def holders(
    client: KubeClient, kinds: Mapping[str, ResourceType]
) -> Callable[[Holder], Awaitable[bool | None]]:
    """An `alive` that asks the API.

    Args:
        client: The API.
        kinds: By kind, like `Rule`; a holder of another kind can't be told of.
    """

    async def alive(holder: Holder) -> bool | None:
        kind = kinds.get(holder.kind)
        if kind is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                found = await client.get(kind, holder.name, holder.namespace or None)
        except NotFound:
            return False
        except (ApiError, TimeoutError):
            return None
        return bool(found["metadata"]["uid"] == holder.uid)

    return alive
