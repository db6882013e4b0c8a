"""What is held in a cluster, as the marks on the objects say, whoever holds it.

Needs no operator, no custom resource and no CRD: an API to read is enough. What can't be listed is
said, and keeps nothing else from being found.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autopilot.base.errors import RetryLater
from autopilot.base.timestamps import parse_time
from autopilot.kube.client import ApiError, Gone, NotFound
from autopilot.kube.marks import SCALED
from autopilot.kube.ownership import describe
from autopilot.mesh.providers import OVERLAID_KINDS
from autopilot.mesh.scaling import read_mark, replicas_of
from autopilot.mesh.steps import DEPLOYMENTS
from autopilot.overlay.record import read
from autopilot.overlay.sweep import PATIENCE, marked_objects

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.base.clock import Clock
    from autopilot.base.errors import AutopilotError
    from autopilot.kube.client import Body, KubeClient
    from autopilot.overlay.execute import Target
    from autopilot.overlay.halting import Order
    from autopilot.overlay.record import Effect, Holder, Overlay

HERE = 8
"""So many objects are worked on at once."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What `halt` works with.

    Attributes:
        client: The API.
        clock: For ages.
        settle: Seconds after which hazards are looked for again: an operator may have been in the
            middle of a write when it was halted.
    """

    client: KubeClient
    clock: Clock
    settle: float = 1.0


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that is held.

    Attributes:
        object: Like `VirtualService shop/web`.
        namespace: The object's.
        action: Like `fault`.
        effect: Hazard or protection.
        holder: Whose it is.
        at: Since when; None where the mark doesn't say.
        detail: Where on the object, or what stood there before.
    """

    object: str
    namespace: str
    action: str
    effect: Effect
    holder: Holder
    at: datetime | None
    detail: str = ""

    def covered(self, order: Order | None) -> bool:
        """Whether an order to halt concerns it."""
        if order is None:
            return True
        return order.covers(self.namespace) or order.covers(self.holder.namespace)


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that wasn't done, or can't be told.

    Attributes:
        what: Like `VirtualService shop/web`.
        why: For people.
    """

    what: str
    why: str


@dataclass(slots=True)
class Found:
    """What the marks say.

    Attributes:
        hazards: With the object that each is on.
        holds: Protections.
        failed: What couldn't be listed, and marks that make no sense.
        unfinished: Objects whose last overlay is undone, but whose field owners aren't back yet.
        deployments: Those with a mark, as they were read.
        objects: Those with the label, as they were read.
    """

    hazards: list[tuple[Target, Overlay, Hold]] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    unfinished: list[Target] = field(default_factory=list)
    deployments: list[Body] = field(default_factory=list)
    objects: list[tuple[Target, Body]] = field(default_factory=list)

    @property
    def all(self) -> list[Hold]:
        """Protections and hazards."""
        return [*self.holds, *(hold for _, _, hold in self.hazards)]


async def find(desk: Desk) -> Found:
    """Read all marks."""
    found = Found()
    (marked, failed), deployments = await asyncio.gather(
        marked_objects(desk.client, OVERLAID_KINDS), _deployments(desk.client)
    )
    _fail(found, failed)
    found.objects = marked
    for target, body in marked:
        _read(found, target, body)
    if isinstance(deployments, Failure):
        found.failed.append(deployments)
    else:
        found.deployments = deployments
        for body in deployments:
            _read_scaled(found, body)
    found.holds.sort(key=lambda hold: (hold.object, hold.action))
    return found


def hold_of(target: Target, overlay: Overlay) -> Hold:
    """An overlay, for a list."""
    return Hold(
        str(target),
        target.namespace or "",
        overlay.action,
        overlay.effect,
        overlay.holder,
        overlay.at,
        str(overlay.locator),
    )


def _read(found: Found, target: Target, body: Body) -> None:
    marks = read(body)
    found.failed += [
        Failure(str(target), f"its mark {each.key} makes no sense ({each.why}): look at it")
        for each in marks.broken
    ]
    if marks.ended:
        found.unfinished.append(target)
    for overlay in marks.overlays:
        hold = hold_of(target, overlay)
        if overlay.effect == "hazard":
            found.hazards.append((target, overlay, hold))
        else:
            found.holds.append(hold)


def _read_scaled(found: Found, body: Body) -> None:
    what, mark = describe(body), read_mark(body)
    if mark is None:
        found.failed.append(Failure(what, f"its mark {SCALED} makes no sense: look at it"))
        return
    stands = replicas_of(body)
    detail = f"{stands} replicas, {mark.before} before"
    namespace = str(body["metadata"].get("namespace") or "")
    at = parse_time(mark.at)
    found.holds.append(Hold(what, namespace, "scale", "protection", mark.holder, at, detail))


async def _deployments(client: KubeClient) -> list[Body] | Failure:
    """Those with a mark. An annotation can't be selected by, so all are listed."""
    try:
        async with asyncio.timeout(PATIENCE):
            listing = await client.list(DEPLOYMENTS)
    except (NotFound, Gone):
        return []
    except TimeoutError:
        return Failure(DEPLOYMENTS.qualified, f"no list in {PATIENCE:g} s")
    except ApiError as error:
        return Failure(DEPLOYMENTS.qualified, f"can't be listed: {error}")
    return [body for body in listing.items if SCALED in (body["metadata"].get("annotations") or {})]


def _fail(found: Found, failed: list[tuple[str, AutopilotError]]) -> None:
    found.failed += [
        Failure(what, str(error) if isinstance(error, RetryLater) else f"can't be listed: {error}")
        for what, error in failed
    ]
