import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kube_help import Scripted, config_map, until

from autopilot.base.clock import Clock, VirtualClock
from autopilot.kube.cache import Cache, CacheSettings, CacheUnavailable, Selection
from autopilot.kube.http import HttpKubeClient
from autopilot.kube.kinds import KNOWN
from autopilot.kube.marks import OWNER_UID
from autopilot.kube.retry import Backoff
from autopilot.sandbox.apiserver.faults import Fault
from autopilot.sandbox.apiserver.server import ApiServer

Body = dict[str, Any]
CONFIG_MAPS = KNOWN["configmaps"]
QUICK = CacheSettings(backoff=Backoff(initial=0.01, maximum=0.05))


class Followed:
    """A running cache and what it told."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.told: list[tuple[str | None, str | None]] = []
        cache.on_change(self._note)

    def _note(self, old: Body | None, new: Body | None) -> None:
        self.told.append((old and old["metadata"]["name"], new and new["metadata"]["name"]))

    def names(self) -> list[str]:
        return sorted(each["metadata"]["name"] for each in self.cache.list())

    async def shows(self, *names: str) -> None:
        await until(lambda: self.cache.available and self.names() == sorted(names))


@asynccontextmanager
async def followed(
    client: HttpKubeClient,
    selection: Selection | None = None,
    *,
    settings: CacheSettings = QUICK,
    clock: Clock | None = None,
) -> AsyncIterator[Followed]:
    kept = Followed(
        Cache(client, CONFIG_MAPS, selection, settings=settings, clock=clock, rng=random.Random(7))
    )
    stop = asyncio.Event()
    task = asyncio.create_task(kept.cache.run(stop))
    try:
        yield kept
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


def watching(server: ApiServer) -> Callable[[], bool]:
    return lambda: server.watches > 0


async def test_a_cache_shows_what_is_there_and_follows_it(
    client: HttpKubeClient, server: ApiServer
) -> None:
    server.store.create(config_map("a"))
    async with followed(client) as kept:
        await kept.cache.wait_synced(5)
        await kept.shows("a")
        server.store.create(config_map("b"))
        await kept.shows("a", "b")
        await client.patch(CONFIG_MAPS, "a", "default", {"data": {"x": "1"}})
        await until(lambda: len(kept.told) == 3)
        await client.delete(CONFIG_MAPS, "b", "default")
        await kept.shows("a")
        assert kept.told == [(None, "a"), (None, "b"), ("a", "a"), ("b", None)]
        body = kept.cache.get("default", "a")
        assert body is not None
        assert body["data"] == {"x": "1"}
        assert kept.cache.get("default", "none") is None


async def test_before_its_first_list_a_cache_is_unavailable_and_not_empty(
    client: HttpKubeClient, server: ApiServer
) -> None:
    server.faults.add(Fault("status", verb="list", status=503))
    async with followed(client) as kept:
        with pytest.raises(CacheUnavailable, match="configmaps"):
            kept.cache.list()
        with pytest.raises(CacheUnavailable):
            kept.cache.get("default", "a")
        with pytest.raises(CacheUnavailable):
            kept.cache.owned_by("u")
        with pytest.raises(CacheUnavailable):
            await kept.cache.wait_synced(0.05)
        await until(lambda: "currently unable" in kept.cache.why)
        server.faults.clear()
        await kept.cache.wait_synced(5)
        assert kept.cache.available
        assert kept.cache.why == ""
        assert kept.cache.list() == []


async def test_a_handler_sees_the_whole_first_list(
    client: HttpKubeClient, server: ApiServer
) -> None:
    for name in "abc":
        server.store.create(config_map(name))
    cache = Cache(client, CONFIG_MAPS, settings=QUICK)
    sizes: list[int] = []
    cache.on_change(lambda _old, _new: sizes.append(len(cache.list())))
    stop = asyncio.Event()
    task = asyncio.create_task(cache.run(stop))
    await until(lambda: sizes)
    stop.set()
    await task
    assert sizes == [3, 3, 3]


async def test_deletions_in_a_gap_of_the_watch_are_told(
    client: HttpKubeClient, server: ApiServer
) -> None:
    for name in "abc":
        server.store.create(config_map(name))
    async with followed(client) as kept:
        await kept.shows("a", "b", "c")
        await until(watching(server))
        hold = server.faults.add(Fault("status", verb="watch", status=503))
        server.faults.cut_watches()
        await until(lambda: server.faults.hits(hold) > 0)
        server.store.delete("configmaps", "b", "default")
        server.store.create(config_map("d"))
        server.faults.drop_history()
        server.faults.remove(hold)
        await kept.shows("a", "c", "d")
        assert ("b", None) in kept.told
        assert kept.told.count((None, "a")) == 1


async def test_a_cut_watch_goes_on_where_it_was_without_a_new_list(
    client: HttpKubeClient, server: ApiServer
) -> None:
    async with followed(client) as kept:
        await kept.cache.wait_synced(5)
        lists = server.faults.add(Fault("latency", verb="list"))
        for number in range(5):
            await until(watching(server))
            server.faults.cut_watches()
            server.store.create(config_map(f"c{number}"))
            await kept.shows(*(f"c{each}" for each in range(number + 1)))
        assert server.faults.hits(lists) == 0


async def test_an_expired_watch_lists_anew(client: HttpKubeClient, server: ApiServer) -> None:
    server.store.create(config_map("a"))
    async with followed(client) as kept:
        await kept.shows("a")
        await until(watching(server))
        lists = server.faults.add(Fault("latency", verb="list"))
        server.faults.expire_watches()
        await until(lambda: server.faults.hits(lists) == 1)
        server.store.create(config_map("b"))
        await kept.shows("a", "b")
        assert kept.told == [(None, "a"), (None, "b")]


async def test_a_watch_that_is_always_expired_does_not_spin(
    client: HttpKubeClient, server: ApiServer
) -> None:
    slow = CacheSettings(backoff=Backoff(initial=0.2, maximum=1.0, jitter=0))
    lists = server.faults.add(Fault("latency", verb="list"))
    server.faults.add(Fault("expire", verb="watch"))
    async with followed(client, settings=slow):
        await until(lambda: server.faults.hits(lists) >= 2)
        began = asyncio.get_running_loop().time()
        await until(lambda: server.faults.hits(lists) >= 4)
        assert asyncio.get_running_loop().time() - began > 0.5


async def test_our_own_write_is_seen_at_once_and_told_once(
    client: HttpKubeClient, server: ApiServer
) -> None:
    async with followed(client) as kept:
        await kept.cache.wait_synced(5)
        answer = await client.create(CONFIG_MAPS, config_map("a"))
        kept.cache.observe(answer)
        assert kept.names() == ["a"]
        server.store.create(config_map("z"))
        await kept.shows("a", "z")
        assert kept.told.count((None, "a")) == 1
        known = kept.cache.get("default", "a")
        assert known is not None
        await client.delete(CONFIG_MAPS, "a", "default")
        kept.cache.observe_deleted(known)
        assert kept.names() == ["z"]
        server.store.delete("configmaps", "z", "default")
        await kept.shows()
        assert kept.told.count(("a", None)) == 1


async def test_what_is_outside_the_selection_is_not_taken_in(
    client: HttpKubeClient, server: ApiServer
) -> None:
    selection = Selection("default", labels="app in (web,api),!skip")
    async with followed(client, selection) as kept:
        await kept.cache.wait_synced(5)
        labelled = config_map("a")
        labelled["metadata"]["labels"] = {"app": "web"}
        kept.cache.observe(await client.create(CONFIG_MAPS, config_map("other")))
        kept.cache.observe(await client.create(CONFIG_MAPS, labelled))
        assert kept.names() == ["a"]
        patch = {"metadata": {"labels": {"skip": "1"}}}
        kept.cache.observe(await client.patch(CONFIG_MAPS, "a", "default", patch))
        assert kept.names() == []
        patch = {"metadata": {"labels": {"skip": None}}}
        await client.patch(CONFIG_MAPS, "a", "default", patch)
        await kept.shows("a")
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}}
        kept.cache.observe(pod)
        assert kept.names() == ["a"]


async def test_managed_fields_stay_out_of_memory_and_the_given_body_as_it_is(
    client: HttpKubeClient, server: ApiServer
) -> None:
    body = config_map("a")
    note = "kubectl.kubernetes.io/last-applied-configuration"
    body["metadata"]["annotations"] = {note: "{}", "mine": "1"}
    answer = await client.create(CONFIG_MAPS, body)
    async with followed(client) as kept:
        await kept.shows("a")
        patched = await client.patch(CONFIG_MAPS, "a", "default", {"data": {"x": "1"}})
        kept.cache.observe(patched)
        for known in kept.cache.list():
            assert "managedFields" not in known["metadata"]
            assert known["metadata"]["annotations"] == {"mine": "1"}
        assert "managedFields" in patched["metadata"]
        assert note in patched["metadata"]["annotations"]
    whole = CacheSettings(backoff=QUICK.backoff, strip=False)
    async with followed(client, settings=whole) as kept:
        await kept.shows("a")
        assert "managedFields" in kept.cache.list()[0]["metadata"]
    assert answer["metadata"]["name"] == "a"


async def test_objects_are_found_by_namespace_and_owner(
    client: HttpKubeClient, server: ApiServer
) -> None:
    server.store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    owned = config_map("a")
    owned["metadata"]["labels"] = {OWNER_UID: "u1"}
    server.store.create(owned)
    server.store.create(config_map("b", "shop"))
    async with followed(client) as kept:
        await kept.shows("a", "b")
        assert [each["metadata"]["name"] for each in kept.cache.list("shop")] == ["b"]
        assert [each["metadata"]["name"] for each in kept.cache.owned_by("u1")] == ["a"]
        assert kept.cache.owned_by("u2") == []


async def test_a_failing_handler_harms_neither_the_others_nor_the_cache(
    client: HttpKubeClient, server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with followed(client) as kept:

        def broken(_old: Body | None, _new: Body | None) -> None:
            raise RuntimeError("broken handler")

        unsubscribe = kept.cache.on_change(broken)
        server.store.create(config_map("a"))
        await kept.shows("a")
        unsubscribe()
        server.store.create(config_map("b"))
        await kept.shows("a", "b")
        assert kept.told == [(None, "a"), (None, "b")]
        assert caplog.text.count("a handler of changes failed") == 1


async def test_two_caches_of_one_kind_do_not_disturb_each_other(
    client: HttpKubeClient, server: ApiServer
) -> None:
    labelled = config_map("a")
    labelled["metadata"]["labels"] = {"app": "web"}
    server.store.create(labelled)
    server.store.create(config_map("b"))
    async with followed(client) as everything, followed(client, Selection(labels="app")) as web:
        await everything.shows("a", "b")
        await web.shows("a")
        server.store.delete("configmaps", "a", "default")
        await everything.shows("b")
        await web.shows()


async def test_a_lost_watch_makes_a_cache_unavailable_after_its_grace(
    client: HttpKubeClient, server: ApiServer
) -> None:
    clock = VirtualClock()
    server.store.create(config_map("a"))
    async with followed(client, settings=CacheSettings(), clock=clock) as kept:
        await kept.shows("a")
        await until(watching(server))
        refused = server.faults.add(Fault("status", verb="watch", status=503))
        server.faults.cut_watches()
        await until(lambda: clock.next_wake() is not None and clock.next_wake() < 60)  # type: ignore[operator]
        await clock.advance(29)
        assert kept.cache.available
        assert kept.names() == ["a"]
        await clock.advance(2)
        assert not kept.cache.available
        with pytest.raises(CacheUnavailable):
            kept.cache.list()
        server.faults.remove(refused)

        async def recovers() -> None:
            while not kept.cache.available:
                await clock.advance(1)
                await asyncio.sleep(0.002)

        await asyncio.wait_for(recovers(), 10)
        assert kept.names() == ["a"]


async def test_a_silent_watch_is_opened_anew_and_nothing_is_missed(
    scripted: Scripted, scripted_client: HttpKubeClient
) -> None:
    from aiohttp import web

    opened: list[str] = []
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": []})
        opened.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        if len(opened) == 1:
            await response.write(
                b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8"}}}\n'
            )
        await release.wait()
        return response

    scripted.answer = answer
    clock = VirtualClock()
    async with followed(scripted_client, settings=CacheSettings(), clock=clock) as kept:
        await until(lambda: kept.cache._cursor == "8")
        await clock.advance(69)
        assert opened == ["5"]
        assert kept.cache.available
        await clock.advance(2)
        await until(lambda: len(opened) == 2)
        assert opened == ["5", "8"]
        await until(lambda: kept.cache.available)
        release.set()


async def test_a_sign_of_life_puts_off_the_reopening(
    client: HttpKubeClient, server: ApiServer
) -> None:
    clock = VirtualClock()
    async with followed(client, settings=CacheSettings(), clock=clock) as kept:
        await kept.cache.wait_synced()
        await until(watching(server))
        watches = server.faults.add(Fault("latency", verb="watch"))
        for name in "abcd":
            await clock.advance(60)
            server.store.create(config_map(name))
            await until(lambda name=name: kept.cache.get("default", name))  # type: ignore[misc]
        assert server.faults.hits(watches) == 0


async def test_a_kind_that_is_not_served_is_absent_until_it_is(
    client: HttpKubeClient, server: ApiServer
) -> None:
    kind = KNOWN["virtualservices"]
    cache = Cache(client, kind, settings=QUICK)
    stop = asyncio.Event()
    task = asyncio.create_task(cache.run(stop))
    await until(lambda: cache.absent)
    assert not cache.available
    assert "virtualservices.networking.istio.io" in cache.why
    assert "CRD" in cache.why
    with pytest.raises(CacheUnavailable, match="CRD"):
        cache.list()
    server.store.create(definition_of(kind))
    await cache.wait_synced(5)
    assert not cache.absent
    assert cache.list() == []
    server.store.delete("customresourcedefinitions.apiextensions.k8s.io", f"{kind.qualified}")
    await until(lambda: cache.absent)
    with pytest.raises(CacheUnavailable):
        cache.list()
    stop.set()
    await task


def definition_of(kind: Any) -> Body:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.qualified},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "listKind": f"{kind.kind}List",
            },
            "versions": [version],
        },
    }


async def test_failures_are_retried_ever_more_slowly_and_what_the_server_asks_is_heeded(
    client: HttpKubeClient, server: ApiServer
) -> None:
    clock = VirtualClock()
    failing = server.faults.add(Fault("status", verb="list", status=429, retry_after=20))
    async with followed(client, settings=CacheSettings(), clock=clock):
        for count in range(1, 4):
            await until(lambda count=count: server.faults.hits(failing) == count)  # type: ignore[misc]
            await until(lambda: clock.next_wake() is not None)
            assert clock.next_wake() == pytest.approx(20)
            await clock.advance(20)


async def test_stopping_ends_the_cache_and_it_says_so(
    client: HttpKubeClient, server: ApiServer
) -> None:
    async with followed(client, settings=CacheSettings(grace=0)) as kept:
        await kept.cache.wait_synced(5)
    await until(lambda: not kept.cache.available)
    assert "stopped" in kept.cache.why


async def test_cancelling_the_task_leaves_no_task_behind(
    client: HttpKubeClient, server: ApiServer
) -> None:
    before = asyncio.all_tasks()
    cache = Cache(client, CONFIG_MAPS, settings=QUICK)
    task = asyncio.create_task(cache.run(asyncio.Event()))
    await until(watching(server))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    mine = {each for each in asyncio.all_tasks() - before if "cache" in repr(each.get_coro())}
    assert mine == set()


async def test_a_burst_of_foreign_writes_under_cuts_and_expiries_ends_at_the_truth(
    client: HttpKubeClient, server: ApiServer, tmp_path: Path
) -> None:
    dice = random.Random(3)
    async with followed(client) as kept:
        await kept.cache.wait_synced(5)
        for step in range(300):
            name = f"c{dice.randrange(12)}"
            try:
                if dice.random() < 0.3:
                    server.store.delete("configmaps", name, "default")
                else:
                    answer = await client.apply(
                        CONFIG_MAPS, config_map(name, step=str(step)), manager="test"
                    )
                    if dice.random() < 0.5:
                        kept.cache.observe(answer)
            except Exception as error:
                assert "not found" in str(error)
            match dice.randrange(30):
                case 0:
                    server.faults.cut_watches()
                case 1:
                    server.faults.expire_watches()
                case 2:
                    server.faults.drop_history()
        truth = (await client.list(CONFIG_MAPS)).items

        def same() -> bool:
            return kept.cache.available and {
                each["metadata"]["name"]: each["data"] for each in kept.cache.list()
            } == {each["metadata"]["name"]: each["data"] for each in truth}

        await until(same)
