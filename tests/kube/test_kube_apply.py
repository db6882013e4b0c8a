import asyncio
from typing import Any

import pytest
from kube_help import config_map

from autopilot.base.errors import RetryLater
from autopilot.kube.apply import Applier, Outcome
from autopilot.kube.client import Invalid
from autopilot.kube.http import HttpKubeClient
from autopilot.kube.kinds import KNOWN
from autopilot.kube.ownership import NotOurs, StillLeaving, ownership
from autopilot.kube.store import key_of
from autopilot.sandbox.apiserver.faults import Fault
from autopilot.sandbox.apiserver.server import ApiServer

Body = dict[str, Any]
CONFIG_MAPS = KNOWN["configmaps"]
DEPLOYMENTS = KNOWN["deployments"]
MANAGER = "autopilot.canary"


def owner(uid: str = "u1", name: str = "web") -> Body:
    meta = {"name": name, "namespace": "default", "uid": uid}
    return {"apiVersion": "flights.example.com/v1", "kind": "Canary", "metadata": meta}


def ours(body: Body, uid: str = "u1") -> Body:
    # No owner reference: its owner isn't in this API, and the garbage collector would clean up.
    return ownership(owner(uid), "canary", namespace="elsewhere").mark(body)


def deployment(**spec: Any) -> Body:
    container = {"name": "a", "image": "a:1", "resources": {"limits": {"cpu": "1000m"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container]},
            },
            **spec,
        },
    }


@pytest.fixture
def applier(client: HttpKubeClient) -> Applier:
    return Applier(client, MANAGER)


async def live(client: HttpKubeClient, name: str = "a") -> Body:
    return await client.get(CONFIG_MAPS, name, "default")


def writes(server: ApiServer) -> int:
    """Counts writes from now on: read it with `server.faults.hits`."""
    for verb in ("create", "update", "delete"):
        server.faults.add(Fault("status", verb=verb, status=500))
    return server.faults.add(Fault("latency", verb="patch"))


async def test_an_object_that_is_not_there_is_made(
    applier: Applier, client: HttpKubeClient
) -> None:
    done = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), None)
    assert (done.action, done.wrote) == ("created", True)
    assert (await live(client))["data"] == {"x": "1"}


async def test_what_is_as_wanted_costs_no_call(
    applier: Applier, client: HttpKubeClient, server: ApiServer
) -> None:
    wanted = ours(deployment())
    made = await applier.ensure(DEPLOYMENTS, wanted, None)
    counted = writes(server)
    for _ in range(3):
        done = await applier.ensure(DEPLOYMENTS, wanted, made.body)
        assert done == Outcome("unchanged", (), made.body)
    assert server.faults.hits(counted) == 0


async def test_after_a_restart_one_apply_is_made_and_then_none(
    applier: Applier, client: HttpKubeClient, server: ApiServer
) -> None:
    wanted = ours(deployment())
    made = await applier.ensure(DEPLOYMENTS, wanted, None)
    again = Applier(client, MANAGER)
    first = await again.ensure(DEPLOYMENTS, wanted, made.body)
    counted = writes(server)
    assert (await again.ensure(DEPLOYMENTS, wanted, first.body)).action == "unchanged"
    assert server.faults.hits(counted) == 0


async def test_a_restart_that_finds_everything_right_says_so(
    client: HttpKubeClient,
) -> None:
    wanted = ours(config_map("a", x="1"))
    settled = await client.apply(CONFIG_MAPS, wanted, manager=MANAGER)
    done = await Applier(client, MANAGER).ensure(CONFIG_MAPS, wanted, settled)
    assert done.action == "unchanged"
    assert done.body["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]


async def test_a_change_of_mind_is_applied_and_what_it_leaves_out_goes(
    applier: Applier, client: HttpKubeClient
) -> None:
    made = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1", y="1")), None)
    done = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="2")), made.body)
    assert done.action == "updated"
    assert set(done.paths) == {"data.x", "data.y"}
    # The create was a POST, so "y" was recorded as an update's: it has to go all the same.
    assert (await live(client))["data"] == {"x": "2"}


async def test_what_is_left_out_goes_even_after_a_restart_right_behind_the_create(
    applier: Applier, client: HttpKubeClient
) -> None:
    made = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1", y="1")), None)
    again = Applier(client, MANAGER)
    done = await again.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), made.body)
    assert done.action == "updated"
    assert (await live(client))["data"] == {"x": "1"}


