"""Trouble on purpose does what it says, where it says, as often as it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from apiserver_kit import MAPS, config_map

from autopilot.sandbox.apiserver.faults import Fault, Faults
from autopilot.sandbox.apiserver.journal import Request

if TYPE_CHECKING:
    from apiserver_kit import Api


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (409, "Conflict"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (410, "Expired"),
    ],
)
async def test_an_injected_status_comes_once_and_nothing_was_done(
    api: Api, status: int, reason: str
) -> None:
    number = api.server.faults.add(Fault("status", verb="create", status=status, count=1))
    answer = await api.call("POST", MAPS, config_map())
    assert (answer.status, answer.body["reason"]) == (status, reason)
    assert api.store.find("configmaps", "a", "default") is None
    assert api.server.faults.hits(number) == 1
    assert (await api.call("POST", MAPS, config_map())).status == 201


async def test_too_many_requests_say_when_to_come_back(api: Api) -> None:
    api.server.faults.add(Fault("status", status=429, retry_after=7))
    answer = await api.call("GET", MAPS)
    assert answer.headers["Retry-After"] == "7"
    assert answer.body["details"]["retryAfterSeconds"] == 7


async def test_a_rule_meets_only_what_it_names(api: Api) -> None:
    for rule in (
        {"verb": "update"},
        {"resource": "secrets"},
        {"namespace": "kube-system"},
        {"name": "other"},
        {"subresource": "status"},
        {"agent": "somebody-else"},
    ):
        api.server.faults.add(Fault("status", **rule))  # type: ignore[arg-type]
    await api.ok("POST", MAPS, config_map())
    api.server.faults.add(Fault("status", verb="get", name="a", agent="tester/"))
    assert (await api.call("GET", f"{MAPS}/a")).status == 500


async def test_a_cut_comes_before_or_after_the_write(api: Api) -> None:
    api.server.faults.add(Fault("cut", verb="create", count=1))
    with pytest.raises(aiohttp.ClientError):
        await api.call("POST", MAPS, config_map())
    assert api.store.find("configmaps", "a", "default") is None
    api.server.faults.add(Fault("cut-after", verb="create", count=1))
    with pytest.raises(aiohttp.ClientError):
        await api.call("POST", MAPS, config_map())
    assert api.store.find("configmaps", "a", "default") is not None
    assert [one.status for one in api.server.requests] == [0, 0]


async def test_latency_delays_and_then_does_it(api: Api) -> None:
    api.server.faults.add(Fault("latency", verb="create", seconds=0.2))
    began = asyncio.get_running_loop().time()
    await api.ok("POST", MAPS, config_map())
    assert asyncio.get_running_loop().time() - began >= 0.19


async def test_a_late_answer_comes_after_the_write(api: Api) -> None:
    api.server.faults.add(Fault("latency-after", verb="create", seconds=5))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api.call("POST", MAPS, config_map()), 0.3)
    assert api.store.find("configmaps", "a", "default") is not None


async def test_a_watch_is_cut_when_its_time_comes(api: Api) -> None:
    await api.ok("POST", MAPS, config_map())
    api.server.faults.add(Fault("cut", verb="watch", seconds=0.1, count=1))
    async with api.watch(MAPS) as watch:
        assert await watch.take(1) == [("ADDED", "a")]
        with pytest.raises((aiohttp.ClientError, EOFError)):
            await watch.next()


async def test_open_watches_can_be_cut_or_expired_at_once(api: Api) -> None:
    async with api.watch(MAPS) as watch:
        assert api.server.faults.cut_watches("secrets") == 0
        assert api.server.faults.cut_watches("configmaps") == 1
        with pytest.raises((aiohttp.ClientError, EOFError)):
            await watch.next()
    async with api.watch(MAPS) as watch:
        assert api.server.faults.expire_watches() == 1
        type_, status = await watch.next()
        assert (type_, status["code"]) == ("ERROR", 410)
        assert await watch.ended()


async def test_a_watch_can_be_made_to_expire_from_the_start(api: Api) -> None:
    api.server.faults.add(Fault("expire", verb="watch", count=1))
    async with api.watch(f"{MAPS}?resourceVersion={api.store.version}") as watch:
        assert (await watch.next())[1]["code"] == 410
    async with api.watch(f"{MAPS}?resourceVersion={api.store.version}") as watch:
        await api.ok("POST", MAPS, config_map())
        assert await watch.take(1) == [("ADDED", "a")]


async def test_dropped_history_hides_a_deletion_until_the_next_list(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map())
    seen = made["metadata"]["resourceVersion"]
    await api.ok("DELETE", f"{MAPS}/a")
    api.server.faults.drop_history()
    async with api.watch(f"{MAPS}?resourceVersion={seen}") as watch:
        assert (await watch.next())[1]["code"] == 410
    listed = await api.ok("GET", MAPS)
    assert listed["items"] == []
    async with api.watch(
        f"{MAPS}?resourceVersion={listed['metadata']['resourceVersion']}"
    ) as watch:
        await api.ok("POST", MAPS, config_map("b"))
        assert await watch.take(1) == [("ADDED", "b")]


def test_chance_is_repeatable() -> None:
    def strikes(seed: int) -> list[bool]:
        faults = Faults(seed=seed)
        faults.add(Fault("status", probability=0.5))
        return [bool(faults.strike(Request("GET", "/", "get"))) for _ in range(64)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 16 < sum(strikes(1)) < 48


def test_the_first_ones_can_be_let_through() -> None:
    faults = Faults()
    faults.add(Fault("status", verb="get", skip=2, count=1))
    calls = [Request("GET", "/", verb) for verb in ("get", "list", "get", "get", "get")]
    assert [len(faults.strike(call)) for call in calls] == [0, 0, 0, 1, 0]


async def test_other_processes_use_http(api: Api) -> None:
    rule: dict[str, Any] = {"effect": "status", "status": 503, "verb": "get", "count": 5}
    number = (await api.ok("POST", "/sandbox/faults", rule))["id"]
    assert (await api.call("GET", f"{MAPS}/a")).status == 503
    listed = (await api.ok("GET", "/sandbox/faults"))["faults"]
    assert [(one["id"], one["hits"], one["status"]) for one in listed] == [(number, 1, 503)]
    await api.ok("DELETE", f"/sandbox/faults/{number}")
    assert (await api.call("GET", f"{MAPS}/a")).status == 404
    await api.ok("POST", "/sandbox/faults", rule)
    await api.ok("DELETE", "/sandbox/faults")
    assert (await api.ok("GET", "/sandbox/faults"))["faults"] == []
    async with api.watch(MAPS):
        done = await api.ok("POST", "/sandbox/actions", {"action": "cut-watches"})
        assert done == {"count": 1}


@pytest.mark.parametrize(
    "rule", [{}, {"effect": "nonsense"}, {"effect": "cut", "verbs": "get"}, [], {"effect": []}]
)
async def test_a_rule_that_means_nothing_is_refused(api: Api, rule: Any) -> None:
    assert (await api.call("POST", "/sandbox/faults", rule)).status == 400
    assert (await api.call("POST", "/sandbox/actions", rule)).status == 400
