"""The clients that people use must not notice: the kubernetes package, sync and async, and kopf."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any

import kopf
import kubernetes
import kubernetes.aio
import kubernetes.dynamic
import pytest
from apiserver_kit import DEFINITIONS, WIDGETS, definition, widget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from apiserver_kit import Api


@pytest.fixture
async def aio(api: Api) -> AsyncIterator[Any]:
    client = await kubernetes.aio.config.new_client_from_config_dict(api.server.kubeconfig())
    async with client:
        yield client


def container() -> dict[str, Any]:
    return {"name": "app", "image": "app:1", "ports": [{"containerPort": 80}]}


async def test_the_async_client_reads_and_writes_typed_objects(api: Api, aio: Any) -> None:
    core = kubernetes.aio.client.CoreV1Api(aio)
    names = [one.metadata.name for one in (await core.list_namespace()).items]
    assert "default" in names
    body = {"metadata": {"name": "c"}, "data": {"x": "1"}}
    await core.create_namespaced_config_map("default", body)
    patched = await core.patch_namespaced_config_map("c", "default", {"data": {"y": "2"}})
    assert patched.data == {"x": "1", "y": "2"}
    await core.delete_namespaced_config_map("c", "default")
    with pytest.raises(kubernetes.aio.client.ApiException) as error:
        await core.read_namespaced_config_map("c", "default")
    assert error.value.status == 404


async def test_the_async_client_watches(api: Api, aio: Any) -> None:
    core = kubernetes.aio.client.CoreV1Api(aio)
    await core.create_namespaced_config_map("default", {"metadata": {"name": "c"}})
    seen = []
    async with kubernetes.aio.watch.Watch() as watch:
        async for event in watch.stream(core.list_namespaced_config_map, "default"):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 2:
                break
            await core.delete_namespaced_config_map("c", "default")
    assert seen == [("ADDED", "c"), ("DELETED", "c")]


async def test_the_async_client_scales_and_holds_leases(api: Api, aio: Any) -> None:
    apps = kubernetes.aio.client.AppsV1Api(aio)
    labels = {"app": "web"}
    await apps.create_namespaced_deployment(
        "default",
        {
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container()]}},
            },
        },
    )
    await apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 4}})
    assert (await apps.read_namespaced_deployment("web", "default")).spec.replicas == 4
    leases = kubernetes.aio.client.CoordinationV1Api(aio)
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15}
    body = {"metadata": {"name": "leader"}, "spec": spec}
    made = await leases.create_namespaced_lease("default", body)
    stale = made.metadata.resource_version
    made.spec.holder_identity = "you"
    await leases.replace_namespaced_lease("leader", "default", made)
    made.metadata.resource_version = stale
    with pytest.raises(kubernetes.aio.client.ApiException) as error:
        await leases.replace_namespaced_lease("leader", "default", made)
    assert error.value.status == 409


async def test_the_sync_clients_discover_and_apply(widgets: Api) -> None:
    def work() -> dict[str, Any]:
        client = kubernetes.config.new_client_from_config_dict(widgets.server.kubeconfig())
        with client:
            assert kubernetes.client.VersionApi(client).get_code().minor == "32"
            dynamic = kubernetes.dynamic.DynamicClient(client)
            kind = dynamic.resources.get(api_version="example.io/v1", kind="Widget")
            dynamic.server_side_apply(
                kind, widget(size=3), namespace="default", field_manager="sync", name="w"
            )
            found: dict[str, Any] = kind.get(name="w", namespace="default").to_dict()
            return found

    found = await asyncio.to_thread(work)
    assert found["spec"]["size"] == 3
    assert found["metadata"]["managedFields"][0]["manager"] == "sync"


POD: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [container()]},
}
WORKLOAD = {"selector": {"matchLabels": {"a": "b"}}, "template": POD}
FINISHING = {"template": {"spec": {**POD["spec"], "restartPolicy": "Never"}}}
SCALED = {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}


@pytest.mark.parametrize(
    ("api_class", "api_version", "kind", "rest"),
    [
        ("CoreV1Api", "v1", "Pod", {"spec": POD["spec"]}),
        ("CoreV1Api", "v1", "Service", {"spec": {"ports": [{"port": 80}]}}),
        ("CoreV1Api", "v1", "Secret", {"stringData": {"a": "b"}}),
        ("AppsV1Api", "apps/v1", "Deployment", {"spec": WORKLOAD}),
        ("AppsV1Api", "apps/v1", "ReplicaSet", {"spec": WORKLOAD}),
        ("AppsV1Api", "apps/v1", "StatefulSet", {"spec": {**WORKLOAD, "serviceName": "s"}}),
        ("AppsV1Api", "apps/v1", "DaemonSet", {"spec": WORKLOAD}),
        ("BatchV1Api", "batch/v1", "Job", {"spec": FINISHING}),
        (
            "AutoscalingV2Api", "autoscaling/v2", "HorizontalPodAutoscaler",
            {"spec": {"maxReplicas": 3, "scaleTargetRef": SCALED}},
        ),
        (
            "PolicyV1Api", "policy/v1", "PodDisruptionBudget",
            {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
        ),
        ("DiscoveryV1Api", "discovery.k8s.io/v1", "EndpointSlice",
         {"addressType": "IPv4", "endpoints": []}),
        ("NetworkingV1Api", "networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}}}),
        ("RbacAuthorizationV1Api", "rbac.authorization.k8s.io/v1", "Role", {"rules": []}),
    ],
)  # fmt: skip
async def test_a_fresh_object_of_each_kind_satisfies_the_typed_client(
    api: Api, aio: Any, api_class: str, api_version: str, kind: str, rest: dict[str, Any]
) -> None:
    metadata = {"name": "x", "namespace": "default"}
    api.store.create({"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest})
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    client = getattr(kubernetes.aio.client, api_class)(aio)
    listed = await getattr(client, f"list_namespaced_{words}")("default")
    assert [one.metadata.name for one in listed.items] == ["x"]


class Operator:
    """A kopf operator in a thread and loop of its own."""

    def __init__(self, api: Api) -> None:
        self.seen: list[tuple[str | None, str]] = []
        self.ended: BaseException | None = None
        self._stop, self._ready = threading.Event(), threading.Event()
        cluster = api.server.kubeconfig()["clusters"][0]["cluster"]
        self._config = (cluster["server"], api.server.token)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        registry = kopf.OperatorRegistry()
        server, token = self._config

        @kopf.on.login(registry=registry)
        def login(**_: Any) -> kopf.ConnectionInfo:
            return kopf.ConnectionInfo(server=server, scheme="Bearer", token=token)

        @kopf.on.event("example.io", "v1", "widgets", registry=registry)
        async def changed(type: str | None, name: str, **_: Any) -> None:  # noqa: A002
            self.seen.append((type, name))

        settings = kopf.OperatorSettings()
        settings.process.ultimate_exiting_timeout = None
        settings.networking.error_backoffs = [0.05]
        settings.watching.reconnect_backoff = 0.05
        try:
            asyncio.run(
                kopf.operator(
                    registry=registry,
                    settings=settings,
                    clusterwide=True,
                    standalone=True,
                    stop_flag=self._stop,
                    ready_flag=self._ready,
                )
            )
        except BaseException as error:
            self.ended = error

    async def __aenter__(self) -> Operator:
        self._thread.start()
        await asyncio.to_thread(self._ready.wait, 10)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 15)
        assert not self._thread.is_alive()
        assert self.ended is None

    def saw(self, name: str, *types: str | None) -> Callable[[], bool]:
        return lambda: any((type_, name) in self.seen for type_ in types)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()


@pytest.fixture(autouse=True)
def quiet_kopf() -> Iterator[None]:
    import logging

    logging.getLogger("kopf").setLevel(logging.ERROR)
    yield
    logging.getLogger("kopf").setLevel(logging.NOTSET)


async def test_kopf_sees_a_late_definition_and_lives_through_410(api: Api) -> None:
    async with Operator(api) as operator:
        await api.ok("POST", DEFINITIONS, definition())
        await api.ok("POST", WIDGETS, widget("first"))
        await api.until(operator.saw("first", "ADDED", None), 10)
        await api.until(lambda: bool(api.server.faults.expire_watches("widgets.example.io")))
        await api.ok("POST", WIDGETS, widget("second"))
        await api.until(operator.saw("second", "ADDED", None), 10)
        api.server.faults.cut_watches()
        await api.ok("POST", WIDGETS, widget("third"))
        await api.until(operator.saw("third", "ADDED", None), 10)
        assert operator.alive


async def test_kopf_lives_through_the_end_and_return_of_a_definition(widgets: Api) -> None:
    async with Operator(widgets) as operator:
        await widgets.ok("POST", WIDGETS, widget("first"))
        await widgets.until(operator.saw("first", "ADDED", None), 10)
        await widgets.ok("DELETE", f"{DEFINITIONS}/widgets.example.io")
        await widgets.until(operator.saw("first", "DELETED"), 10)
        await widgets.until(lambda: not _watched(widgets), 10)
        await widgets.ok("POST", DEFINITIONS, definition())
        await widgets.ok("POST", WIDGETS, widget("second"))
        await widgets.until(operator.saw("second", "ADDED", None), 10)
        assert operator.alive


def _watched(api: Api) -> bool:
    return bool(api.store.database.shelf("widgets.example.io").watchers)