async def test_fields_of_others_are_left_alone(
    applier: Applier, client: HttpKubeClient, server: ApiServer
) -> None:
    wanted = ours(config_map("a", x="1"))
    await applier.ensure(CONFIG_MAPS, wanted, None)
    patch = {"data": {"theirs": "9"}, "metadata": {"annotations": {"note": "hello"}}}
    await client.patch(CONFIG_MAPS, "a", "default", patch, manager="kubectl-edit")
    counted = writes(server)
    done = await applier.ensure(CONFIG_MAPS, wanted, await live(client))
    assert done.action == "unchanged"
    assert server.faults.hits(counted) == 0


async def test_drift_is_repaired_and_told_apart_from_a_change_of_mind(
    applier: Applier, client: HttpKubeClient
) -> None:
    wanted = ours(config_map("a", x="1"))
    await applier.ensure(CONFIG_MAPS, wanted, None)
    patch = {"data": {"x": "edited", "theirs": "9"}}
    await client.patch(CONFIG_MAPS, "a", "default", patch, manager="kubectl-edit")
    done = await applier.ensure(CONFIG_MAPS, wanted, await live(client))
    assert (done.action, done.paths) == ("repaired", ("data.x",))
    assert (await live(client))["data"] == {"x": "1", "theirs": "9"}
    assert (await applier.ensure(CONFIG_MAPS, wanted, done.body)).action == "unchanged"


async def test_a_cache_that_lags_behind_our_own_answer_is_no_drift(
    applier: Applier, client: HttpKubeClient, server: ApiServer
) -> None:
    first = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), None)
    wanted = ours(config_map("a", x="2"))
    await applier.ensure(CONFIG_MAPS, wanted, first.body)
    counted = writes(server)
    assert (await applier.ensure(CONFIG_MAPS, wanted, first.body)).action == "unchanged"
    assert server.faults.hits(counted) == 0


async def test_an_object_of_somebody_else_is_refused_untouched(
    applier: Applier, client: HttpKubeClient
) -> None:
    await client.create(CONFIG_MAPS, config_map("a", x="theirs"), manager="kubectl-create")
    before = await live(client)
    for known in (before, None):
        # The second time the cache hasn't seen it yet: the create finds out.
        with pytest.raises(NotOurs, match="kubectl-create"):
            await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), known)
    assert await live(client) == before


async def test_of_two_that_create_at_the_same_time_one_is_refused(client: HttpKubeClient) -> None:
    one, two = Applier(client, "autopilot.one"), Applier(client, "autopilot.two")
    done = await asyncio.gather(
        one.ensure(CONFIG_MAPS, ours(config_map("a", x="1"), "u1"), None),
        two.ensure(CONFIG_MAPS, ours(config_map("a", x="2"), "u2"), None),
        return_exceptions=True,
    )
    kinds = sorted(type(each).__name__ for each in done)
    # The owners have one name here, so the loser takes the winner for an earlier owner.
    assert kinds == ["Outcome", "StillLeaving"]


async def test_our_own_object_that_the_cache_has_not_seen_yet_is_applied(
    applier: Applier, client: HttpKubeClient
) -> None:
    await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), None)
    again = Applier(client, MANAGER)
    done = await again.ensure(CONFIG_MAPS, ours(config_map("a", x="2")), None)
    assert done.action == "updated"
    assert (await live(client))["data"] == {"x": "2"}


async def test_an_object_replaced_by_a_stranger_behind_the_caches_back_is_not_written(
    applier: Applier, client: HttpKubeClient
) -> None:
    made = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), None)
    await client.delete(CONFIG_MAPS, "a", "default")
    await client.create(CONFIG_MAPS, config_map("a", x="theirs"), manager="somebody")
    with pytest.raises(NotOurs, match="somebody"):
        await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="2")), made.body)
    assert (await live(client))["data"] == {"x": "theirs"}


async def test_an_object_deleted_behind_the_caches_back_is_made_again(
    applier: Applier, client: HttpKubeClient
) -> None:
    made = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), None)
    await client.delete(CONFIG_MAPS, "a", "default")
    done = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="2")), made.body)
    assert done.action == "created"
    assert (await live(client))["data"] == {"x": "2"}


