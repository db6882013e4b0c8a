"""Splits and replicas carried out against a real API server."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from mesh_kit import (
    DEPLOYMENTS,
    NOW,
    SERVICES,
    SLICES,
    VIRTUAL_SERVICES,
    Runtime,
    deployment,
    endpoints,
    foreign,
    owner,
    service,
)

from autopilot.kube.client import NotFound, Unavailable
from autopilot.kube.marks import MANAGED_BY, OPERATOR, OWNER_UID, SCALED
from autopilot.mesh.actions import Scale, Split
from autopilot.mesh.errors import Contested, Held, HostTaken, TargetMissing, WouldStarve
from autopilot.mesh.execute import execute
from autopilot.mesh.scaling import read_mark
from autopilot.sandbox.apiserver.faults import Fault

if TYPE_CHECKING:
    from autopilot.kube.http import HttpKubeClient
    from autopilot.sandbox.apiserver.server import ApiServer


def split(canary: int, host: str = "web") -> Split:
    return Split(host, {"web-primary": 100 - canary, "web-canary": canary}, "web-primary", 80)


@pytest.fixture
async def ready(client: HttpKubeClient) -> None:
    for name in ("web-primary", "web-canary", "web"):
        await client.create(SLICES, endpoints(name, 2), "demo")
    await client.create(DEPLOYMENTS, deployment("web", 3, mine="stays"), "demo")


@pytest.mark.usefixtures("ready")
async def test_a_split_becomes_one_marked_virtual_service_and_is_not_written_twice(
    runtime: Runtime, client: HttpKubeClient, server: ApiServer
) -> None:
    changes, failed = await runtime.sync(split(10))
    assert not failed
    assert [change.summary for change in changes] == [
        "VirtualService demo/web: web-primary 90, web-canary 10"
    ]
    found = await client.get(VIRTUAL_SERVICES, "web", "demo")
    assert found["spec"] == {
        "hosts": ["web"],
        "http": [
            {
                "name": "autopilot",
                "route": [
                    {"destination": {"host": "web-primary", "port": {"number": 80}}, "weight": 90},
                    {"destination": {"host": "web-canary", "port": {"number": 80}}, "weight": 10},
                ],
            }
        ],
    }
    labels = found["metadata"]["labels"]
    assert labels == {MANAGED_BY: "autopilot", OPERATOR: "canary", OWNER_UID: "uid-1"}
    assert found["metadata"]["ownerReferences"][0]["uid"] == "uid-1"

    assert await runtime.sync(split(10)) == ([], [])
    runtime.restart()
    assert await runtime.sync(split(10)) == ([], [])
    settled = await client.get(VIRTUAL_SERVICES, "web", "demo")
    assert settled["spec"] == found["spec"]
    assert await runtime.sync(split(10)) == ([], [])
    again = await client.get(VIRTUAL_SERVICES, "web", "demo")
    assert again["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]

    changes, _ = await runtime.sync(split(25))
    assert changes[0].summary == ("VirtualService demo/web: web-primary 90→75, web-canary 10→25")
    assert changes[0].moves == "forward"
    changes, _ = await runtime.sync(split(0))
    assert changes[0].moves == "back"
    assert await runtime.weights() == {"web-primary": 100, "web-canary": 0}


@pytest.mark.usefixtures("ready")
async def test_a_hand_edit_is_repaired_once(runtime: Runtime, client: HttpKubeClient) -> None:
    await runtime.sync(split(10))
    found = await client.get(VIRTUAL_SERVICES, "web", "demo")
    found["spec"]["http"][0]["route"][0]["weight"] = 0
    found["spec"]["http"][0]["route"][1]["weight"] = 100
    await client.replace(VIRTUAL_SERVICES, found, manager="kubectl-edit")
    changes, failed = await runtime.sync(split(10))
    assert not failed
    assert [(change.repaired, change.moves) for change in changes] == [(True, "back")]
    assert await runtime.weights() == {"web-primary": 90, "web-canary": 10}
    assert await runtime.sync(split(10)) == ([], [])


@pytest.mark.usefixtures("ready")
async def test_a_host_that_somebody_routes_is_refused_by_name(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    body = foreign("theirs", ["web.demo.svc.cluster.local"])
    del body["metadata"]["uid"]
    await client.create(VIRTUAL_SERVICES, body, "demo", manager="helm")
    changes, failed = await runtime.sync(split(10))
    assert not changes
    (error,) = failed
    assert isinstance(error, HostTaken)
    assert "VirtualService demo/theirs" in str(error)
    await client.delete(VIRTUAL_SERVICES, "theirs", "demo")
    changes, failed = await runtime.sync(split(10))
    assert (len(changes), failed) == (1, [])
    _, failed = await runtime.sync(split(10), who=owner("other", "uid-2"))
    assert "Canary" in str(failed[0])
    assert isinstance(failed[0], HostTaken)


@pytest.mark.usefixtures("ready")
async def test_replicas_are_marked_before_they_are_changed_and_put_back_from_the_mark_alone(
    runtime: Runtime, client: HttpKubeClient, server: ApiServer
) -> None:
    changes, failed = await runtime.sync(split(0), Scale("web", 0))
    assert not failed
    assert [change.summary for change in changes] == [
        "VirtualService demo/web: web-primary 100, web-canary 0",
        "Deployment demo/web: replicas 3→0",
    ]
    found = await client.get(DEPLOYMENTS, "web", "demo")
    assert found["spec"]["replicas"] == 0
    assert found["metadata"]["annotations"]["mine"] == "stays"
    assert json.loads(found["metadata"]["annotations"][SCALED]) == {
        "kind": "Canary",
        "namespace": "demo",
        "name": "web",
        "uid": "uid-1",
        "before": 3,
        "after": 0,
        "at": NOW.isoformat(timespec="seconds"),
        "seen": 3,
    }
    assert await runtime.sync(split(0), Scale("web", 0)) == ([], [])

    runtime.restart()
    changes, failed = await runtime.sync()
    assert not failed
    assert [change.summary for change in changes] == [
        "Deployment demo/web: replicas 0→3",
        "VirtualService demo/web: deleted",
    ]
    found = await client.get(DEPLOYMENTS, "web", "demo")
    assert found["spec"]["replicas"] == 3
    assert found["metadata"]["annotations"] == {"mine": "stays"}
    with pytest.raises(NotFound):
        await client.get(VIRTUAL_SERVICES, "web", "demo")
    assert await runtime.sync() == ([], [])


@pytest.mark.usefixtures("ready")
async def test_a_count_that_somebody_asks_for_while_it_is_held_is_what_an_undo_gives_back(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    await runtime.sync(Scale("web", 0))
    await client.patch(DEPLOYMENTS, "web", "demo", {"spec": {"replicas": 5}})
    await runtime.sync(Scale("web", 0))
    assert await runtime.replicas("web") == 0
    runtime.restart()
    await runtime.sync()
    assert await runtime.replicas("web") == 5


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("writes", [0, 1, 2, 3])
async def test_killed_between_any_two_writes_the_next_run_ends_the_same(
    runtime: Runtime, client: HttpKubeClient, writes: int
) -> None:
    async def cut_after(count: int, *actions: Scale) -> None:
        made = 0
        real = (client.patch, client.replace)

        def limited(call):  # type: ignore[no-untyped-def]
            async def wrapped(*args, **kwargs):  # type: ignore[no-untyped-def]
                nonlocal made
                if made >= count:
                    raise KeyboardInterrupt
                made += 1
                return await call(*args, **kwargs)

            return wrapped

        client.patch, client.replace = limited(real[0]), limited(real[1])  # type: ignore[method-assign]
        try:
            await runtime.sync(*actions)
        except KeyboardInterrupt:
            pass
        finally:
            client.patch, client.replace = real  # type: ignore[method-assign]
        runtime.restart()

    await cut_after(writes, Scale("web", 0))
    await cut_after(writes, Scale("web", 5))
    await runtime.sync(Scale("web", 1))
    assert await runtime.replicas("web") == 1
    await cut_after(writes)
    await runtime.sync()
    assert await runtime.replicas("web") == 3
    found = await client.get(DEPLOYMENTS, "web", "demo")
    assert read_mark(found) is None


@pytest.mark.usefixtures("ready")
async def test_a_count_that_somebody_set_meanwhile_stands_after_the_release(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    await runtime.sync(Scale("web", 0))
    await client.patch(DEPLOYMENTS, "web", "demo", {"spec": {"replicas": 7}})
    await runtime.sync()
    assert await runtime.replicas("web") == 7
    assert read_mark(await client.get(DEPLOYMENTS, "web", "demo")) is None


@pytest.mark.usefixtures("ready")
async def test_the_first_holder_keeps_the_replicas_and_a_successor_of_its_name_inherits_them(
    runtime: Runtime,
) -> None:
    await runtime.sync(Scale("web", 0))
    _, failed = await runtime.sync(Scale("web", 2), who=owner("other", "uid-2"))
    (error,) = failed
    assert isinstance(error, Held)
    assert "Canary demo/web" in str(error)
    assert await runtime.sync(who=owner("other", "uid-2")) == ([], [])
    assert await runtime.replicas("web") == 0

    again = owner("web", "uid-3")
    _, failed = await runtime.sync(Scale("web", 0), who=again)
    assert not failed
    await runtime.sync(who=again)
    assert await runtime.replicas("web") == 3


@pytest.mark.usefixtures("ready")
async def test_a_count_that_is_changed_again_and_again_is_contested_after_three_repairs(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    await runtime.sync(Scale("web", 0))

    async def meddle() -> None:
        await client.patch(DEPLOYMENTS, "web", "demo", {"spec": {"replicas": 4}})

    for _ in range(3):
        await meddle()
        changes, failed = await runtime.sync(Scale("web", 0))
        assert [change.repaired for change in changes] == [True]
        assert not failed
        await runtime.clock.advance(60)
    await meddle()
    changes, failed = await runtime.sync(Scale("web", 0))
    assert not changes
    assert isinstance(failed[0], Contested)
    await runtime.clock.advance(3600)
    _, failed = await runtime.sync(Scale("web", 0))
    assert isinstance(failed[0], Contested)
    assert await runtime.replicas("web") == 4
    # Whoever contested gives in: counting begins anew.
    await client.patch(DEPLOYMENTS, "web", "demo", {"spec": {"replicas": 0}})
    assert await runtime.sync(Scale("web", 0)) == ([], [])
    await meddle()
    changes, failed = await runtime.sync(Scale("web", 0))
    assert (len(changes), failed) == (1, [])


@pytest.mark.usefixtures("ready")
async def test_a_stale_cache_is_read_again_after_a_conflict(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    plan = await runtime.plan([Scale("web", 0)])
    await client.patch(DEPLOYMENTS, "web", "demo", {"metadata": {"labels": {"a": "b"}}})
    changes, failed = await execute(plan, runtime.executor)
    assert (len(changes), failed) == (1, [])
    found = await client.get(DEPLOYMENTS, "web", "demo")
    assert found["spec"]["replicas"] == 0
    assert found["metadata"]["labels"]["a"] == "b"


async def test_capacity_stays_until_the_route_that_replaces_it_is_there(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    await client.create(DEPLOYMENTS, deployment("web", 3), "demo")
    await client.create(SLICES, endpoints("web", 3), "demo")
    await client.create(SLICES, endpoints("web-primary", 0), "demo")
    changes, failed = await runtime.sync(split(0), Scale("web", 0), Scale("gone", 1))
    assert not changes
    assert {type(error) for error in failed} == {WouldStarve, TargetMissing}
    assert await runtime.replicas("web") == 3
    await client.delete(SLICES, "web-primary-x", "demo")
    await client.create(SLICES, endpoints("web-primary", 1), "demo")
    changes, failed = await runtime.sync(split(0), Scale("web", 0))
    assert (len(changes), failed) == (2, [])


async def test_the_route_outlives_the_wish_until_its_host_has_pods_again(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    await client.create(DEPLOYMENTS, deployment("web", 3), "demo")
    await client.create(SLICES, endpoints("web", 0), "demo")
    await client.create(SLICES, endpoints("web-primary", 1), "demo")
    await client.create(SERVICES, service("web"), "demo")
    await runtime.sync(split(0), Scale("web", 0))
    changes, failed = await runtime.sync()
    assert [change.summary for change in changes] == ["Deployment demo/web: replicas 0→3"]
    assert isinstance(failed[0], WouldStarve)
    assert await runtime.weights() == {"web-primary": 100, "web-canary": 0}
    await client.delete(SLICES, "web-x", "demo")
    await client.create(SLICES, endpoints("web", 1), "demo")
    changes, failed = await runtime.sync()
    assert (len(changes), failed) == (1, [])


@pytest.mark.usefixtures("ready")
async def test_a_failed_write_leaves_what_relies_on_it_undone(
    runtime: Runtime, server: ApiServer
) -> None:
    server.faults.add(Fault("status", resource="virtualservices.networking.istio.io", status=503))
    plan = await runtime.plan_without_routes(split(0), Scale("web", 0))
    changes, failed = await execute(plan, runtime.executor)
    assert not changes
    assert isinstance(failed[0], Unavailable)
    assert await runtime.replicas("web") == 3
    server.faults.clear()
    await runtime.sync(split(0), Scale("web", 0))
    assert await runtime.replicas("web") == 0

    server.faults.add(Fault("status", subresource="scale", status=500))
    changes, failed = await runtime.sync()
    assert not changes
    assert isinstance(failed[0], Unavailable)
    assert await runtime.weights() == {"web-primary": 100, "web-canary": 0}
    server.faults.clear()
    changes, failed = await runtime.sync()
    assert (len(changes), failed) == (2, [])


@pytest.mark.usefixtures("ready")
async def test_nothing_is_written_once_writing_is_forbidden(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    class Lost(Exception):
        pass

    allowed = 2

    def check() -> None:
        nonlocal allowed
        allowed -= 1
        if allowed < 0:
            raise Lost

    # The route and the mark are written; the lease goes before the replicas.
    runtime.executor = dataclasses.replace(runtime.executor, before_write=check)
    with pytest.raises(Lost):
        await runtime.sync(split(0), Scale("web", 0))
    assert await runtime.replicas("web") == 3
    found = await client.get(DEPLOYMENTS, "web", "demo")
    assert read_mark(found) is not None
    runtime.restart()
    await runtime.sync(split(0), Scale("web", 0))
    assert await runtime.replicas("web") == 0
