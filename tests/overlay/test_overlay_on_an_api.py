"""Overlays carried out against a real API server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from overlay_kit import (
    RULES,
    VIRTUAL_SERVICES,
    abort,
    content,
    holder,
    named,
    route,
    unmarked,
    virtual_service,
    weights,
)

from autopilot.base.clock import SystemClock, VirtualClock
from autopilot.base.errors import RetryLater
from autopilot.kube.client import Conflict, FieldConflict, Invalid, Unavailable
from autopilot.kube.kinds import CUSTOM_RESOURCE_DEFINITIONS
from autopilot.kube.marks import OVERLAID, OVERLAY
from autopilot.overlay.drift import Drift
from autopilot.overlay.errors import Contested, Held, NotThere
from autopilot.overlay.execute import ATTEMPTS, Hands, Target, put, take_back
from autopilot.overlay.places import Places
from autopilot.overlay.record import Holder, read
from autopilot.overlay.sweep import holders, sweep
from autopilot.overlay.values import clone
from autopilot.overlay.wish import Wish
from autopilot.sandbox.apiserver.faults import Effect, Fault

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.kube.http import HttpKubeClient
    from autopilot.sandbox.apiserver.server import ApiServer

WEB = Target(VIRTUAL_SERVICES, "web", "shop")
MANIFEST = virtual_service(route("a", timeout="3s"), route("b"), labels={"app": "web"})


def fault(percent: float = 10, who: Holder | None = None, **more: Any) -> Wish:
    fields = {"/fault": abort(percent)}
    return Wish(who or holder(), "fault", "hazard", named("a"), fields, **more)


def failover(who: Holder | None = None) -> Wish:
    fields = {"/route": weights(standby=100)}
    return Wish(who or holder(), "failover", "protection", named("a"), fields)


async def applied(client: HttpKubeClient, body: Body = MANIFEST) -> Body:
    return await client.apply(VIRTUAL_SERVICES, body, manager="helm", force=False)


async def rule(client: HttpKubeClient, name: str, *finalizers: str) -> Holder:
    body = {
        "apiVersion": RULES.api_version,
        "kind": "Rule",
        "metadata": {"name": name, "namespace": "shop", "finalizers": [*finalizers]},
    }
    made = await client.create(RULES, body, "shop")
    return Holder("Rule", "shop", name, made["metadata"]["uid"])


async def live(client: HttpKubeClient) -> Body:
    return await client.get(VIRTUAL_SERVICES, "web", "shop")


async def test_field_and_record_appear_in_one_write(client: HttpKubeClient, hands: Hands) -> None:
    first = await applied(client)
    stream = client.watch(
        VIRTUAL_SERVICES, "shop", resource_version=first["metadata"]["resourceVersion"]
    )
    assert (await anext(stream)).type == "BOOKMARK"
    done = await put(hands, WEB, fault())
    assert done.change == "new"
    event = await asyncio.wait_for(anext(stream), 5)
    body = event.object
    assert body["spec"]["http"][0]["fault"] == abort()
    assert body["metadata"]["labels"] == {"app": "web", OVERLAID: "true"}
    (overlay,) = read(body).overlays
    assert overlay.target == first["metadata"]["uid"]
    assert [key for key in body["metadata"]["annotations"] if key.startswith(OVERLAY)]
    assert (await live(client))["metadata"]["resourceVersion"] == body["metadata"][
        "resourceVersion"
    ]
    await stream.aclose()


async def test_an_owner_applies_again_after_an_undo_without_conflict_and_owns_as_before(
    client: HttpKubeClient, hands: Hands
) -> None:
    first = await applied(client)
    for step in (1, 10, 50):
        await put(hands, WEB, fault(step))
    await put(hands, WEB, failover(holder("two")))
    changed = clone(MANIFEST)
    changed["spec"]["http"][1]["timeout"] = "9s"
    with pytest.raises(FieldConflict, match="autopilot-overlay"):
        await applied(client, changed)
    outcomes = await take_back(hands, WEB, lambda each: each.holder.name == "two")
    outcomes += await take_back(hands, WEB, lambda each: each.holder.name == "one")
    assert [each.how for each in outcomes] == ["restored", "restored"]
    undone = await live(client)
    assert content(undone) == content(first)
    assert undone["metadata"]["managedFields"] == first["metadata"]["managedFields"]
    again = await applied(client)
    assert again["metadata"]["managedFields"] == first["metadata"]["managedFields"]
    assert again["metadata"]["resourceVersion"] == undone["metadata"]["resourceVersion"]
    await applied(client, changed)
    assert (await live(client))["spec"] == changed["spec"]


async def test_an_overlay_that_stands_costs_no_call_when_a_cache_knows_the_object(
    client: HttpKubeClient, server: ApiServer, hands: Hands
) -> None:
    await applied(client)
    await put(hands, WEB, fault())
    cached = await live(client)
    del cached["metadata"]["managedFields"]
    seen: list[Body] = []
    watched = replace(hands, observe=lambda _, body: seen.append(body))
    server.faults.add(Fault("status", status=503))
    assert (await put(watched, WEB, fault(), cached)).change == "none"
    assert not await take_back(watched, WEB, lambda _: False, cached)
    with pytest.raises(Unavailable):
        await put(watched, WEB, fault(20), cached)
    server.faults.clear()
    await put(watched, WEB, fault(20), cached)
    assert [body["spec"]["http"][0]["fault"] for body in seen] == [abort(20)]
    assert (await live(client))["metadata"]["managedFields"]


class Racing:
    """A client to which somebody else is faster: before each patch, an edit."""

    def __init__(self, client: HttpKubeClient, races: int) -> None:
        self._client = client
        self.races = races

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def patch(self, *args: Any, **more: Any) -> Body:
        if self.races:
            self.races -= 1
            body = await live(self._client)
            body["spec"]["http"].insert(0, route(f"new-{self.races}"))
            await self._client.replace(VIRTUAL_SERVICES, body, manager="kubectl-edit")
        return await self._client.patch(*args, **more)


async def test_who_is_faster_is_read_again_and_planned_on(
    client: HttpKubeClient, hands: Hands
) -> None:
    await applied(client)
    racing = Racing(client, ATTEMPTS - 1)
    slow: Any = replace(hands, client=racing)  # type: ignore[arg-type]
    await put(slow, WEB, fault())
    body = await live(client)
    faults = {each["name"]: each.get("fault") for each in body["spec"]["http"]}
    assert faults == {f"new-{n}": None for n in range(4)} | {"a": abort(), "b": None}
    racing.races = ATTEMPTS
    with pytest.raises(RetryLater, match="changed under us 5 times"):
        await put(slow, WEB, fault(20))
    racing.races = 2
    await take_back(slow, WEB, lambda _: True)
    assert unmarked(await live(client))


async def test_a_value_that_the_schema_refuses_is_said_at_once(
    client: HttpKubeClient, hands: Hands
) -> None:
    await applied(client)
    wrong = Wish(holder(), "fault", "hazard", named("a"), {"/fault": "no object"})
    with pytest.raises(Invalid):
        await put(hands, WEB, wrong)
    assert not read(await live(client)).any
    with pytest.raises(NotThere, match="VirtualService shop/nothing isn't there"):
        await put(hands, replace(WEB, name="nothing"), fault())
    assert await take_back(hands, replace(WEB, name="nothing"), lambda _: True) == ()


async def test_a_write_that_is_stopped_writes_nothing(client: HttpKubeClient, hands: Hands) -> None:
    def lost() -> None:
        raise RetryLater("the lease is lost")

    first = await applied(client)
    with pytest.raises(RetryLater, match="lease"):
        await put(replace(hands, before_write=lost), WEB, fault())
    assert await live(client) == first


async def test_a_foreign_change_is_repaired_three_times_then_hands_off(
    client: HttpKubeClient,
) -> None:
    clock = VirtualClock()
    hands = Hands(client, clock, Drift(clock))
    await applied(client)
    await put(hands, WEB, fault())

    async def meddle() -> None:
        body = await live(client)
        body["spec"]["http"][0]["fault"] = abort(99)
        await client.replace(VIRTUAL_SERVICES, body, manager="kubectl-edit")

    for _ in range(3):
        await meddle()
        assert (await put(hands, WEB, fault())).change == "repair"
    await meddle()
    for _ in range(2):
        with pytest.raises(Contested, match="3 times in 10 minutes"):
            await put(hands, WEB, fault())
    clock.move(700)
    with pytest.raises(Contested):
        await put(hands, WEB, fault())
    assert (await live(client))["spec"]["http"][0]["fault"] == abort(99)
    assert (await put(hands, WEB, fault(30))).change == "repair"
    assert (await put(hands, WEB, fault(30))).change == "none"


async def test_repairs_that_lie_far_apart_contest_nothing(client: HttpKubeClient) -> None:
    clock = VirtualClock()
    drift = Drift(clock)
    for _ in range(10):
        drift.allow("key", {}, "it")
        drift.made("key")
        clock.move(201)


async def test_the_sweep_undoes_the_hazard_of_a_force_deleted_holder_and_leaves_the_protection(
    client: HttpKubeClient, hands: Hands
) -> None:
    await applied(client)
    gone = await rule(client, "gone", "autopilot.mesh/finalizer")
    there = await rule(client, "there")
    await put(hands, WEB, fault(10, gone))
    await put(hands, WEB, failover(gone))
    retries = {"/retries": {"attempts": 1}}
    await put(hands, WEB, Wish(there, "retry", "hazard", named("b"), retries))
    alive = holders(client, {"Rule": RULES})
    swept = await sweep(hands, [VIRTUAL_SERVICES], alive)
    assert (swept.decision.undo, swept.failed) == ((), ())
    # Force-deleted: the finalizer is taken away by hand, so no worker of its own cleans up.
    await client.delete(RULES, "gone", "shop")
    await client.patch(RULES, "gone", "shop", {"metadata": {"finalizers": None}})
    swept = await sweep(hands, [VIRTUAL_SERVICES], alive)
    assert [(each.overlay.action, each.reason) for each in swept.decision.undo] == [
        ("fault", "holder gone")
    ]
    assert [(each.overlay.action, each.reason) for each in swept.decision.stay] == [
        ("failover", "holder gone"),
        ("retry", None),
    ]
    assert [each.how for each in swept.outcomes] == ["restored"]
    body = await live(client)
    assert body["spec"]["http"] == [
        route("a", timeout="3s") | {"route": weights(standby=100)},
        route("b", retries={"attempts": 1}),
    ]
    await take_back(hands, WEB, lambda _: True)
    assert unmarked(await live(client))


async def test_a_deleted_crd_is_a_holder_that_is_gone_and_an_outage_is_none(
    client: HttpKubeClient, server: ApiServer, hands: Hands
) -> None:
    await applied(client)
    await put(hands, WEB, fault(10, await rule(client, "one")))
    alive = holders(client, {"Rule": RULES})
    server.faults.add(Fault("status", status=503, resource=RULES.plural))
    swept = await sweep(hands, [VIRTUAL_SERVICES], alive)
    assert not swept.decision.undo
    assert not (await sweep(hands, [VIRTUAL_SERVICES], holders(client, {}))).decision.undo
    server.faults.clear()
    await client.delete(CUSTOM_RESOURCE_DEFINITIONS, RULES.qualified)
    async with asyncio.timeout(10):
        while not (await sweep(hands, [VIRTUAL_SERVICES], alive)).decision.undo:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert unmarked(await live(client))


async def test_a_hazard_past_its_deadline_is_undone_though_its_holder_lives(
    client: HttpKubeClient, hands: Hands
) -> None:
    await applied(client)
    who = await rule(client, "one")
    now = SystemClock().now()
    await put(hands, WEB, fault(10, who, deadline=now + timedelta(hours=1)))
    alive = holders(client, {"Rule": RULES})
    assert not (await sweep(hands, [VIRTUAL_SERVICES], alive)).decision.undo
    await put(hands, WEB, fault(10, who, deadline=now - timedelta(seconds=1)))
    (due,) = (await sweep(hands, [VIRTUAL_SERVICES], alive)).decision.undo
    assert due.reason == "deadline passed"
    assert unmarked(await live(client))


async def test_a_mark_that_was_copied_along_to_another_object_is_no_ones(
    client: HttpKubeClient, hands: Hands
) -> None:
    await applied(client)
    who = await rule(client, "one")
    await put(hands, WEB, fault(10, who))
    body = await live(client)
    copied = {**body, "metadata": {k: body["metadata"][k] for k in ("labels", "annotations")}}
    copied["metadata"]["name"] = "copy"
    await client.create(VIRTUAL_SERVICES, copied, "shop", manager="kubectl-create")
    swept = await sweep(hands, [VIRTUAL_SERVICES], holders(client, {"Rule": RULES}))
    assert [(each.target.name, each.reason) for each in swept.decision.undo] == [("copy", "copied")]
    other = await client.get(VIRTUAL_SERVICES, "copy", "shop")
    assert other["spec"]["http"] == MANIFEST["spec"]["http"]
    assert unmarked(other)
    assert read(await live(client)).overlays


async def test_killed_between_the_two_writes_of_an_undo_the_sweep_gives_the_owners_back(
    client: HttpKubeClient, hands: Hands
) -> None:
    first = await applied(client)
    await put(hands, WEB, fault())
    writes = iter([None, RuntimeError("killed")])

    def kill() -> None:
        if error := next(writes):
            raise error

    with pytest.raises(RuntimeError, match="killed"):
        await take_back(replace(hands, before_write=kill), WEB, lambda _: True)
    between = await live(client)
    assert between["spec"] == first["spec"]
    with pytest.raises(FieldConflict):
        await applied(client, virtual_service(route("z"), labels={"app": "web"}))
    swept = await sweep(hands, [VIRTUAL_SERVICES], holders(client, {}))
    assert swept.decision.unfinished == (WEB,)
    body = await live(client)
    assert content(body) == content(first)
    assert body["metadata"]["managedFields"] == first["metadata"]["managedFields"]


async def test_one_kind_that_cannot_be_listed_and_one_object_that_fails_hinder_no_other(
    client: HttpKubeClient, server: ApiServer, hands: Hands
) -> None:
    for name in ("web", "api"):
        await client.apply(VIRTUAL_SERVICES, virtual_service(route("a"), name=name), manager="helm")
        await put(hands, Target(VIRTUAL_SERVICES, name, "shop"), fault())
    absent = replace(VIRTUAL_SERVICES, plural="nothings", kind="Nothing")
    server.faults.add(Fault("status", status=503, verb="patch", name="api"))
    swept = await sweep(hands, [absent, VIRTUAL_SERVICES], dead)
    assert [what for what, _ in swept.failed] == ["VirtualService shop/api"]
    assert unmarked(await live(client))
    server.faults.clear()
    assert not (await sweep(hands, [VIRTUAL_SERVICES], dead)).failed
    assert unmarked(await client.get(VIRTUAL_SERVICES, "api", "shop"))


async def dead(_: Holder) -> bool | None:
    return False


async def test_of_two_that_race_for_a_field_one_gets_it(
    client: HttpKubeClient, hands: Hands
) -> None:
    await applied(client)
    wishes = [fault(n, holder(f"r{n}")) for n in range(1, 5)]
    results = await asyncio.gather(
        *(put(hands, WEB, wish) for wish in wishes), return_exceptions=True
    )
    (won,) = [each for each in results if not isinstance(each, BaseException)]
    lost = [each for each in results if isinstance(each, Held)]
    assert len(lost) == 3
    assert {each.holder for each in lost} == {f"{won.overlay.holder} (fault)"}
    assert not any(isinstance(each, Conflict) for each in results)


async def test_overlays_that_others_made_alike_wait_for_a_person_and_are_undone_when_told_apart(
    client: HttpKubeClient, hands: Hands
) -> None:
    first = virtual_service(route("", "web"), route("", "api"))
    await applied(client, first)
    body = await live(client)
    where = [Places(body, ()).locator("/spec/http", index) for index in (0, 1)]
    hazard = Wish(holder(), "fault", "hazard", where[0], {"/fault": abort()})
    moved = Wish(holder(), "split", "protection", where[1], {"/route": weights(x=1, y=99)})
    await put(hands, WEB, hazard)
    await put(hands, WEB, moved)
    body = await live(client)
    # Somebody gives the first route the second one's weights, and copies it with its fault.
    body["spec"]["http"][0]["route"] = weights(x=1, y=99)
    copied = clone(body["spec"]["http"][0])
    body["spec"]["http"].append(copied)
    await client.replace(VIRTUAL_SERVICES, body, manager="kubectl-edit")
    outcomes = await take_back(hands, WEB, lambda _: True)
    assert {each.how for each in outcomes} == {"unclear"}
    assert len(read(await live(client)).overlays) == 2
    body = await live(client)
    body["spec"]["http"].pop()
    body["spec"]["http"][0]["route"] = route("", "web")["route"]
    await client.replace(VIRTUAL_SERVICES, body, manager="kubectl-edit")
    outcomes = await take_back(hands, WEB, lambda _: True)
    assert {each.how for each in outcomes} == {"restored"}
    assert (await live(client))["spec"] == first["spec"]


@pytest.mark.parametrize("effect", ["cut", "cut-after"])
async def test_a_write_whose_answer_is_lost_is_gone_on_from_by_the_next_run(
    client: HttpKubeClient, server: ApiServer, hands: Hands, effect: Effect
) -> None:
    first = await applied(client)
    for skip in (0, 1):
        await put(hands, WEB, failover())
        server.faults.add(Fault(effect, verb="patch", skip=skip, count=1))
        with pytest.raises(Unavailable):
            await take_back(hands, WEB, lambda _: True)
        server.faults.clear()
        await take_back(hands, WEB, lambda _: True)
        body = await live(client)
        assert content(body) == content(first)
        assert body["metadata"]["managedFields"] == first["metadata"]["managedFields"]
    server.faults.add(Fault(effect, verb="patch", count=1))
    with pytest.raises(Unavailable):
        await put(hands, WEB, failover())
    await put(hands, WEB, failover())
    await take_back(hands, WEB, lambda _: True)
    assert unmarked(await live(client))
