"""Halting, resuming, and giving back what a holder holds."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.errors import AutopilotError, InvalidInput, Problem
from autopilot.kube.client import AlreadyExists, ApiError, Conflict, NotFound
from autopilot.kube.kinds import NAMESPACES
from autopilot.kube.marks import HALT_NAME, HALT_NAMESPACE
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands, take_back
from autopilot.overlay.halting import CONFIG_MAPS, Order, read_order
from autopilot.overlay.sweep import PATIENCE
from autopilot.runtime.halting.desk import HERE, Desk, Failure, Found, Hold, find

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autopilot.overlay.execute import Target
    from autopilot.overlay.record import Overlay
    from autopilot.overlay.undo import Outcome

_UNTOLD = "whether operators are halted can't be told"
_ORDER = f"ConfigMap {HALT_NAMESPACE}/{HALT_NAME}"
_LOOKS = 4
_RACES = 5


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, and what stands.

    Attributes:
        order: The order in force; None where there is none, or it can't be told.
        removed: Hazards that are gone now.
        holds: Protections, as they stand.
        failed: What wasn't done, or can't be told; empty says that all is as it should be.
        hazards: Hazards that are in force.
        notes: What is worth knowing besides.
        told: Whether the order, or that there is none, could be read or written.
    """

    order: Order | None = None
    removed: tuple[Hold, ...] = ()
    holds: tuple[Hold, ...] = ()
    failed: tuple[Failure, ...] = ()
    hazards: tuple[Hold, ...] = ()
    notes: tuple[str, ...] = ()
    told: bool = True

    @property
    def halted(self) -> bool | None:
        """Whether operators are halted; None where that can't be told."""
        return self.order is not None if self.told else None


async def halt(desk: Desk, wanted: Order) -> Report:
    """Forbid new writes, remove hazards, list protections.

    An order that can't be written keeps no hazard from being removed. Run again it goes on from
    what is left.
    """
    failed: list[Failure] = []
    order: Order | None = wanted
    try:
        order = await _order(desk, wanted)
    except AutopilotError as error:
        failed.append(Failure(_ORDER, f"operators are NOT halted: {error}"))
        order = None
    removed: dict[tuple[str, str], Hold] = {}
    notes: list[str] = []
    for look in range(_LOOKS):
        found = await find(desk)
        due = [each for each in found.hazards if each[2].covered(wanted)]
        gone, missed = await _remove(desk, found.unfinished, due, notes)
        removed |= gone
        # Twice at least: an operator may have been writing when the order came.
        if missed or (look and not due):
            failed += missed
            break
        await desk.clock.sleep(desk.settle)
    found = await find(desk)
    holds = tuple(hold for hold in found.holds if hold.covered(wanted))
    back = {(str(target), overlay.id) for target, overlay, _ in found.hazards}
    gone_now = tuple(hold for key, hold in removed.items() if key not in back)
    left = tuple(hold for _, _, hold in found.hazards if hold.covered(wanted))
    named = {failure.what for failure in failed}
    failed += [
        Failure(hold.object, f"{hold.action} of {hold.holder} is still in force")
        for hold in left
        if hold.object not in named
    ]
    failed += [*found.failed, *await _nowhere(desk, wanted)]
    return Report(order, gone_now, holds, tuple(failed), left, tuple(dict.fromkeys(notes)))


async def _nowhere(desk: Desk, wanted: Order) -> list[Failure]:
    """Namespaces of an order that aren't there: whoever mistyped one believes that it is halted."""
    missing = []
    for name in sorted(wanted.namespaces):
        with contextlib.suppress(ApiError):
            try:
                await desk.client.get(NAMESPACES, name)
            except NotFound:
                missing.append(Failure(f"namespace {name}", "there is none: this stops nobody"))
    return missing


async def look(desk: Desk) -> Report:
    """What is in force."""
    failed: list[Failure] = []
    order = None
    told = True
    try:
        order = await stored(desk)
    except AutopilotError as error:
        told = False
        failed.append(Failure(_ORDER, f"{_UNTOLD}: {error}"))
    found = await find(desk)
    hazards = tuple(hold for _, _, hold in found.hazards)
    all_failed = (*failed, *found.failed)
    return Report(order, (), tuple(found.holds), all_failed, hazards, told=told)


async def resume(desk: Desk) -> Order | None:
    """Let operators go on; the order that was in force, None where none was.

    Raises:
        ApiError: The order couldn't be taken back.
    """
    order = await stored(desk)
    try:
        await desk.client.delete(CONFIG_MAPS, HALT_NAME, HALT_NAMESPACE)
    except NotFound:
        return order
    return order


