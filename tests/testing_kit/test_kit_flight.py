from dataclasses import dataclass
from typing import Any

import pytest

from autopilot.kube.kinds import ResourceType
from autopilot.mesh.actions import Scale, Split
from autopilot.runtime.definition import OperatorDefinition, PhaseDefinition
from autopilot.runtime.result import Result
from autopilot.spec.model import Spec, Status
from autopilot.telemetry.queries import QuerySet, QueryTemplate

KIND = ResourceType("kit.example.io", "v1", "lifts", "Lift")


class LiftSpec(Spec):
    floors: int = 3


class LiftStatus(Status):
    floor: int = 0


@dataclass
class Outputs:
    deployments: Any = None


async def ride(res: Any, inputs: Any, ctx: Any) -> Result[Any]:
    errors = await inputs.metrics.errors(app=res.name)
    if errors.above(0.1).is_true:
        return Result.to("Stopped", reason="TooManyErrors", actions=[split(0)])
    floor = res.status.floor
    if ctx.due and errors.below(0.1).is_true:
        floor += 1
    if floor > res.spec.floors:
        return Result.to("Arrived")
    return Result.stay(status={"floor": floor}, actions=[split(floor * 10)], after="10s")


def split(weight: int) -> Split:
    return Split(host="web", weights={"web-a": 100 - weight, "web-b": weight}, stable="web-a")


def lift() -> OperatorDefinition:
    return OperatorDefinition(
        "lift",
        KIND,
        (
            PhaseDefinition("Riding", ride, initial=True, metrics=True, actions=("split", "scale")),
            PhaseDefinition("Arrived", final=True),
            PhaseDefinition("Stopped", final=True),
        ),
        queries=QuerySet([QueryTemplate("errors", ("app",), 'e{app="{{ app }}"}')]),
        spec=LiftSpec,
        status=LiftStatus,
    )


def service(name: str, **selector: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": 80}]},
    }


def deployment(name: str, replicas: int = 1, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    }


def resource(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": KIND.api_version,
        "kind": "Lift",
        "metadata": {"name": "l"},
        "spec": spec,
    }


def shop(f: Any) -> None:
    f.apply(service("web", app="web"), service("web-a", app="a"), service("web-b", app="b"))
    f.apply(deployment("a", app="a"), deployment("b", app="b"), deployment("w", app="web"))


def weights(f: Any) -> dict[str, int]:
    route = f.get("VirtualService", "web").at("spec.http.0.route")
    return {entry.at("destination.host"): entry["weight"] for entry in route}


async def test_a_flight_climbs_with_time_and_moves_the_traffic(flight: Any) -> None:
    async with flight(lift(), workloads=True) as f:
        f.samples.set("errors", 0.0)
        shop(f)
        f.apply(resource())
        await f.settle()
        assert f.resource().phase == "Riding"
        assert weights(f) == {"web-a": 90, "web-b": 10}
        await f.advance("9s")
        assert f.resource().status["floor"] == 1
        await f.advance("1s")
        assert weights(f) == {"web-a": 80, "web-b": 20}
        await f.advance("20s")
        assert f.resource().phase == "Arrived"
        assert f.history == ["Riding", "Arrived"]
        assert "Arrived" in [event["reason"] for event in f.events]


async def test_a_breach_is_seen_at_the_next_scrape_and_moves_traffic_back(flight: Any) -> None:
    async with flight(lift(), workloads=True, interval="500ms") as f:
        f.samples.set("errors", 0.0)
        shop(f)
        f.apply(resource())
        await f.advance("12s")
        assert weights(f)["web-b"] == 20
        f.samples.set("errors", 0.5)
        await f.advance("500ms")
        assert f.resource().phase == "Stopped"
        assert f.resource().reason == "TooManyErrors"
        assert weights(f) == {"web-a": 100, "web-b": 0}


async def test_without_data_it_holds_and_a_restart_does_not_hurry_it(flight: Any) -> None:
    async with flight(lift(), workloads=True) as f:
        f.samples.set("errors", 0.0)
        shop(f)
        f.apply(resource())
        await f.advance("4s")
        assert f.resource().status["floor"] == 1
        for _ in range(3):
            await f.restart()
        assert f.resource().status["floor"] == 1
        await f.advance("5s")
        assert f.resource().status["floor"] == 1
        await f.advance("1s")
        assert f.resource().status["floor"] == 2
        f.samples.down()
        await f.advance("1m")
        assert f.resource().status["floor"] == 2
        f.samples.up()
        await f.advance("10s")
        assert f.resource().status["floor"] == 3


