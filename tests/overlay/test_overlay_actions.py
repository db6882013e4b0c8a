"""Random actions by several resources on random VirtualServices: what holds whatever happens."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
from action_kit import HOLDERS, World, asked, objects
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_kit import content, owners, unmarked

from autopilot.overlay.record import read
from autopilot.overlay.values import clone
from autopilot.overlay.wish import is_inserted

if TYPE_CHECKING:
    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Overlaid

Asked = tuple[str, "list[Overlaid]"]


def cases(number: int) -> int:
    """Fifty times as many in the slow lane."""
    return number * 50 if os.environ.get("AUTOPILOT_HYPOTHESIS") == "searching" else number


def check(body: Body) -> None:
    """What every state on the way keeps to."""
    protections = [each for each in read(body).overlays if each.effect == "protection"]
    for route in body["spec"]["http"]:
        entries = route.get("route") or []
        if len(entries) > 1:
            assert sum(entry["weight"] for entry in entries) == 100
            assert all(type(entry["weight"]) is int for entry in entries)
        shares = [part.get("percentage") for part in (route.get("fault") or {}).values()]
        shares += [each.get("percentage") for each in route.get("mirrors") or ()]
        assert all(share is not None for share in shares)
    for overlay in protections:
        inserted = overlay.after.get("", {})
        assert "mirrors" not in inserted
        assert "fault" not in inserted or overlay.action == "shed" or foreign_fault(inserted)


def foreign_fault(route: Body) -> bool:
    return bool(route["fault"]["abort"]["percentage"] == {"value": 1})


def end(world: World, order: list[str]) -> None:
    for name in order:
        plan = world.sync(name, [])
        assert not plan.refused
        assert not [o for o in read(world.thing.body).overlays if o.holder.name == name]


def undone(body: Body, happened: list[Asked], order: list[str]) -> None:
    """All that was asked for, one after the other, then nothing any more: it is as it was."""
    world = World(body)
    first = clone(world.thing.body)
    for name, actions in happened:
        world.sync(name, actions)
        check(world.thing.body)
    end(world, order)
    assert content(world.thing.body) == content(first)
    assert unmarked(world.thing.body)
    assert world.thing.body["metadata"]["managedFields"] == first["metadata"]["managedFields"]


histories = st.lists(asked, min_size=1, max_size=3)
orders = st.permutations(HOLDERS)


@settings(max_examples=cases(1000), deadline=None)
@given(objects, histories, orders)
def test_undo_restores_any_virtual_service_exactly(
    body: Body, happened: list[Asked], order: list[str]
) -> None:
    undone(body, happened, order)


@settings(max_examples=cases(300), deadline=None)
@given(objects, histories)
def test_what_is_asked_for_again_is_settled(body: Body, happened: list[Asked]) -> None:
    world = World(body)
    for name, actions in happened:
        world.sync(name, actions)
        again = world.plan(name, actions)
        assert not again.changes
        assert {step.moves for step in again.steps} <= {"neutral"}


def rewritten(body: Body, index: int, value: int) -> None:
    theirs = [each for each in body["spec"]["http"] if not is_inserted(each)]
    theirs[index % len(theirs)]["rewrite"] = {"uri": f"/{value}"}
    body["metadata"].setdefault("annotations", {})[f"n{value}"] = "theirs"


edits = st.tuples(st.integers(0, 3), st.integers(1, 9))


@settings(max_examples=cases(500), deadline=None)
@given(objects, st.lists(st.tuples(asked, st.none() | edits), min_size=1, max_size=4), orders)
def test_undo_restores_all_but_the_edits_of_others(
    body: Body, happened: list[tuple[Asked, tuple[int, int] | None]], order: list[str]
) -> None:
    world, shadow = World(body), World(body)
    for (name, actions), edit in happened:
        world.sync(name, actions)
        if edit is not None:
            for each in (world, shadow):
                each.thing.edit(partial(rewritten, index=edit[0], value=edit[1]))
    end(world, order)
    assert content(world.thing.body) == content(shadow.thing.body)
    assert unmarked(world.thing.body)


class Killed(BaseException):
    """As SIGKILL."""


class Mortal:
    """Dies at the write after so many."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def __call__(self) -> None:
        if not self.left:
            raise Killed
        self.left -= 1


@settings(max_examples=cases(200), deadline=None)
@given(objects, histories, st.integers(0, 12), orders)
def test_killed_before_any_write_the_marks_tell_the_next_process_all(
    body: Body, happened: list[Asked], writes: int, order: list[str]
) -> None:
    world = World(body)
    first = clone(world.thing.body)
    mortal = Mortal(writes)
    try:
        for name, actions in happened:
            world.sync(name, actions, mortal)
        for name in order:
            world.sync(name, [], mortal)
    except Killed:
        if owners(world.thing.body) != owners(first):
            assert read(world.thing.body).labelled
        check(world.thing.body)
    end(world, order)
    assert content(world.thing.body) == content(first)
    assert unmarked(world.thing.body)


def test_the_generator_reaches_refusals_inserts_and_fields() -> None:
    """The properties above would hold of nothing, too."""
    seen: set[str] = set()

    @settings(max_examples=200, deadline=None, database=None)
    @given(objects, asked)
    def look(body: Body, first: Asked) -> None:
        world = World(body)
        plan = world.sync(*first)
        seen.update(type(error).__name__ for error in plan.refused)
        for overlay in read(world.thing.body).overlays:
            name = overlay.locator.name
            seen.add(name[10:-11] if overlay.inserted else overlay.action)

    look()
    assert seen & {"split", "failover"}
    assert {"timeout", "retry", "fault", "mirror", "shed"} <= seen
    assert {"callers", "callers-hazard", "Foreign", "TargetMissing"} <= seen


@pytest.mark.parametrize("order", [["one", "two"], ["two", "one"]])
def test_who_lets_go_first_makes_no_difference(order: list[str]) -> None:
    from datetime import timedelta

    from overlay_kit import route, virtual_service

    from autopilot.mesh.actions import Fault, Mirror, Shed, Shift, Timeout, Where

    where = Where("web")
    one: Asked = ("one", [Shift(where, {"web": 0, "standby": 100}, "web"), Shed(where, share=10)])
    two: Asked = (
        "two",
        [Timeout(where, timedelta(seconds=1)), Fault(where, 503), Mirror(where, "api")],
    )
    undone(virtual_service(route()), [one, two, one], order)
