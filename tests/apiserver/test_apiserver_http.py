"""The server as HTTP: who is let in, what is discovered, how errors look."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
import pytest
from apiserver_kit import DEFINITIONS, MAPS, config_map, definition

from autopilot.base.clock import VirtualClock
from autopilot.sandbox.apiserver.server import ApiServer

if TYPE_CHECKING:
    from apiserver_kit import Api

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


async def test_nobody_gets_in_without_the_token(api: Api) -> None:
    for header in ("", "Bearer nonsense", api.server.token):
        answer = await api.call("GET", MAPS, Authorization=header)
        assert (answer.status, answer.body["reason"]) == (401, "Unauthorized")


async def test_a_web_page_that_points_a_name_of_its_own_here_is_turned_away(api: Api) -> None:
    assert (await api.call("GET", MAPS, Host="evil.example:80")).status == 403
    port = api.server.url.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert (await api.call("GET", MAPS, Host=host)).status == 200


async def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        await ApiServer().start("0.0.0.0")


async def test_discovery_tells_the_same_in_both_forms(api: Api) -> None:
    await api.ok("POST", DEFINITIONS, definition())
    groups = (await api.ok("GET", "/apis"))["groups"]
    plain: set[tuple[str, str]] = set()
    for path in ["/api/v1", *(f"/apis/{g['preferredVersion']['groupVersion']}" for g in groups)]:
        listed = await api.ok("GET", path)
        plain |= {(listed["groupVersion"], one["name"]) for one in listed["resources"]}
    aggregated: set[tuple[str, str]] = set()
    for path in ("/api", "/apis"):
        answer = await api.call("GET", path, Accept=AGGREGATED)
        assert "as=APIGroupDiscoveryList" in answer.headers["Content-Type"]
        for item in answer.body["items"]:
            group = item["metadata"].get("name", "")
            for version in item["versions"]:
                at = f"{group}/{version['version']}" if group else version["version"]
                for one in version["resources"]:
                    aggregated.add((at, one["resource"]))
                    for sub in one.get("subresources", ()):
                        aggregated.add((at, f"{one['resource']}/{sub['subresource']}"))
    assert plain == aggregated
    assert ("example.io/v1", "widgets/scale") in plain
    assert ("v1", "pods/eviction") in plain


async def test_health_version_and_openapi_answer(api: Api) -> None:
    for path in ("/livez", "/readyz", "/healthz"):
        assert (await api.call("GET", path)).text == "ok"
    assert (await api.ok("GET", "/version"))["minor"] == "32"
    index = await api.ok("GET", "/openapi/v3")
    assert {"api/v1", "apis/apps/v1"} <= set(index["paths"])
    for entry in index["paths"].values():
        document = await api.ok("GET", entry["serverRelativeURL"])
        assert document["openapi"].startswith("3.0")
    second = await api.call("GET", "/openapi/v2")
    assert second.text == ""
    assert second.headers["Content-Type"] == (
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/v2", 404),
        ("GET", "/apis/nowhere.io/v1/things", 404),
        ("GET", "/api/v1/namespaces/default/nothings", 404),
        ("GET", "/api/v1/namespaces/default/namespaces", 404),
        ("GET", "/api/v1/namespaces/default/pods/p/nothing", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("PUT", MAPS, 405),
        ("PATCH", MAPS, 405),
        ("POST", "/version", 405),
    ],
)
async def test_what_is_not_served_is_refused_with_a_status(
    api: Api, method: str, path: str, status: int
) -> None:
    answer = await api.call(method, path, {} if method != "GET" else None)
    assert answer.status == status
    assert answer.body["kind"] == "Status"
    assert answer.body["code"] == status


async def test_an_answer_nobody_could_read_is_not_sent(api: Api) -> None:
    only = "application/vnd.kubernetes.protobuf"
    assert (await api.call("GET", MAPS, Accept=only)).status == 406
    both = f"{only},application/json"
    assert (await api.call("GET", MAPS, Accept=both)).status == 200
    yaml = await api.call("GET", MAPS, Accept="application/yaml")
    assert yaml.text.startswith("kind: ConfigMapList")


async def test_stamps_come_from_the_injected_clock() -> None:
    server = ApiServer(clock=VirtualClock(datetime(2031, 5, 4, tzinfo=UTC)))
    made = server.store.create(config_map())
    assert made["metadata"]["creationTimestamp"] == "2031-05-04T00:00:00Z"


async def test_a_restart_never_goes_back_in_versions() -> None:
    first = ApiServer()
    for number in range(100):
        first.store.create(config_map(f"m{number}"))
    assert ApiServer().store.version > first.store.version


async def test_stopping_is_prompt_and_ends_the_watches(api: Api) -> None:
    async with api.watch(MAPS) as watch:
        began = asyncio.get_running_loop().time()
        await api.server.stop()
        assert asyncio.get_running_loop().time() - began < 10
        assert await watch.ended()
    with pytest.raises(aiohttp.ClientConnectorError):
        await api.call("GET", MAPS)


async def test_two_servers_know_nothing_of_each_other(api: Api) -> None:
    other = ApiServer()
    await other.start()
    await api.ok("POST", MAPS, config_map())
    assert other.store.list("configmaps") == []
    assert other.token != api.server.token
    await other.stop()


async def test_the_journal_knows_every_call(api: Api) -> None:
    await api.ok("POST", MAPS, config_map())
    await api.call("GET", f"{MAPS}/nope")
    made, missed = list(api.server.requests)
    assert (made.verb, made.resource, made.namespace, made.status) == (
        "create", "configmaps", "default", 201,
    )  # fmt: skip
    assert (missed.verb, missed.name, missed.status) == ("get", "nope", 404)
    assert made.user_agent == "tester/1"
    assert made.content_type == "application/json"
    assert api.server.requests.total == 2
    assert api.server.requests.matching(verb="create", resource="configmaps") == [made]
    over_http = await api.ok("GET", "/sandbox/requests")
    assert over_http["total"] == 2
    await api.ok("DELETE", "/sandbox/requests")
    assert api.server.requests.matching(verb="get") == []


async def test_the_store_can_be_used_without_http(api: Api) -> None:
    store = api.store
    watcher = store.watch("configmaps", "default")
    made = store.create(config_map(x="1"))
    store.merge("configmaps", "a", {"data": {"x": "2"}}, "default")
    assert await api.ok("GET", f"{MAPS}/a") == store.get("configmaps", "a", "default")
    assert store.list("configmaps", labels="x=y") == []
    store.update({**made, "metadata": {"name": "a", "namespace": "default"}})
    assert store.delete("configmaps", "a", "default")
    assert [event.type for event in watcher.take()] == ["ADDED", *["MODIFIED"] * 2, "DELETED"]
    store.unwatch("configmaps", watcher)


async def test_what_comes_out_of_the_store_is_safe_from_what_went_in(api: Api) -> None:
    body = config_map(x="1")
    api.store.create(body)
    body["data"]["x"] = "changed afterwards"
    assert api.store.get("configmaps", "a", "default")["data"] == {"x": "1"}


async def test_versions_are_listed_as_kubernetes_ranks_them(api: Api) -> None:
    body = definition()
    first = body["spec"]["versions"][0]
    names = ("v1alpha1", "v1", "v1beta2", "v2", "v1beta10")
    body["spec"]["versions"] = [{**first, "name": n, "storage": n == "v1"} for n in names]
    await api.ok("POST", DEFINITIONS, body)
    group = await api.ok("GET", "/apis/example.io")
    listed = [one["version"] for one in group["versions"]]
    assert listed == ["v2", "v1", "v1beta10", "v1beta2", "v1alpha1"]
