"""What a VirtualService says is what requests meet, on a real Envoy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from conftest_mesh import destination_rule, pod, service, serving, to, virtual_service

if TYPE_CHECKING:
    from conftest_mesh import Box

pytestmark = pytest.mark.envoy


async def test_weights_split_the_requests(box: Box) -> None:
    async with serving("v1", "v2") as (v1, v2):
        await box.put(
            service("shop"),
            pod("shop-v1", v1.port, app="shop", version="v1"),
            pod("shop-v2", v2.port, app="shop", version="v2"),
            destination_rule("shop", "v1", "v2"),
            virtual_service(
                "shop", {"route": [to("shop", 90, subset="v1"), to("shop", 10, subset="v2")]}
            ),
        )
        await box.up()
        found = await box.count("shop", 600)
    assert found["v1"] + found["v2"] == 600
    assert 30 <= found["v2"] <= 95
