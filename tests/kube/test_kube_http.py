import asyncio
from typing import Any

import pytest
from kube_help import config_map, until

from autopilot.kube.client import (
    AlreadyExists,
    Conflict,
    FieldConflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unavailable,
)
from autopilot.kube.http import PAGE, HttpKubeClient
from autopilot.kube.kinds import KNOWN, NAMESPACES
from autopilot.kube.login import shown
from autopilot.sandbox.apiserver.faults import Fault
from autopilot.sandbox.apiserver.server import ApiServer

CONFIG_MAPS = KNOWN["configmaps"]
DEPLOYMENTS = KNOWN["deployments"]


async def test_an_object_is_made_read_replaced_and_deleted_as_a_raw_dict(
    client: HttpKubeClient,
) -> None:
    made = await client.create(CONFIG_MAPS, config_map("a", x="1"))
    assert made["metadata"]["uid"]
    assert await client.get(CONFIG_MAPS, "a", "default") == made
    changed = await client.replace(CONFIG_MAPS, {**made, "data": {"x": "2"}})
    assert changed["data"] == {"x": "2"}
    await client.delete(CONFIG_MAPS, "a", "default", uid=made["metadata"]["uid"])
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "a", "default")


async def test_a_cluster_scoped_object_needs_no_namespace(client: HttpKubeClient) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    await client.create(NAMESPACES, body)
    assert (await client.get(NAMESPACES, "shop"))["metadata"]["name"] == "shop"


async def test_the_server_and_the_context_are_told_but_not_the_path_that_lets_one_in(
    client: HttpKubeClient, server: ApiServer
) -> None:
    address, _, token = server.kubeconfig()["clusters"][0]["cluster"]["server"].rpartition("/")
    assert token
    assert client.server == address
    assert client.has_secret_path
    assert client.context == "autopilot-sandbox"


async def test_an_api_that_is_gone_is_named_without_the_path_that_lets_one_in(
    client: HttpKubeClient, server: ApiServer
) -> None:
    address, _, token = server.kubeconfig()["clusters"][0]["cluster"]["server"].rpartition("/")
    await server.stop()
    with pytest.raises(Unavailable) as refused:
        await client.get(CONFIG_MAPS, "a", "default")
    assert f"at {address}: " in str(refused.value)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://127.0.0.1:1234/secret", "http://127.0.0.1:1234"),
        ("http://[::1]:1234/secret/", "http://[::1]:1234"),
        ("http://localhost:1234", "http://localhost:1234"),
        ("https://rancher.example/k8s/clusters/c-1", "https://rancher.example/k8s/clusters/c-1"),
        ("https://127.0.0.1:6443/k8s", "https://127.0.0.1:6443/k8s"),
        ("https://me:secret@api.example:6443", "https://api.example:6443"),
        ("api.example", "api.example"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, seen: str) -> None:
    assert shown(url) == seen


async def test_a_name_that_is_taken_is_no_conflict_of_versions(client: HttpKubeClient) -> None:
    made = await client.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAPS, config_map("a"))
    await client.patch(CONFIG_MAPS, "a", "default", {"data": {"x": "1"}})
    with pytest.raises(Conflict):
        await client.replace(CONFIG_MAPS, made)
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "a", "default", uid="another")


async def test_an_apply_that_is_not_forced_stops_at_another_managers_field(
    client: HttpKubeClient,
) -> None:
    await client.apply(CONFIG_MAPS, config_map("a", x="1"), manager="one")
    with pytest.raises(FieldConflict) as caught:
        await client.apply(CONFIG_MAPS, config_map("a", x="2"), manager="two", force=False)
    assert caught.value.causes[0]["field"] == ".data.x"
    forced = await client.apply(CONFIG_MAPS, config_map("a", x="2"), manager="two")
    assert forced["data"] == {"x": "2"}


async def test_a_dry_run_changes_nothing(client: HttpKubeClient) -> None:
    body = config_map("a", x="1")
    assert (await client.create(CONFIG_MAPS, body, dry_run=True))["data"] == {"x": "1"}
    assert (await client.apply(CONFIG_MAPS, body, manager="m", dry_run=True))["data"] == {"x": "1"}
    assert (await client.list(CONFIG_MAPS)).items == []


