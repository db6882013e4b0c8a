"""Who controls whom: orphans that a selector selects are adopted, others released.

The rules are Kubernetes': only an object without a controller is adopted, only by an owner that
isn't ending, and never one that is ending itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.sandbox.workloads.objects import (
    Body,
    controller_of,
    deleting,
    labels,
    meta,
    owner_reference,
    selects,
    spec,
    uid,
)

if TYPE_CHECKING:
    from autopilot.kube.kinds import ResourceType
    from autopilot.sandbox.workloads.world import World


async def claimed(world: World, owner: Body, kind: ResourceType) -> list[Body]:
    """The objects of a kind that an owner controls, after adoptions and releases."""
    selector = spec(owner).get("selector")
    mine = []
    for body in world[kind].all(meta(owner)["namespace"]):
        controller = controller_of(body)
        selected = selects(selector, labels(body))
        if controller is not None and controller.get("uid") == uid(owner):
            if selected:
                mine.append(body)
            elif not deleting(body):
                await _release(world, owner, kind, body)
        elif controller is None and selected and not deleting(body) and not deleting(owner):
            adopted = await _adopt(world, owner, kind, body)
            if adopted is not None:
                mine.append(adopted)
    return mine


async def _adopt(world: World, owner: Body, kind: ResourceType, body: Body) -> Body | None:
    references = [*(meta(body).get("ownerReferences") or ()), owner_reference(owner)]
    return await world.patch(kind, body, _owners(body, references))


async def _release(world: World, owner: Body, kind: ResourceType, body: Body) -> None:
    references = [one for one in meta(body)["ownerReferences"] if one.get("uid") != uid(owner)]
    await world.patch(kind, body, _owners(body, references))


def _owners(body: Body, references: list[Body]) -> Body:
    return {
        "metadata": {
            "uid": uid(body),
            "resourceVersion": meta(body)["resourceVersion"],
            "ownerReferences": references,
        }
    }
