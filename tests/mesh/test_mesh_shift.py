"""Requests shared between destinations on VirtualServices that others own, on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mesh_kit import SERVICES, SLICES, VIRTUAL_SERVICES, Runtime, endpoints, foreign, service

from autopilot.mesh.actions import Shift, Where
from autopilot.overlay.record import read

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient


def shift(standby: int, **more: object) -> Shift:
    weights = {"web": 100 - standby, "web-standby": standby}
    return Shift(Where("web"), weights, "web", **more)  # type: ignore[arg-type]


@pytest.fixture
async def shop(client: HttpKubeClient) -> Body:
    for name in ("web", "web-standby"):
        await client.create(SERVICES, service(name), "demo")
        await client.create(SLICES, endpoints(name, 2), "demo")
    body = foreign("web", ["web"])
    del body["metadata"]["uid"]
    return await client.create(VIRTUAL_SERVICES, body, "demo", manager="helm")


async def test_a_shift_changes_the_weights_alone_and_what_is_not_wanted_is_as_before(
    runtime: Runtime, client: HttpKubeClient, shop: Body
) -> None:
    changes, failed = await runtime.sync(shift(100))
    assert not failed
    assert [(c.summary, c.moves) for c in changes] == [
        (
            "VirtualService demo/web: split on the route without a name: "
            "web 100→0, web-standby 0→100",
            "forward",
        )
    ]
    assert await runtime.weights() == {"web": 0, "web-standby": 100}
    assert await runtime.sync(shift(100)) == ([], [])
    changes, failed = await runtime.sync(shift(90))
    assert [c.moves for c in changes] == ["back"]
    runtime.restart()
    changes, failed = await runtime.sync()
    assert not failed
    assert [c.moves for c in changes] == ["back"]
    found = await client.get(VIRTUAL_SERVICES, "web", "demo")
    assert found["spec"] == shop["spec"]
    for name in ("labels", "annotations", "managedFields"):
        assert found["metadata"].get(name) == shop["metadata"].get(name)
    assert not read(found).any