async def test_a_list_patches_as_json_and_a_dict_merges(client: HttpKubeClient) -> None:
    await client.create(CONFIG_MAPS, config_map("a", x="1", y="1"))
    await client.patch(CONFIG_MAPS, "a", "default", {"data": {"x": None}})
    patch = [
        {"op": "test", "path": "/data/y", "value": "1"},
        {"op": "add", "path": "/data/z", "value": "2"},
    ]
    answer = await client.patch(CONFIG_MAPS, "a", "default", patch)
    assert answer["data"] == {"y": "1", "z": "2"}
    with pytest.raises(Invalid):
        await client.patch(
            CONFIG_MAPS, "a", "default", [{"op": "test", "path": "/data/y", "value": "9"}]
        )


async def test_a_long_list_comes_in_pages_of_one_version(
    client: HttpKubeClient, server: ApiServer
) -> None:
    for number in range(PAGE + 3):
        server.store.create(config_map(f"c{number:04}"))
    listing = await client.list(CONFIG_MAPS, "default")
    assert len({each["metadata"]["name"] for each in listing.items}) == PAGE + 3
    assert listing.resource_version == str(server.store.version)
    assert listing.items[0]["kind"] == "ConfigMap"
    assert listing.items[-1]["apiVersion"] == "v1"


async def test_a_page_that_expires_half_way_starts_the_list_anew(
    client: HttpKubeClient, server: ApiServer
) -> None:
    for number in range(PAGE + 3):
        server.store.create(config_map(f"c{number:04}"))
    fault = server.faults.add(Fault("expire", verb="list", count=2))
    listing = await client.list(CONFIG_MAPS)
    assert server.faults.hits(fault) == 2
    assert len(listing.items) == PAGE + 3


async def test_a_list_whose_pages_always_expire_is_asked_for_whole(
    client: HttpKubeClient, server: ApiServer
) -> None:
    for number in range(PAGE + 3):
        server.store.create(config_map(f"c{number:04}"))
    server.faults.add(Fault("expire", verb="list"))
    assert len((await client.list(CONFIG_MAPS)).items) == PAGE + 3


async def test_selectors_are_the_servers_to_heed(client: HttpKubeClient, server: ApiServer) -> None:
    red = config_map("red")
    red["metadata"]["labels"] = {"colour": "red"}
    server.store.create(red)
    server.store.create(config_map("blue"))
    listing = await client.list(CONFIG_MAPS, labels="colour in (red,green)")
    assert [each["metadata"]["name"] for each in listing.items] == ["red"]
    listing = await client.list(CONFIG_MAPS, fields="metadata.name=blue")
    assert [each["metadata"]["name"] for each in listing.items] == ["blue"]


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (429, Unavailable, True),
        (500, Unavailable, True),
        (503, Unavailable, True),
        (409, Conflict, False),
        (404, NotFound, False),
        (410, Gone, False),
    ],
)
async def test_a_refusal_says_its_consequence(
    client: HttpKubeClient, server: ApiServer, status: int, kind: type, transient: bool
) -> None:
    server.faults.add(Fault("status", verb="get", resource="configmaps", status=status))
    with pytest.raises(kind) as caught:
        await client.get(CONFIG_MAPS, "a", "default")
    assert caught.value.status == status
    assert caught.value.transient is transient


async def test_retry_after_is_handed_on(client: HttpKubeClient, server: ApiServer) -> None:
    server.faults.add(Fault("status", verb="get", status=429, retry_after=7))
    with pytest.raises(Unavailable) as caught:
        await client.get(CONFIG_MAPS, "a", "default")
    assert caught.value.retry_after == 7


async def test_a_write_that_gets_no_answer_is_unknown_and_may_have_happened(
    client: HttpKubeClient, server: ApiServer
) -> None:
    server.faults.add(Fault("cut-after", verb="create", count=1))
    with pytest.raises(Unavailable) as caught:
        await client.create(CONFIG_MAPS, config_map("a"))
    assert caught.value.status == 0
    assert caught.value.transient
    assert await client.get(CONFIG_MAPS, "a", "default")


