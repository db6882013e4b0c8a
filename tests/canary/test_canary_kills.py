"""Killed between any two writes, the operator goes on from what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canary_kit import (
    KIND,
    canary,
    check,
    deployment,
    ended,
    fly_dying,
    good,
    image,
    mark,
    release,
    replicas,
    service,
    share,
    take_off,
    weights,
)

if TYPE_CHECKING:
    from pathlib import Path


async def test_killed_after_every_write_it_still_takes_off(flight: Any, project: Path) -> None:
    async with flight(project, workloads=True) as f:
        f.apply(deployment("web:v1"), service(), canary())
        await fly_dying(f, lambda: bool(f.resource().phase == "Waiting" and replicas(f) == 0))
        await f.advance("5s")
        check(f)
        assert image(f, "web-primary") == "web:v1"
        assert mark(f) is not None and mark(f)["before"] == 3


async def test_killed_after_every_write_a_good_version_is_still_promoted_once(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True, interval=2.0) as f:
        await take_off(f)
        f.apply(release("web:v2"))
        kills = await fly_dying(f, lambda: bool(ended(f)) and f.resource().phase == "Waiting")
        assert kills > 10
        await f.advance("5s")
        check(f)
        assert ended(f) == [True]
        assert image(f, "web-primary") == "web:v2"
        assert (replicas(f, "web-primary"), replicas(f, "web-canary"), replicas(f)) == (3, 0, 0)
        assert weights(f) == {"web-primary": 100, "web-canary": 0}


async def test_killed_after_every_write_a_bad_version_is_still_rolled_back_once(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True, interval=2.0) as f:
        await take_off(f)
        f.apply(release("web:v2"))
        await f.until(lambda: share(f) == 50)
        f.samples.set("error_rate", 0.2)
        await fly_dying(f, lambda: share(f) == 0)
        # The answers of the canary leave the window; what was found out must not.
        good(f)
        await fly_dying(f, lambda: bool(ended(f)) and f.resource().phase == "Waiting")
        await f.advance("20s")
        assert ended(f) == [False]
        assert f.resource().phase == "Waiting"
        assert share(f) == 0
        assert image(f, "web-primary") == "web:v1"


async def test_killed_after_every_write_the_target_still_gets_all_back(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True, interval=2.0) as f:
        await take_off(f)
        f.apply(release("web:v2"))
        await f.until(lambda: share(f) == 50)
        f.delete(KIND, "web")
        await fly_dying(f, lambda: f.get(KIND, "web") is None)
        await f.advance("5s")
        assert replicas(f) == 3
        assert mark(f) is None
        for name in ("web-primary", "web-canary"):
            assert f.get("Deployment", name) is None
            assert f.get("Service", name) is None
        assert f.get("VirtualService", "web") is None
