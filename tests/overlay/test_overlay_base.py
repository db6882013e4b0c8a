"""Bases: neutral objects of ours that overlays stand on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from overlay_kit import NOW, RULES, VIRTUAL_SERVICES, abort, holder, named, route

from autopilot.base.clock import VirtualClock
from autopilot.kube.client import NotFound
from autopilot.overlay.base import GRACE, base, is_base, spent
from autopilot.overlay.drift import Drift
from autopilot.overlay.execute import Hands, Target, put, take_back
from autopilot.overlay.record import read
from autopilot.overlay.sweep import holders, sweep
from autopilot.overlay.wish import Wish

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient
    from autopilot.overlay.record import Effect

TARGET = Target(VIRTUAL_SERVICES, "autopilot-web", "shop")


def wish(effect: Effect = "hazard", who: str = "one") -> Wish:
    return Wish(holder(who), "fault", effect, named("default"), {"/fault": abort()})


@pytest.fixture
async def made(client: HttpKubeClient) -> Body:
    spec = {"hosts": ["web"], "http": [route("default")]}
    body = base(VIRTUAL_SERVICES, "autopilot-web", "shop", spec)
    return await client.create(VIRTUAL_SERVICES, body, "shop")


async def swept(client: HttpKubeClient, made: Body, later: timedelta) -> bool:
    """Whether the base is gone after a sweep so long after it was made."""
    clock = VirtualClock(NOW.fromisoformat(made["metadata"]["creationTimestamp"]) + later)
    hands = Hands(client, clock, Drift(clock))
    await sweep(hands, [VIRTUAL_SERVICES], holders(client, {"Rule": RULES}))
    try:
        await client.get(VIRTUAL_SERVICES, "autopilot-web", "shop")
    except NotFound:
        return True
    return False


async def test_a_base_that_nobody_ever_used_is_swept_but_not_at_once(
    client: HttpKubeClient, made: Body
) -> None:
    assert is_base(made)
    assert spent(made)
    assert not await swept(client, made, GRACE - timedelta(seconds=1))
    assert await swept(client, made, GRACE)


async def test_a_base_whose_holder_is_gone_goes_with_its_hazard_and_stays_with_a_protection(
    hands: Hands, client: HttpKubeClient, made: Body
) -> None:
    await put(hands, TARGET, wish("protection"))
    assert not await swept(client, made, GRACE)
    await take_back(hands, TARGET, lambda _: True)
    again = await client.create(
        VIRTUAL_SERVICES, base(VIRTUAL_SERVICES, "autopilot-web", "shop", made["spec"]), "shop"
    )
    await put(hands, TARGET, wish())
    assert await swept(client, again, timedelta(0))


async def test_a_base_without_sense_in_its_mark_is_left_alone(
    hands: Hands, client: HttpKubeClient, made: Body
) -> None:
    await put(hands, TARGET, wish())
    found = await client.get(VIRTUAL_SERVICES, "autopilot-web", "shop")
    note = next(key for key in found["metadata"]["annotations"] if key.endswith("/base"))
    found["metadata"]["annotations"][note] = "{"
    await client.replace(VIRTUAL_SERVICES, found)
    await take_back(hands, TARGET, lambda _: True)
    left = await client.get(VIRTUAL_SERVICES, "autopilot-web", "shop")
    assert left["spec"] == made["spec"]
    assert not read(left).any


async def test_an_overlay_that_comes_while_a_base_goes_keeps_it(
    hands: Hands, client: HttpKubeClient, made: Body
) -> None:
    await put(hands, TARGET, wish())
    delete = client.delete

    async def raced(*args: object, **kwargs: object) -> None:
        client.delete = delete  # type: ignore[method-assign]
        await put(hands, TARGET, wish(who="two"))
        await delete(*args, **kwargs)  # type: ignore[arg-type]

    client.delete = raced  # type: ignore[method-assign]
    await take_back(hands, TARGET, lambda overlay: overlay.holder.name == "one")
    left = await client.get(VIRTUAL_SERVICES, "autopilot-web", "shop")
    assert [each.holder.name for each in read(left).overlays] == ["two"]
    await take_back(hands, TARGET, lambda _: True)
    with pytest.raises(NotFound):
        await client.get(VIRTUAL_SERVICES, "autopilot-web", "shop")
