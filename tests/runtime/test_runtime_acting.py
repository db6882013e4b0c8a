"""Which steps of a plan don't wait: pure."""

import json
from typing import Any

import pytest

from autopilot.kube.kinds import KNOWN
from autopilot.mesh.provider import Owner
from autopilot.mesh.steps import (
    ApplyOwned,
    DeleteOwned,
    HoldReplicas,
    Plan,
    ReleaseReplicas,
)
from autopilot.overlay.record import Holder
from autopilot.runtime.acting import CachedWorld, split_plan

HOLDER = Holder("Canary", "shop", "c", "1")
ROUTES = KNOWN["virtualservices"]


def deployment(replicas: int, before: int) -> dict[str, Any]:
    mark = json.dumps(
        {
            "kind": HOLDER.kind,
            "namespace": HOLDER.namespace,
            "name": HOLDER.name,
            "uid": HOLDER.uid,
            "before": before,
            "after": replicas,
            "at": "2026-01-01T00:00:00+00:00",
            "seen": before,
        }
    )
    return {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "resourceVersion": "1",
            "annotations": {"autopilot.mesh/scaled": mark},
        },
        "spec": {"replicas": replicas},
    }


def apply(moves: Any) -> ApplyOwned:
    return ApplyOwned(ROUTES, {"metadata": {"name": "web"}}, None, moves, moves)


@pytest.mark.parametrize(
    ("step", "at_once"),
    [
        (apply("back"), True),
        (apply("forward"), False),
        (apply("neutral"), False),
        (DeleteOwned(ROUTES, {}, "back", "gone"), False),
        (ReleaseReplicas(deployment(0, 4), HOLDER, "back", "0 to 4"), True),
        (ReleaseReplicas(deployment(5, 2), HOLDER, "back", "5 to 2"), False),
        (HoldReplicas(deployment(4, 4), HOLDER, 0, False, "forward", "4 to 0", ""), False),
    ],
)
def test_only_what_moves_back_and_takes_nothing_away_goes_first(step: Any, at_once: bool) -> None:
    refused = (RuntimeError("x"),)
    back, rest = split_plan(Plan((step,), refused))  # type: ignore[arg-type]
    assert (back.steps, rest.steps) == (((step,), ()) if at_once else ((), (step,)))
    assert (back.refused, rest.refused) == ((), refused)


def test_the_rest_keeps_its_order() -> None:
    steps = (apply("forward"), apply("back"), DeleteOwned(ROUTES, {}, "back", ""), apply("neutral"))
    back, rest = split_plan(Plan(steps))
    assert back.steps == steps[1:2]
    assert rest.steps == (steps[0], *steps[2:])


def test_a_kind_that_is_not_observed_is_no_empty_list() -> None:
    assert CachedWorld({}).objects(ROUTES) is None
    assert Owner(ROUTES, "shop", "c", "1", "op").holder.uid == "1"
