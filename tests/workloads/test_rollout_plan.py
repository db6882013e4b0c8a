"""The steps of a rollout, played against pods that become ready whenever they like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autopilot.sandbox.workloads.rollout import (
    Budget,
    Replicas,
    budget,
    recreate,
    resolved,
    rolling,
)


def test_a_surge_is_rounded_up_and_an_unavailability_down() -> None:
    assert resolved("25%", 3, up=True) == 1
    assert resolved("25%", 3, up=False) == 0
    assert resolved(2, 10, up=True) == 2
    assert resolved("30%", 10, up=False) == 3


def test_the_defaults_are_a_quarter_either_way() -> None:
    assert budget(None, 4) == Budget(1, 1)
    assert budget({"type": "RollingUpdate"}, 2) == Budget(1, 0)


def test_a_budget_of_nothing_lets_one_be_unavailable() -> None:
    strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}
    assert budget(strategy, 3) == Budget(0, 1)


def test_the_new_pods_come_before_the_old_ones_go() -> None:
    old, new = Replicas("old", 2, 2, 2), Replicas("new", 0, 0, 0)
    assert rolling(2, Budget(1, 0), new, [old]) == {"new": 1}
    assert rolling(2, Budget(1, 0), Replicas("new", 1, 0, 1), [old]) == {}
    assert rolling(2, Budget(1, 0), Replicas("new", 1, 1, 1), [old]) == {"old": 1}


def test_old_pods_that_serve_nobody_go_first() -> None:
    sick, well = Replicas("sick", 1, 0, 1), Replicas("well", 3, 3, 3)
    assert rolling(3, Budget(1, 0), Replicas("new", 0, 0, 0), [sick, well]) == {"sick": 0}


def test_recreate_waits_until_the_last_old_pod_is_gone() -> None:
    new = Replicas("new", 0, 0, 0)
    assert recreate(2, new, [Replicas("old", 2, 2, 2)]) == {"old": 0}
    assert recreate(2, new, [Replicas("old", 0, 0, 1)]) == {}
    assert recreate(2, new, [Replicas("old", 0, 0, 0)]) == {"new": 2}


@given(
    replicas=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    start=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    luck=st.lists(st.integers(0, 3), min_size=400, max_size=400),
)
def test_a_rollout_ends_and_keeps_its_promises_on_the_way(
    replicas: int, surge: int, unavailable: int, start: list[int], luck: list[int]
) -> None:
    if surge == 0 and unavailable == 0:
        unavailable = 1
    limits = Budget(surge, min(unavailable, replicas))
    wanted = {f"old{n}": count for n, count in enumerate(start)} | {"new": 0}
    ready = dict(wanted)
    began = sum(start)
    for chance in luck:
        seen = {n: Replicas(n, wanted[n], min(ready[n], wanted[n]), wanted[n]) for n in wanted}
        available_before = sum(one.available for one in seen.values())
        step = rolling(replicas, limits, seen["new"], [seen[n] for n in wanted if n != "new"])
        wanted |= step
        ready = {n: min(ready[n], wanted[n]) for n in wanted}
        assert sum(wanted.values()) <= max(replicas + limits.surge, began)
        if step:
            floor = min(available_before, replicas - limits.unavailable)
            assert sum(ready.values()) >= floor
        for name in wanted:
            ready[name] = min(wanted[name], ready[name] + chance)
    assert wanted == {**dict.fromkeys(wanted, 0), "new": replicas}
