"""Objects found by host and by holder, without a look at all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_kit import NOW, VIRTUAL_SERVICES, foreign, owner

from autopilot.kube.cache import CacheUnavailable
from autopilot.mesh.istio.index import Index
from autopilot.overlay.apply import plan
from autopilot.overlay.locate import Locator
from autopilot.overlay.wish import Wish
from autopilot.runtime.acting import CachedWorld

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autopilot.kube.client import Body


def body(name: str, version: int = 1, **meta: Any) -> Body:
    made = foreign(name, [name])
    made["spec"]["http"][0]["name"] = "all"
    made["metadata"] |= {"resourceVersion": str(version), **meta}
    return made


def overlaid(name: str, uid: str = "uid-1") -> Body:
    holder = owner(uid=uid).holder
    wish = Wish(holder, "timeout", "protection", Locator("/spec/http", "all"), {"/timeout": "1s"})
    return plan(body(name), wish, NOW).body


def test_an_object_is_found_by_its_hosts_its_holders_and_its_owner() -> None:
    held, bare = overlaid("a"), body("b", labels={"autopilot.mesh/overlaid": "true"})
    mine = body("c", labels={"autopilot.mesh/owner-uid": "uid-9"})
    index = Index.of([held, bare, mine])
    assert index.by_host["b.demo.svc.cluster.local"] == [bare]
    # A successor, made anew under the name, finds what the one before it held.
    assert index.held_by(owner(uid="uid-next").holder) == [held]
    assert index.held_by(owner("other").holder) == []
    assert index.bare == [bare]
    assert (index.owned_by("uid-9"), index.owned_by("uid-1")) == ([mine], [])


def test_what_is_being_deleted_is_found_no_more() -> None:
    index = Index.of([{**overlaid("a"), "metadata": {**overlaid("a")["metadata"]}}])
    leaving = overlaid("a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    then = Index.of([leaving], index)
    assert (then.by_host, then.bare, then.held_by(owner().holder)) == ({}, [], [])


class Counted:
    """A cache as far as a world looks at it."""

    def __init__(self, *bodies: Body) -> None:
        self.bodies, self.changes, self.available, self.absent = [*bodies], 0, True, False

    def list(self, namespace: str | None = None) -> list[Body]:
        assert namespace is None
        if not self.available:
            raise CacheUnavailable("not listed")
        return [*self.bodies]


def test_what_is_derived_is_made_anew_once_something_changed() -> None:
    made: list[object] = []

    def names(bodies: Iterable[Body], before: tuple[str, ...] | None) -> tuple[str, ...]:
        made.append(before)
        return tuple(each["metadata"]["name"] for each in bodies)

    cache: Any = Counted(body("a"))
    world = CachedWorld({VIRTUAL_SERVICES: cache})
    assert [world.derived(VIRTUAL_SERVICES, names) for _ in range(3)] == [("a",)] * 3
    cache.bodies.append(body("b"))
    cache.changes += 1
    assert world.derived(VIRTUAL_SERVICES, names) == ("a", "b")
    assert made == [None, ("a",)]
    cache.available = False
    with pytest.raises(CacheUnavailable):
        world.derived(VIRTUAL_SERVICES, names)
    cache.absent = True
    assert world.derived(VIRTUAL_SERVICES, names) == ()
    assert CachedWorld({}).derived(VIRTUAL_SERVICES, names) is None