async def test_a_host_without_ready_pods_gets_no_traffic_until_it_is_marked_ready(
    flight: Any,
) -> None:
    async with flight(lift()) as f:
        f.samples.set("errors", 0.0)
        shop(f)
        f.apply(resource())
        await f.advance("3s")
        assert f.get("VirtualService", "web") is None
        assert f.resource().reason == "WouldStarve"
        f.workloads = True
        await f.advance("30s")
        assert f.get("VirtualService", "web") is not None


async def test_deleting_gives_the_replicas_back_before_the_route_goes(flight: Any) -> None:
    def hold(res: Any, inputs: Any, ctx: Any) -> Result[Any]:
        return Result.stay(actions=[split(0), Scale("w", 0)])

    phase = PhaseDefinition("Riding", hold, initial=True, actions=("split", "scale"))
    definition = OperatorDefinition("lift", KIND, (phase,), spec=LiftSpec, status=LiftStatus)
    async with flight(definition, workloads=True) as f:
        shop(f)
        f.apply(deployment("w", 4, app="web"), resource())
        await f.advance("1s")
        assert f.get("Deployment", "w").at("spec.replicas") == 0
        assert f.resource().at("metadata.finalizers") == ("autopilot.mesh/finalizer",)
        f.workloads = False
        f.delete("Lift", "l")
        await f.advance("5s")
        assert f.get("Deployment", "w").at("spec.replicas") == 4
        assert f.get("VirtualService", "web") is not None, "the route goes once pods are ready"
        assert f.get("Lift", "l") is not None
        f.workloads = True
        await f.advance("10s")
        assert f.get("VirtualService", "web") is None
        assert f.get("Lift", "l") is None
        assert "autopilot.mesh/scaled" not in (
            f.get("Deployment", "w").at("metadata.annotations") or {}
        )


async def test_a_duration_that_is_none_is_refused(flight: Any) -> None:
    async with flight(lift()) as f:
        with pytest.raises(ValueError, match="unit"):
            await f.advance("30")


async def test_a_route_that_is_edited_by_hand_is_repaired_once(flight: Any) -> None:
    async with flight(lift(), workloads=True) as f:
        f.samples.set("errors", 0.0)
        shop(f)
        f.apply(resource())
        await f.advance("4s")
        route = f.get("VirtualService", "web").thaw()
        route["spec"]["http"][0]["route"][0]["weight"] = 1
        route["spec"]["http"][0]["route"][1]["weight"] = 99
        f.apply(route)
        await f.settle()
        assert weights(f) == {"web-a": 90, "web-b": 10}
        await f.advance("5s")
        repaired = [event for event in f.events if event["reason"] == "Repaired"]
        assert [event.get("count") for event in repaired] == [1]
        assert "VirtualService default/web" in repaired[0]["message"]
        assert f.resource().status["floor"] == 1, "a repair is no tick"


async def test_replicas_that_are_held_are_set_back_three_times_then_hands_off(flight: Any) -> None:
    def hold(res: Any, inputs: Any, ctx: Any) -> Result[Any]:
        return Result.stay(actions=[Scale("w", 0)])

    phase = PhaseDefinition("Riding", hold, initial=True, actions=("scale",))
    definition = OperatorDefinition("lift", KIND, (phase,), spec=LiftSpec, status=LiftStatus)
    async with flight(definition, workloads=True) as f:
        shop(f)
        f.apply(resource())
        await f.settle()
        for _ in range(5):
            f.apply({**deployment("w", 2, app="web")})
            await f.advance("6s")
        assert f.get("Deployment", "w").at("spec.replicas") == 2
        assert f.resource().reason == "Contested"


async def test_the_fixture_says_what_is_missing(flight: Any) -> None:
    one = flight(lift())
    with pytest.raises(RuntimeError, match="async with"):
        await one.settle()
    async with flight(lift()) as f:
        with pytest.raises(LookupError, match="there: none"):
            f.resource()
        with pytest.raises(LookupError, match="no kind 'Ufo'"):
            f.get("Ufo", "x")
        with pytest.raises(TimeoutError, match="within 5s"):
            await f.until(lambda: False, within="5s")
