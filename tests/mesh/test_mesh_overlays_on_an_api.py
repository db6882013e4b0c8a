"""Overlays of several resources carried out against a real API server, whatever happens between."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from mesh_kit import (
    CANARY,
    DESTINATION_RULES,
    NOW,
    SERVICES,
    SLICES,
    VIRTUAL_SERVICES,
    Runtime,
    endpoints,
    foreign,
    owner,
    service,
)

from autopilot.base.clock import VirtualClock
from autopilot.kube.client import NotFound
from autopilot.mesh.actions import (
    Fault,
    Mirror,
    OutlierDetection,
    Shed,
    Shift,
    Split,
    Timeout,
    Where,
)
from autopilot.mesh.errors import WouldStarve
from autopilot.mesh.execute import execute
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.provider import Owner
from autopilot.overlay.errors import Contested, Foreign, Held
from autopilot.overlay.record import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient
    from autopilot.mesh.actions import Action
    from autopilot.mesh.provider import Ending
    from autopilot.mesh.steps import Plan

WEB = Where("web")
SECOND = timedelta(seconds=1)


def shift(standby: int) -> Shift:
    return Shift(WEB, {"web": 100 - standby, "web-standby": standby}, "web")


def failover(standby: int) -> Shift:
    return Shift(WEB, {"web": 100 - standby, "web-standby": standby}, "web", "failover")


def other() -> Owner:
    return Owner(CANARY, "demo", "other", "uid-2", "canary")


def as_it_was(found: Body, before: Body) -> bool:
    names = ("labels", "annotations", "managedFields")
    return found["spec"] == before["spec"] and all(
        found["metadata"].get(name) == before["metadata"].get(name) for name in names
    )


async def end(runtime: Runtime, ending: Ending, *actions: Action) -> Plan:
    plan = Istio().plan(owner(), actions, await runtime.world(), NOW, ending=ending)
    _, failed = await execute(plan, runtime.executor)
    assert not failed
    return plan


@pytest.fixture
async def services(client: HttpKubeClient) -> None:
    for name in ("web", "web-standby", "shadow"):
        await client.create(SERVICES, service(name), "demo")
        await client.create(SLICES, endpoints(name, 2), "demo")


@pytest.fixture
async def theirs(client: HttpKubeClient, services: None) -> Body:
    body = foreign("web", ["web"])
    del body["metadata"]["uid"]
    body["spec"]["http"].insert(
        0, {"name": "api", "match": [{"uri": {"prefix": "/api"}}], **body["spec"]["http"][0]}
    )
    return await client.create(VIRTUAL_SERVICES, body, "demo", manager="helm")


async def web(client: HttpKubeClient) -> Body:
    return await client.get(VIRTUAL_SERVICES, "web", "demo")


async def all_marked(client: HttpKubeClient) -> list[Body]:
    found = []
    for kind in (VIRTUAL_SERVICES, DESTINATION_RULES):
        found += [body for body in (await client.list(kind)).items if read(body).any]
    return found


EVERYTHING: Sequence[Action] = (
    shift(100),
    Timeout(WEB, SECOND),
    Timeout(Where("web", callers=("cart",)), SECOND),
    Shed(WEB, {"x-priority": ("batch",)}, share=50),
    Mirror(WEB, "shadow"),
    Fault(Where("web", callers=("bot",)), abort_status=503, abort_percentage=10),
    OutlierDetection(WEB, max_connections=7),
)


async def test_all_actions_at_once_settle_and_leave_nothing_behind(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    changes, failed = await runtime.sync(*EVERYTHING)
    assert not failed
    # Two routes, and on each the shed once more for the callers that have a route of their own.
    assert len(changes) == 2 * 7 + 2
    assert await runtime.sync(*EVERYTHING) == ([], [])
    runtime.restart()
    assert await runtime.sync(*EVERYTHING) == ([], [])
    changes, failed = await runtime.sync()
    assert not failed
    assert {change.moves for change in changes} == {"back"}
    assert as_it_was(await web(client), theirs)
    assert not await all_marked(client)
    with pytest.raises(NotFound):
        await client.get(DESTINATION_RULES, "autopilot-web", "demo")
    assert await runtime.sync() == ([], [])


@pytest.mark.usefixtures("services")
async def test_a_base_is_made_once_and_goes_with_the_last_overlay_whoever_held_it(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    await runtime.sync(Timeout(WEB, SECOND))
    await runtime.sync(Fault(WEB, abort_status=503), who=other())
    found = (await client.list(VIRTUAL_SERVICES)).items
    assert [body["metadata"]["name"] for body in found] == ["autopilot-web"]
    assert "ownerReferences" not in found[0]["metadata"]
    (route,) = found[0]["spec"]["http"]
    assert {"timeout", "fault", "route", "name"} == route.keys()
    await runtime.sync()
    (left,) = (await client.list(VIRTUAL_SERVICES)).items
    assert "timeout" not in left["spec"]["http"][0]
    await runtime.sync(who=other())
    assert (await client.list(VIRTUAL_SERVICES)).items == []


@pytest.mark.usefixtures("services")
async def test_a_base_that_somebody_made_their_own_stays(
    runtime: Runtime, client: HttpKubeClient
) -> None:
    await runtime.sync(Timeout(WEB, SECOND))
    found = await client.get(VIRTUAL_SERVICES, "autopilot-web", "demo")
    found["spec"]["http"][0]["rewrite"] = {"uri": "/new"}
    await client.replace(VIRTUAL_SERVICES, found, manager="kubectl-edit")
    await runtime.sync()
    left = await client.get(VIRTUAL_SERVICES, "autopilot-web", "demo")
    assert left["spec"]["http"][0].keys() == {"name", "route", "rewrite"}
    assert not read(left).any


async def test_the_second_to_ask_gets_the_firsts_name_and_takes_over_when_it_is_free(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    await runtime.sync(shift(100))
    for action in (shift(10), Shift(Where("web", callers=("cart",)), {"web": 100}, "web")):
        changes, failed = await runtime.sync(action, who=other())
        assert not changes
        assert {type(error) for error in failed} == {Held}
        assert "Canary demo/web (split)" in str(failed[0])
    await runtime.sync(Timeout(WEB, SECOND), who=other())
    await runtime.sync()
    changes, failed = await runtime.sync(shift(10), who=other())
    assert not failed
    assert await runtime.weights() == {"web": 90, "web-standby": 10}
    await runtime.sync(who=other())
    assert as_it_was(await web(client), theirs)


async def test_what_canaries_own_is_not_overlaid(
    runtime: Runtime, client: HttpKubeClient, services: None
) -> None:
    await runtime.sync(Split("web", {"web": 90, "web-standby": 10}, "web"))
    changes, failed = await runtime.sync(Timeout(WEB, SECOND), who=other())
    assert not changes
    assert isinstance(failed[0], Held)
    assert "Canary web" in str(failed[0])


async def test_a_foreign_change_is_repaired_three_times_and_then_contested(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    action = Timeout(Where("web", route="api"), SECOND)
    await runtime.sync(action)
    for _ in range(3):
        found = await web(client)
        found["spec"]["http"][0]["timeout"] = "9s"
        await client.replace(VIRTUAL_SERVICES, found, manager="kubectl-edit")
        changes, failed = await runtime.sync(action)
        assert [change.repaired for change in changes] == [True]
        assert changes[0].summary.endswith("(repaired)")
        assert not failed
    found = await web(client)
    found["spec"]["http"][0]["timeout"] = "9s"
    await client.replace(VIRTUAL_SERVICES, found, manager="kubectl-edit")
    changes, failed = await runtime.sync(action)
    assert not changes
    assert isinstance(failed[0], Contested)


async def test_a_resource_that_goes_keeps_its_protections_or_restores_all(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    await runtime.sync(shift(100), Mirror(WEB, "shadow"), OutlierDetection(WEB))
    plan = await end(runtime, "keep")
    assert len(plan.kept) == 3
    assert await runtime.weights() == {"web": 0, "web-standby": 100}
    assert "mirrors" not in (await web(client))["spec"]["http"][0]
    assert len(await all_marked(client)) == 2
    await end(runtime, "restore")
    assert as_it_was(await web(client), theirs)
    assert not await all_marked(client)


async def test_traffic_stays_where_it_is_while_nobody_is_ready_where_it_came_from(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    await runtime.sync(shift(100), Timeout(WEB, SECOND))
    await client.delete(SLICES, "web-x", "demo")
    for ending in ("", "restore"):
        plan = Istio().plan(owner(), (), await runtime.world(), NOW, ending=ending)
        assert {type(error) for error in plan.refused} == {WouldStarve}
    _, failed = await runtime.sync()
    assert isinstance(failed[0], WouldStarve)
    assert await runtime.weights() == {"web": 0, "web-standby": 100}
    assert "timeout" not in (await web(client))["spec"]["http"][0]
    _, failed = await runtime.sync(shift(90))
    assert isinstance(failed[0], WouldStarve)
    await client.create(SLICES, endpoints("web", 1), "demo")
    _, failed = await runtime.sync()
    assert not failed
    assert as_it_was(await web(client), theirs)


async def test_a_hazard_past_its_deadline_is_undone(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    await runtime.sync(Fault(WEB, abort_status=503, deadline=NOW + SECOND))
    assert "fault" in (await web(client))["spec"]["http"][0]
    fault = Fault(WEB, abort_status=503, deadline=NOW + SECOND)
    plan = Istio().plan(owner(), [fault], await runtime.world(), NOW + SECOND)
    changes, failed = await execute(plan, runtime.executor)
    assert len(changes) == len(failed) == 1
    assert as_it_was(await web(client), theirs)


async def test_a_copy_follows_what_others_make_of_the_route_that_it_copies(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    await runtime.sync(Shed(WEB, {"x": ("y",)}, share=50))
    await runtime.sync(shift(100), Fault(WEB, abort_status=500, abort_percentage=1), who=other())
    changes, failed = await runtime.sync(Shed(WEB, {"x": ("y",)}, share=50))
    assert not failed
    assert {change.moves for change in changes} == {"neutral"}
    shed, route, *_ = (await web(client))["spec"]["http"]
    assert shed["route"] == route["route"]
    assert shed["fault"]["abort"] == {"httpStatus": 503, "percentage": {"value": 50}}
    await runtime.sync(who=other())
    await runtime.sync()
    assert as_it_was(await web(client), theirs)


async def test_somebody_elses_split_is_refused(
    runtime: Runtime, client: HttpKubeClient, services: None
) -> None:
    body = foreign("web", ["web"])
    del body["metadata"]["uid"]
    entries = [{"destination": {"host": host}, "weight": 50} for host in ("web", "shadow")]
    body["spec"]["http"] = [{"route": entries}]
    before = await client.create(VIRTUAL_SERVICES, body, "demo", manager="helm")
    for where in (WEB, Where("web", callers=("cart",))):
        action = Shift(where, {"web": 0, "web-standby": 100}, "web")
        _, failed = await runtime.sync(action)
        assert [type(error) for error in failed] == [Foreign]
    assert as_it_was(await web(client), before)


class Killed(BaseException):
    """As SIGKILL: nothing runs after it."""


class Mortal:
    """Lets so many writes of a client through, and dies at the next."""

    def __init__(self, client: HttpKubeClient, writes: int) -> None:
        self._client = client
        self._left = writes

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        call = getattr(self._client, name)
        if name not in {"create", "patch", "delete", "replace", "apply"}:
            return call

        async def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
            if self._left == 0:
                raise Killed
            self._left -= 1
            return await call(*args, **kwargs)

        return counted


@pytest.mark.parametrize("vanished", [False, True])
async def test_killed_after_any_write_a_new_process_ends_the_same(
    client: HttpKubeClient, theirs: Body, *, vanished: bool
) -> None:
    """Put, base and undo; `vanished`: whoever starts again wants nothing any more."""
    written = 0
    for budget in range(60):
        doomed = Runtime(Mortal(client, budget))
        try:
            await doomed.sync(*EVERYTHING)
            await doomed.sync()
        except Killed:
            pass
        else:
            written = budget
            break
        await check_marked(client, theirs)
        heir = Runtime(client)
        if not vanished:
            _, failed = await heir.sync(*EVERYTHING)
            assert not failed
            assert await heir.sync(*EVERYTHING) == ([], [])
        _, failed = await heir.sync()
        assert not failed
        assert as_it_was(await web(client), theirs)
        for body in await all_marked(client):
            # A base whose first overlay never came: it goes when nobody can be about to use it.
            assert vanished
            late = NOW.fromisoformat(body["metadata"]["creationTimestamp"]) + 31 * SECOND
            sweeper = Runtime(client, VirtualClock(late))
            plan = Istio().plan(other(), (), await sweeper.world(), late)
            await execute(plan, sweeper.executor)
        assert not await all_marked(client)
        assert not (await client.list(DESTINATION_RULES)).items
    assert written > 15


async def check_marked(client: HttpKubeClient, theirs: Body) -> None:
    """Whatever differs from before says so itself."""
    found = await web(client)
    if not as_it_was(found, theirs):
        assert read(found).labelled
    for body in (await client.list(DESTINATION_RULES)).items:
        assert read(body).labelled


async def test_a_split_that_becomes_a_failover_is_stepped_and_renamed(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    before = await web(client)
    await runtime.sync(shift(10))
    first = read(await web(client)).overlays
    changes, failed = await runtime.sync(failover(50))
    assert not failed
    assert {change.moves for change in changes} == {"forward"}
    assert all(": failover on " in change.summary for change in changes)
    then = read(await web(client)).overlays
    assert [each.id for each in then] == [each.id for each in first]
    assert {each.action for each in then} == {"failover"}
    # The word alone is no change of the mesh, but people read the mark.
    assert await runtime.sync(Shift(WEB, {"web": 50, "web-standby": 50}, "web")) == ([], [])
    assert {each.action for each in read(await web(client)).overlays} == {"split"}
    await runtime.sync()
    assert as_it_was(await web(client), before)


async def test_an_inserted_route_that_others_move_behind_its_original_is_put_back_before_it(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    some = Shed(Where("web", callers=("bot",)), share=50)
    wanted = (Timeout(Where("web", callers=("cart",)), SECOND), some)
    await runtime.sync(*wanted)
    before = await web(client)
    listed = before["spec"]["http"]
    for order in ([*listed[4:], *listed[:4]], [*listed[:3], listed[5], *listed[3:5]]):
        moved = {**await web(client), "spec": {**before["spec"], "http": order}}
        await client.replace(VIRTUAL_SERVICES, moved, manager="kubectl-edit")
        changes, failed = await runtime.sync(*wanted)
        assert not failed
        assert changes
        assert all(change.repaired and change.moves == "neutral" for change in changes)
        there = await web(client)
        assert sorted(each["name"] for each in there["spec"]["http"] if "name" in each) == sorted(
            each["name"] for each in listed if "name" in each
        )
        for original in theirs["spec"]["http"]:
            end, was = there["spec"]["http"].index(original), listed.index(original)
            found = there["spec"]["http"][end - 2 : end]
            assert sorted(found, key=str) == sorted(listed[was - 2 : was], key=str)
        assert await runtime.sync(*wanted) == ([], [])
    await runtime.sync()
    assert read(await web(client)).overlays == ()


async def test_moving_an_inserted_route_again_and_again_is_contested(
    runtime: Runtime, client: HttpKubeClient, theirs: Body
) -> None:
    wanted = Timeout(Where("web", route="api", callers=("cart",)), SECOND)
    await runtime.sync(wanted)
    failed: list[object] = []
    for _ in range(4):
        body = await web(client)
        body["spec"]["http"].reverse()
        await client.replace(VIRTUAL_SERVICES, body, manager="kubectl-edit")
        failed += (await runtime.sync(wanted))[1]
    assert [type(error) for error in failed] == [Contested]