async def stored(desk: Desk) -> Order | None:
    """The order in force.

    Raises:
        ApiError: It can't be told.
    """
    try:
        return read_order(await desk.client.get(CONFIG_MAPS, HALT_NAME, HALT_NAMESPACE))
    except NotFound:
        return None


async def _order(desk: Desk, wanted: Order) -> Order:
    """Write the order, unless one stands that says as much; the one that then stands."""
    for _ in range(_RACES):
        try:
            body = await desk.client.get(CONFIG_MAPS, HALT_NAME, HALT_NAMESPACE)
        except NotFound:
            try:
                await _make(desk, wanted)
            except AlreadyExists:
                continue
            return wanted
        standing = read_order(body)
        both = standing.joined(wanted)
        if both == standing:
            return standing
        version = {"resourceVersion": body["metadata"]["resourceVersion"]}
        # A merge patch: None takes the limit to some namespaces away.
        data = {"namespaces": None, **both.body()["data"]}
        patch = {"metadata": version, "data": data}
        try:
            await desk.client.patch(CONFIG_MAPS, HALT_NAME, HALT_NAMESPACE, patch)
        except (Conflict, NotFound):
            continue
        return both
    raise AutopilotError(f"{_ORDER} changed {_RACES} times in a row")


async def _make(desk: Desk, order: Order) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HALT_NAMESPACE}}
    try:
        await desk.client.create(CONFIG_MAPS, order.body(), HALT_NAMESPACE)
    except NotFound:
        with contextlib.suppress(AlreadyExists):
            await desk.client.create(NAMESPACES, namespace)
        await desk.client.create(CONFIG_MAPS, order.body(), HALT_NAMESPACE)


async def _remove(
    desk: Desk,
    unfinished: Iterable[Target],
    due: list[tuple[Target, Overlay, Hold]],
    notes: list[str],
) -> tuple[dict[tuple[str, str], Hold], list[Failure]]:
    """Undo hazards; those that are gone, by object and id, and what couldn't be done."""
    by_target: dict[Target, dict[str, Hold]] = {target: {} for target in unfinished}
    for target, overlay, hold in due:
        by_target.setdefault(target, {})[overlay.id] = hold
    hands = Hands(desk.client, desk.clock, Drift(desk.clock))
    gate = asyncio.Semaphore(HERE)

    async def one(target: Target, holds: dict[str, Hold]) -> list[Outcome] | Failure:
        def chosen(overlay: Overlay) -> bool:
            return overlay.id in holds and overlay.effect == "hazard"

        try:
            async with gate, asyncio.timeout(PATIENCE):
                return [*await take_back(hands, target, chosen)]
        except TimeoutError:
            return Failure(str(target), f"not done in {PATIENCE:g} s")
        except AutopilotError as error:
            return Failure(str(target), str(error))

    answers = await asyncio.gather(*(one(*each) for each in by_target.items()))
    removed: dict[tuple[str, str], Hold] = {}
    failed: list[Failure] = []
    for (target, holds), answer in zip(by_target.items(), answers, strict=True):
        if isinstance(answer, Failure):
            failed.append(answer)
            continue
        unclear = {each.overlay.id: each.why for each in answer if each.how == "unclear"}
        failed += [Failure(str(target), why) for why in unclear.values()]
        notes += [each.why for each in answer if each.why and each.how != "unclear"]
        removed |= {(str(target), id_): hold for id_, hold in holds.items() if id_ not in unclear}
    return removed, failed


def chosen_holder(found: Found, name: str) -> Hold:
    """One hold of the holder that a person means: NAME, NAMESPACE/NAME or KIND/NAMESPACE/NAME.

    Raises:
        InvalidInput: Nobody of that name holds anything, or several do.
    """
    held = found.all
    wanted = name.strip("/").split("/")
    fits = [hold for hold in held if _fits(hold, wanted)]
    names = sorted({f"{h.holder.kind}/{h.holder.namespace}/{h.holder.name}".lower() for h in fits})
    if len(names) == 1:
        return fits[0]
    if not names:
        known = sorted({str(hold.holder) for hold in held})
        hint = f"these do: {', '.join(known)}" if known else "nobody holds anything"
        raise InvalidInput([Problem("", 0, "", f"{name} holds nothing", hint)])
    hint = f"say which one: {', '.join(names)}"
    raise InvalidInput([Problem("", 0, "", f"{len(names)} holders are called {name}", hint)])


def _fits(hold: Hold, wanted: list[str]) -> bool:
    who = [hold.holder.kind.lower(), hold.holder.namespace, hold.holder.name]
    given = [wanted[0].lower(), *wanted[1:]] if len(wanted) == 3 else wanted
    return 1 <= len(given) <= 3 and who[-len(given) :] == given