async def test_an_object_that_is_being_deleted_is_waited_for(
    applier: Applier, client: HttpKubeClient
) -> None:
    body = ours(config_map("a", x="1"))
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create(CONFIG_MAPS, body)
    await client.delete(CONFIG_MAPS, "a", "default")
    with pytest.raises(StillLeaving):
        await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="2")), await live(client))


async def test_a_wanted_state_that_the_server_refuses_is_invalid_and_remembered_as_undone(
    applier: Applier, client: HttpKubeClient
) -> None:
    made = await applier.ensure(DEPLOYMENTS, ours(deployment(replicas=2)), None)
    for _ in range(2):
        with pytest.raises(Invalid):
            await applier.ensure(DEPLOYMENTS, ours(deployment(replicas="many")), made.body)


async def test_a_tug_of_war_ends_in_a_retry_later(
    client: HttpKubeClient, server: ApiServer
) -> None:
    made = await Applier(client, MANAGER).ensure(CONFIG_MAPS, ours(config_map("a", x="1")), None)
    server.faults.add(Fault("status", verb="patch", status=409))
    with pytest.raises(RetryLater, match="5 times"):
        await Applier(client, MANAGER).ensure(CONFIG_MAPS, ours(config_map("a", x="2")), made.body)


async def test_a_dry_run_asks_the_server_and_changes_nothing(
    applier: Applier, client: HttpKubeClient
) -> None:
    dry = Applier(client, MANAGER, dry_run=True)
    body = ours(config_map("a", x="1"))
    assert (await dry.ensure(CONFIG_MAPS, body, None)).action == "created"
    assert (await client.list(CONFIG_MAPS)).items == []
    made = await applier.ensure(CONFIG_MAPS, body, None)
    assert (await dry.ensure(CONFIG_MAPS, body, made.body)).action == "unchanged"
    done = await dry.ensure(CONFIG_MAPS, ours(config_map("a", x="2")), made.body)
    assert (done.action, done.paths) == ("updated", ("data.x",))
    assert [
        each["metadata"]["name"] for each in await dry.prune(CONFIG_MAPS, "u1", [], [made.body])
    ]
    assert await live(client) == made.body


async def test_caches_are_told_of_each_answer_and_each_deletion(client: HttpKubeClient) -> None:
    told: list[tuple[str, str]] = []
    applier = Applier(
        client,
        MANAGER,
        observe=lambda kind, body: told.append((kind.plural, body["metadata"]["name"])),
        observe_deleted=lambda kind, body: told.append(("gone", body["metadata"]["name"])),
    )
    made = await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="1")), None)
    await applier.ensure(CONFIG_MAPS, ours(config_map("a", x="2")), made.body)
    await applier.prune(CONFIG_MAPS, "u1", [], [made.body])
    assert told == [("configmaps", "a"), ("configmaps", "a"), ("gone", "a")]


async def test_prune_deletes_what_is_owned_and_no_longer_wanted_and_nothing_else(
    applier: Applier, client: HttpKubeClient
) -> None:
    for name in "abc":
        await applier.ensure(CONFIG_MAPS, ours(config_map(name)), None)
    await applier.ensure(CONFIG_MAPS, ours(config_map("other"), "u2"), None)
    await client.create(CONFIG_MAPS, config_map("foreign"))
    bodies = (await client.list(CONFIG_MAPS)).items
    gone = await applier.prune(CONFIG_MAPS, "u1", [("default", "b")], bodies)
    assert sorted(key_of(each)[1] for each in gone) == ["a", "c"]
    left = [each["metadata"]["name"] for each in (await client.list(CONFIG_MAPS)).items]
    assert sorted(left) == ["b", "foreign", "other"]
    # All gone already: nothing to do, and no error.
    assert len(await applier.prune(CONFIG_MAPS, "u1", [("default", "b")], bodies)) == 2


async def test_prune_never_deletes_a_successor_of_the_same_name(
    applier: Applier, client: HttpKubeClient
) -> None:
    made = await applier.ensure(CONFIG_MAPS, ours(config_map("a")), None)
    await client.delete(CONFIG_MAPS, "a", "default")
    await client.create(CONFIG_MAPS, config_map("a", x="theirs"))
    assert await applier.prune(CONFIG_MAPS, "u1", [], [made.body]) == []
    assert (await live(client))["data"] == {"x": "theirs"}
