"""Guardrails over operators of anybody's making: splits and replicas on the SDK's contract."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from guard_kit import world

from autopilot.kube.kinds import ResourceType
from autopilot.mesh.actions import Scale, Split
from autopilot.runtime.definition import OperatorDefinition, PhaseDefinition
from autopilot.runtime.result import Result
from autopilot.spec.guardrails import Guardrails
from autopilot.spec.model import Spec, Status
from autopilot.testing.flight import Flight

if TYPE_CHECKING:
    from pathlib import Path

RAMP = ResourceType("test.autopilot.mesh", "v1", "ramps", "Ramp")


class RampSpec(Spec):
    wanted: str = "Waiting"
    steps: tuple[int, ...] = (10, 40, 100)


class RampStatus(Status):
    step: int = 0


def split(share: int) -> Split:
    weights = {"checkout": 100 - share, "checkout-standby": share}
    return Split("checkout", weights, stable="checkout")


def waiting(res: Any, inputs: Any, ctx: Any) -> Any:
    if res.spec.wanted == "Climbing":
        return Result.to("Climbing", status={"step": 0}, actions=[split(res.spec.steps[0])])
    return Result.stay(actions=[split(0)])


def climbing(res: Any, inputs: Any, ctx: Any) -> Any:
    if res.spec.wanted == "Back":
        return Result.to("Fallen", actions=[split(0)])
    step = res.status.step
    if ctx.due and step + 1 < len(res.spec.steps):
        step += 1
    after = timedelta(seconds=10)
    return Result.stay(status={"step": step}, actions=[split(res.spec.steps[step])], after=after)


def fallen(res: Any, inputs: Any, ctx: Any) -> Any:
    return Result.stay(actions=[split(0)])


def definition() -> OperatorDefinition:
    acts = ("split",)
    return OperatorDefinition(
        "ramp",
        RAMP,
        (
            PhaseDefinition("Waiting", waiting, initial=True, actions=acts),
            PhaseDefinition("Climbing", climbing, actions=acts),
            PhaseDefinition("Fallen", fallen, actions=acts),
        ),
        spec=RampSpec,
        status=RampStatus,
    )


def ramp(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": RAMP.api_version,
        "kind": RAMP.kind,
        "metadata": {"name": "r", "namespace": "shop"},
        "spec": spec,
    }


def share(f: Flight) -> int:
    found = f.get("VirtualService", "checkout", "shop")
    ways = found.at("spec.http.0.route") if found else ()
    return sum(w["weight"] for w in ways if "standby" in w["destination"]["host"])


def condition(f: Flight, kind: str) -> dict[str, Any]:
    status = f.resource("r", "shop").thaw().get("status") or {}
    return next((dict(c) for c in status.get("conditions", ()) if c["type"] == kind), {})


def flight(tmp_path: Path, made: OperatorDefinition | None = None, **guardrails: Any) -> Flight:
    limits = Guardrails.model_validate(guardrails)
    return Flight(made or definition(), folder=tmp_path, guardrails=limits)


def prepare(f: Flight) -> None:
    world(f)
    f.delete("VirtualService", "checkout", "shop")


async def test_without_limits_nothing_changes_for_anybody(tmp_path: Path) -> None:
    async with flight(tmp_path) as f:
        prepare(f)
        f.apply(ramp(wanted="Climbing"))
        await f.advance("1m")
        assert share(f) == 100
        assert not condition(f, "Latched")


async def test_a_step_that_is_too_long_is_neither_written_nor_remembered(tmp_path: Path) -> None:
    async with flight(tmp_path, maxStep="30%") as f:
        prepare(f)
        f.apply(ramp(wanted="Climbing"))
        await f.advance("5m")
        assert share(f) == 40
        assert condition(f, "Latched")["reason"] == "MaxStep"
        assert f.resource("r", "shop").status["step"] == 1
        # A new spec is a new start; and a rollback would have passed in any case.
        f.apply(ramp(wanted="Back"))
        await f.advance("10s")
        assert (f.resource("r", "shop").phase, share(f)) == ("Fallen", 0)


async def test_a_rollback_passes_as_its_writes_show_what_it_is(tmp_path: Path) -> None:
    async with flight(tmp_path, maxTransitions={"count": 1, "per": "1h"}) as f:
        prepare(f)
        f.apply(ramp(wanted="Climbing", steps=[10]))
        await f.advance("30s")
        assert share(f) == 10
        f.apply(ramp(wanted="Back", steps=[10]))
        await f.advance("10s")
        assert (f.resource("r", "shop").phase, share(f)) == ("Fallen", 0)
        assert not condition(f, "Latched")


@pytest.mark.parametrize("name", ["kube-system", "istio-system", "autopilot-system"])
async def test_protected_namespaces_are_so_by_default(tmp_path: Path, name: str) -> None:
    async with flight(tmp_path) as f:
        world(f, name)
        f.delete("VirtualService", "checkout", name)
        body = ramp(wanted="Climbing")
        body["metadata"]["namespace"] = name
        f.apply(body)
        await f.advance("1m")
        assert f.get("VirtualService", "checkout", name) is None
        status = f.resource("r", name).thaw()["status"]
        stalled = next(c for c in status["conditions"] if c["type"] == "Stalled")
        assert (stalled["status"], stalled["reason"]) == ("True", "Protected")


async def test_replicas_held_for_somebody_who_is_gone_are_reported(tmp_path: Path) -> None:
    def holds(res: Any, inputs: Any, ctx: Any) -> Any:
        return Result.stay(actions=[Scale("web", 0)])

    made = OperatorDefinition(
        "ramp", RAMP, (PhaseDefinition("Holding", holds, initial=True, actions=("scale",)),)
    )
    async with flight(tmp_path, made) as f:
        world(f)
        f.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [{"name": "c", "image": "i"}]},
                    },
                },
            },
            ramp(),
        )
        await f.settle()
        held = f.get("Deployment", "web", "shop")
        assert held is not None and held.at("spec.replicas") == 0
        orphans = "autopilot_orphaned_protections"
        value = f.runtime.metrics.registry.get_sample_value
        store = f.server.store
        await f.advance("40s")
        assert value(orphans) == 0
        store.merge(RAMP.qualified, "r", {"metadata": {"finalizers": None}}, "shop")
        store.delete(RAMP.qualified, "r", "shop")
        await f.advance("40s")
        assert value(orphans) == 1
        assert f.get("Deployment", "web", "shop").at("spec.replicas") == 0
