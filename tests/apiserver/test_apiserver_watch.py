"""Lists and watches: nothing missed, nothing twice, and clear words when that can't be kept."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest
from apiserver_kit import MAPS, WIDGETS, config_map, widget

from autopilot.base.clock import VirtualClock
from autopilot.sandbox.apiserver import streaming
from autopilot.sandbox.apiserver.history import Change, Entry, History
from autopilot.sandbox.apiserver.server import ApiServer
from autopilot.sandbox.apiserver.watchers import Selection, Watcher

if TYPE_CHECKING:
    from apiserver_kit import Api

PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def test_a_watch_without_a_version_begins_with_what_is_there(api: Api) -> None:
    await api.ok("POST", MAPS, config_map("a"))
    for start in ("", "&resourceVersion=0"):
        async with api.watch(f"{MAPS}?x=y{start}") as watch:
            assert await watch.take(1) == [("ADDED", "a")]


async def test_a_watch_from_a_lists_version_tells_all_that_came_after(api: Api) -> None:
    listed = await api.ok("GET", MAPS)
    await api.ok("POST", MAPS, config_map("a"))
    await api.merge(f"{MAPS}/a", {"data": {"x": "1"}})
    async with api.watch(
        f"{MAPS}?resourceVersion={listed['metadata']['resourceVersion']}"
    ) as watch:
        assert await watch.take(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        await api.ok("DELETE", f"{MAPS}/a")
        type_, gone = await watch.next()
        assert (type_, gone["data"]) == ("DELETED", {"x": "1"})
        assert int(gone["metadata"]["resourceVersion"]) == api.store.version


async def test_a_watch_is_of_one_kind_and_namespace(api: Api) -> None:
    async with api.watch(f"{MAPS}?resourceVersion={api.store.version}") as watch:
        await api.ok("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("other"))
        await api.ok("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
        await api.ok("POST", MAPS, config_map("mine"))
        assert await watch.take(1) == [("ADDED", "mine")]


async def test_an_object_enters_and_leaves_a_selection_as_added_and_deleted(api: Api) -> None:
    await api.ok("POST", MAPS, config_map("a", x="1"))
    async with api.watch(f"{MAPS}?labelSelector=on%3Dyes") as watch:
        await api.merge(f"{MAPS}/a", {"metadata": {"labels": {"on": "yes"}}})
        await api.merge(f"{MAPS}/a", {"data": {"x": "2"}})
        left = await api.merge(f"{MAPS}/a", {"metadata": {"labels": {"on": "no"}}})
        assert await watch.take(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        type_, body = await watch.next()
        assert (type_, body["metadata"]["labels"]) == ("DELETED", {"on": "yes"})
        assert body["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


async def test_a_field_selector_follows_the_field(api: Api) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await api.ok("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})
    async with api.watch(f"{PODS}?fieldSelector=status.phase%3DRunning") as watch:
        await api.merge(f"{PODS}/p/status", {"status": {"phase": "Running"}})
        await api.merge(f"{PODS}/p/status", {"status": {"phase": "Failed"}})
        assert await watch.take(2) == [("ADDED", "p"), ("DELETED", "p")]
    answer = await api.call("GET", f"{MAPS}?fieldSelector=data.x%3D1")
    assert answer.status == 400


async def test_a_forgotten_version_is_an_error_inside_of_the_stream(api: Api) -> None:
    for version in (1, api.store.version + 1000):
        async with api.watch(f"{MAPS}?resourceVersion={version}") as watch:
            type_, status = await watch.next()
            assert (type_, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
            assert await watch.ended()


async def test_history_is_bounded_in_bytes_and_knows_where_it_begins() -> None:
    history = History(100, limit=2000)
    for version in range(101, 121):
        entry = Entry({"metadata": {"name": "x"}}, b"x" * 200, version)
        history.append(Change("ADDED", "s", entry, None))
    assert history.floor > 110
    assert history.since(history.floor - 1, "s") is None
    found = history.since(history.floor, "s")
    assert found is not None
    assert [change.version for change in found] == list(range(history.floor + 1, 121))
    assert history.since(120, "s") == []
    assert history.since(history.floor, "t") == []


async def test_bookmarks_tell_a_quiet_watch_how_far_it_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "BOOKMARK_EVERY", 0.05)
    at = f"resourceVersion={api.store.version}&allowWatchBookmarks=true"
    async with api.watch(f"{MAPS}?{at}") as watch:
        await api.ok("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
        while True:
            type_, body = await watch.next()
            assert (type_, body["kind"]) == ("BOOKMARK", "ConfigMap")
            if int(body["metadata"]["resourceVersion"]) == api.store.version:
                break


def test_bookmarks_come_well_before_clients_give_up() -> None:
    assert streaming.BOOKMARK_EVERY <= 30


async def test_a_watch_ends_after_the_seconds_it_asked_for(api: Api) -> None:
    async with api.watch(f"{MAPS}?timeoutSeconds=1") as watch:
        assert await watch.ended(within=3)


async def test_initial_events_end_with_a_bookmark_that_says_so(api: Api) -> None:
    await api.ok("POST", MAPS, config_map("a"))
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with api.watch(f"{MAPS}?{query}") as watch:
        assert await watch.take(1) == [("ADDED", "a")]
        type_, mark = await watch.next()
        assert type_ == "BOOKMARK"
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(mark["metadata"]["resourceVersion"]) == api.store.version
    assert (await api.call("GET", f"{MAPS}?watch=1&sendInitialEvents=true")).status == 422


async def test_a_watcher_that_never_reads_is_cut_off_not_fed_for_ever(api: Api) -> None:
    watcher = Watcher(Selection(), limit=1000)
    cut: list[bool] = []
    watcher.on_overflow = lambda: cut.append(True)
    api.store.database.shelf("configmaps").watchers.add(watcher)
    for number in range(20):
        api.store.create(config_map(f"m{number}"))
    assert watcher.closed
    assert cut == [True]
    assert watcher.take() == []


async def test_a_client_that_leaves_is_forgotten(api: Api) -> None:
    async with api.watch(MAPS):
        await api.until(lambda: api.server.watches == 1)
    await api.until(lambda: api.server.watches == 0)
    assert not api.store.database.shelf("configmaps").watchers


async def test_a_hundred_watchers_see_the_same_events_in_the_same_order(api: Api) -> None:
    async def follow() -> list[str]:
        async with api.watch(MAPS) as watch:
            ready.release()
            return [(await watch.next())[1]["metadata"]["resourceVersion"] for _ in range(50)]

    ready = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(follow()) for _ in range(100)]
        for _ in followers:
            await ready.acquire()
        for number in range(50):
            api.store.create(config_map(f"m{number}"))
    seen = {tuple(follower.result()) for follower in followers}
    assert len(seen) == 1
    versions = [int(version) for version in seen.pop()]
    assert versions == sorted(versions)


async def test_pages_tell_of_one_moment(api: Api) -> None:
    for name in "abcde":
        await api.ok("POST", MAPS, config_map(name))
    first = await api.ok("GET", f"{MAPS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 3
    await api.ok("DELETE", f"{MAPS}/d")
    await api.ok("POST", MAPS, config_map("c2"))
    token, names = (
        first["metadata"]["continue"],
        [one["metadata"]["name"] for one in first["items"]],
    )
    while token:
        page = await api.ok("GET", f"{MAPS}?limit=2&continue={token}")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [one["metadata"]["name"] for one in page["items"]]
        token = page["metadata"].get("continue")
    assert names == list("abcde")
    api.server.faults.drop_history()
    old = first["metadata"]["continue"]
    answer = await api.call("GET", f"{MAPS}?limit=2&continue={old}")
    assert (answer.status, answer.body["reason"]) == (410, "Expired")


async def test_a_list_of_the_future_times_out_and_one_of_the_past_is_gone(api: Api) -> None:
    ahead = api.store.version + 5
    assert (await api.call("GET", f"{MAPS}?resourceVersion={ahead}")).status == 504
    old = api.store.version
    await api.ok("POST", MAPS, config_map())
    query = f"resourceVersion={old}&resourceVersionMatch=Exact"
    assert (await api.call("GET", f"{MAPS}?{query}")).status == 410
    assert (await api.call("GET", f"{MAPS}?resourceVersion={old}")).status == 200


async def test_set_based_label_selectors_select(api: Api) -> None:
    for name, labels in (("a", {"t": "x"}), ("b", {"t": "y"}), ("c", {})):
        await api.ok("POST", MAPS, {"metadata": {"name": name, "labels": labels}})
    for selector, names in (("t in (x,y)", "ab"), ("t notin (x)", "bc"), ("!t", "c"), ("t", "ab")):
        listed = await api.ok("GET", f"{MAPS}?labelSelector={selector}")
        assert [one["metadata"]["name"] for one in listed["items"]] == list(names)
    assert (await api.call("GET", f"{MAPS}?labelSelector=a==b==c")).status == 400


async def test_tables_and_metadata_come_when_asked_for(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget())
    table = await widgets.ok("GET", WIDGETS, Accept=TABLE)
    assert table["kind"] == "Table"
    assert table["rows"][0]["cells"][0] == "w"
    assert int(table["metadata"]["resourceVersion"]) == widgets.store.version
    partial = await widgets.ok("GET", WIDGETS, Accept=PARTIAL)
    assert partial["kind"] == "PartialObjectMetadataList"
    assert "spec" not in partial["items"][0]
    async with widgets.session.get(f"{WIDGETS}?watch=1", headers={"Accept": TABLE}) as response:
        event = json.loads(await response.content.readline())
        assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")


async def test_one_object_can_be_watched(api: Api) -> None:
    await api.ok("POST", MAPS, config_map("b"))
    async with api.watch(f"{MAPS}?fieldSelector=metadata.name%3Da") as watch:
        await api.ok("POST", MAPS, config_map("a"))
        assert await watch.take(1) == [("ADDED", "a")]


async def test_a_client_that_stops_reading_loses_its_connection_and_no_one_else_does(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watcher.__init__, "__kwdefaults__", {"limit": 1 << 20})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.server.url.split(":")[2]))
    token = api.server.token
    head = (
        f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    writer.write(head.encode())
    await api.until(lambda: api.server.watches == 1)
    async with api.watch(MAPS) as watch:
        await api.until(lambda: api.server.watches == 2)
        for number in range(200):
            api.store.create(config_map(f"m{number}", x="x" * 100_000))
            assert (await watch.next())[0] == "ADDED"
            if api.server.watches == 1:
                break
        else:
            pytest.fail("20 MB and still connected")
    writer.close()
    assert reader is not None


async def test_each_row_of_a_watched_table_has_the_age_of_its_own_moment() -> None:
    clock = VirtualClock()
    server = ApiServer(clock=clock)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    await server.start()
    try:
        server.store.create(body, "default")
        headers = {"Accept": TABLE, "Authorization": f"Bearer {server.token}"}
        async with (
            aiohttp.ClientSession(server.url, headers=headers) as session,
            session.get(f"{MAPS}?watch=1&fieldSelector=metadata.name%3Dm") as response,
        ):
            first = json.loads(await response.content.readline())
            clock.move(90)
            server.store.merge("configmaps", "m", {"data": {"x": "1"}}, "default")
            second = json.loads(await response.content.readline())
    finally:
        await server.stop()
    ages = [event["object"]["rows"][0]["cells"][-1] for event in (first, second)]
    assert ages == ["0s", "90s"]
