"""Giving back what one holder holds, on a person's word.

The mesh's own planner does it, as it does when the holder's resource goes: in the safe order, and
never so that callers are left with destinations that have no ready pod.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from autopilot.base.errors import AutopilotError, RetryLater
from autopilot.kube.apply import Applier
from autopilot.kube.client import ApiError, Gone, NotFound
from autopilot.kube.kinds import KNOWN, ResourceType
from autopilot.kube.marks import OVERLAY_MANAGER
from autopilot.mesh.execute import Executor, execute
from autopilot.mesh.provider import Owner, Snapshot
from autopilot.mesh.providers import OVERLAID_KINDS
from autopilot.mesh.repairs import Repairs
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands
from autopilot.overlay.sweep import PATIENCE
from autopilot.runtime.halting.desk import Failure, find
from autopilot.runtime.halting.orders import Report, chosen_holder, stored

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.mesh.provider import Provider
    from autopilot.runtime.halting.desk import Desk, Hold

_NEEDED = (
    *OVERLAID_KINDS,
    KNOWN["deployments"],
    KNOWN["services"],
    KNOWN["endpointslices"],
)


async def restore(desk: Desk, provider: Provider, name: str) -> Report:
    """Give back all that a holder holds.

    Args:
        desk: What to do it with.
        provider: The mesh.
        name: NAME, NAMESPACE/NAME or KIND/NAMESPACE/NAME.

    Raises:
        InvalidInput: Nobody of that name holds anything, or several do.
        AutopilotError: What is there can't be told.
    """
    found = await find(desk)
    who = chosen_holder(found, name).holder
    before = [hold for hold in found.all if who.succeeds(hold.holder)]
    lists = await asyncio.gather(*(_listed(desk, kind) for kind in _NEEDED))
    world = Snapshot(dict(zip(_NEEDED, lists, strict=True)))
    # The operator's name matters to what is made, and nothing is.
    owner = Owner(ResourceType("", "", "", who.kind), who.namespace, who.name, who.uid, "")
    plan = provider.plan(owner, (), world, desk.clock.now())
    changes, errors = await execute(plan, _executor(desk))
    after = await find(desk)
    left = [hold for hold in after.all if who.succeeds(hold.holder)]
    failed = [Failure(str(who), str(error)) for error in errors]
    if left and not failed:
        failed = [Failure(hold.object, f"{hold.action} is still held") for hold in left]
    order = await stored(desk)
    notes = [change.summary for change in changes]
    if order is None or not order.covers(who.namespace):
        notes.append("operators are not halted: one that still wants this will do it again")
    kept = {_key(hold) for hold in left}
    gone = tuple(hold for hold in before if _key(hold) not in kept)
    return Report(order, gone, tuple(left), (*failed, *after.failed), (), tuple(notes))


def _key(hold: Hold) -> tuple[str, str, str]:
    return hold.object, hold.action, hold.detail if hold.action != "scale" else ""


async def _listed(desk: Desk, kind: ResourceType) -> list[Body]:
    try:
        async with asyncio.timeout(PATIENCE):
            return (await desk.client.list(kind)).items
    except (NotFound, Gone):
        return []
    except TimeoutError:
        raise RetryLater(f"{kind.qualified}: no list in {PATIENCE:g} s") from None
    except ApiError as error:
        raise AutopilotError(f"{kind.qualified} can't be listed: {error}") from error


def _executor(desk: Desk) -> Executor:
    return Executor(
        client=desk.client,
        applier=Applier(desk.client, OVERLAY_MANAGER),
        repairs=Repairs(desk.clock),
        manager=OVERLAY_MANAGER,
        hands=Hands(desk.client, desk.clock, Drift(desk.clock)),
    )