async def test_a_server_that_is_gone_is_unavailable(
    client: HttpKubeClient, server: ApiServer
) -> None:
    address = server.url
    await server.stop()
    with pytest.raises(Unavailable) as caught:
        await client.get(CONFIG_MAPS, "a", "default")
    assert caught.value.status == 0
    assert address in str(caught.value)


@pytest.mark.parametrize(("name", "namespace"), [("", "default"), ("a", None), ("a", "")])
async def test_a_call_on_one_object_never_becomes_one_on_all(
    client: HttpKubeClient, name: str, namespace: str | None
) -> None:
    with pytest.raises(ValueError, match="configmaps"):
        await client.delete(CONFIG_MAPS, name, namespace)


async def test_a_strange_name_stays_one_segment_of_the_path(client: HttpKubeClient) -> None:
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "../../namespaces", "default")


async def test_a_watch_says_first_that_it_stands_then_what_changes(
    client: HttpKubeClient,
) -> None:
    listing = await client.list(CONFIG_MAPS)
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        version = listing.resource_version
        async for event in client.watch(CONFIG_MAPS, resource_version=version):
            seen.append((event.type, event.object["metadata"].get("name", "")))

    task = asyncio.create_task(follow())
    await until(lambda: seen)
    await client.create(CONFIG_MAPS, config_map("a"))
    await client.patch(CONFIG_MAPS, "a", "default", {"data": {"x": "1"}})
    await client.delete(CONFIG_MAPS, "a", "default")
    await until(lambda: len(seen) >= 4)
    assert seen == [("BOOKMARK", ""), ("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_watch_from_a_forgotten_version_is_gone(
    client: HttpKubeClient, server: ApiServer
) -> None:
    for number in range(3):
        server.store.create(config_map(f"c{number}"))
    server.faults.drop_history()
    with pytest.raises(Gone):
        async for _ in client.watch(CONFIG_MAPS, resource_version="1"):
            pass


async def test_a_watch_that_is_cut_is_unavailable(
    client: HttpKubeClient, server: ApiServer
) -> None:
    async def follow() -> None:
        version = str(server.store.version)
        async for event in client.watch(CONFIG_MAPS, resource_version=version):
            assert event.type == "BOOKMARK"
            server.faults.cut_watches()

    with pytest.raises(Unavailable):
        await asyncio.wait_for(follow(), 5)


async def test_a_watch_of_a_kind_that_is_not_served_is_not_found(client: HttpKubeClient) -> None:
    with pytest.raises(NotFound):
        async for _ in client.watch(KNOWN["virtualservices"], resource_version="1"):
            pass


async def test_watches_take_no_connection_from_ordinary_calls(
    client: HttpKubeClient, server: ApiServer
) -> None:
    async def follow() -> None:
        async for _ in client.watch(CONFIG_MAPS, resource_version=str(server.store.version)):
            pass

    tasks = [asyncio.create_task(follow()) for _ in range(40)]
    await until(lambda: server.watches == 40)
    await client.list(CONFIG_MAPS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_scale_subresource_is_within_reach(client: HttpKubeClient) -> None:
    body: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "a", "image": "a:1"}]},
            },
        },
    }
    await client.create(DEPLOYMENTS, body)
    patch = {"spec": {"replicas": 5}}
    scale = await client.patch(DEPLOYMENTS, "web", "default", patch, subresource="scale")
    assert scale["kind"] == "Scale"
    found = await client.request("GET", DEPLOYMENTS.collection("default") + "/web")
    assert found["spec"]["replicas"] == 5


async def test_a_refused_login_is_tried_once_more_and_no_oftener(
    client: HttpKubeClient, server: ApiServer
) -> None:
    fault = server.faults.add(Fault("status", verb="get", status=401))
    with pytest.raises(Forbidden):
        await client.get(CONFIG_MAPS, "a", "default")
    assert server.faults.hits(fault) == 2
