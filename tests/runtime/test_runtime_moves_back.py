"""What moves traffic back isn't held up, and what relies on it waits for it."""

from typing import Any

from runtime_kit import (
    MAPS_IN,
    MAPS_OUT,
    Box,
    Outputs,
    config_map,
    define,
    phase,
    ramp,
    until,
)

from autopilot.kube.cache import CacheSettings
from autopilot.kube.retry import Backoff
from autopilot.mesh.actions import Scale, Split
from autopilot.mesh.istio.provider import Istio
from autopilot.runtime.result import Result
from autopilot.sandbox.apiserver.faults import Fault
from autopilot.sandbox.mesh.crds import crds as mesh_crds

QUICK = CacheSettings(backoff=Backoff(initial=0.01, maximum=0.05))
STRICT = CacheSettings(backoff=Backoff(initial=0.01, maximum=0.05), grace=0.1)
ROUTES = "virtualservices.networking.istio.io"
SLICES = "endpointslices.discovery.k8s.io"
WORKLOADS = "deployments.apps"


def split(weight: int) -> Split:
    return Split("web", {"web-a": 100 - weight, "web-b": weight}, "web-a")


def guarded(res: Any, inputs: Any, ctx: Any) -> Any:
    """Half of the traffic, until there is a ConfigMap `bad`: then none, and no pods either."""
    if inputs.configmaps.find("bad") is None:
        return Result.stay(actions=[split(50)], reason="Half")
    return Result.to(
        "Back",
        outputs=Outputs(configmaps=[config_map("out", pods="0")]),
        actions=[split(0), Scale("w", 0)],
        reason="Breach",
    )


def guard() -> Any:
    return define(
        phase(
            "Trying",
            guarded,
            initial=True,
            inputs=(MAPS_IN,),
            outputs=(MAPS_OUT,),
            actions=("split", "scale"),
        ),
        phase("Back", final=True),
    )


def endpoints(service: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }


def shop(box: Box) -> None:
    box.provider = Istio()
    for body in mesh_crds():
        box.create(body)
    for name in ("web", "web-a", "web-b"):
        box.create(endpoints(name))
    labels = {"app": "w"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    box.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "w", "namespace": "default"},
            "spec": {"replicas": 4, "selector": {"matchLabels": labels}, "template": template},
        }
    )
    box.create(ramp())


def weights(box: Box) -> dict[str, int]:
    route = box.server.store.get(ROUTES, "web", "default")["spec"]["http"][0]["route"]
    return {r["destination"]["host"]: r["weight"] for r in route}


def replicas(box: Box) -> int:
    count: int = box.server.store.get(WORKLOADS, "w", "default")["spec"]["replicas"]
    return count


BACK = {"web-a": 100, "web-b": 0}
HALF = {"web-a": 50, "web-b": 50}


async def test_no_capacity_goes_and_no_output_changes_before_the_traffic_is_back(box: Box) -> None:
    shop(box)
    await box.run(guard(), caches=QUICK)
    assert weights(box) == HALF
    number = box.server.faults.add(Fault("status", verb="patch", resource=ROUTES, status=503))
    box.create(config_map("bad"))
    await box.advance(3)
    assert weights(box) == HALF
    assert replicas(box) == 4
    assert box.config_map("out") is None
    box.server.faults.remove(number)
    await box.advance(5)
    assert weights(box) == BACK
    assert replicas(box) == 0
    assert box.status()["phase"] == "Back"


async def test_a_move_back_that_fails_for_long_is_tried_again_soon(box: Box) -> None:
    shop(box)
    await box.run(guard(), caches=QUICK)
    number = box.server.faults.add(
        Fault("status", verb="patch", resource=ROUTES, status=503, retry_after=3600)
    )
    box.create(config_map("bad"))
    await box.advance(120)
    assert weights(box) == HALF
    box.server.faults.remove(number)
    await box.advance(2)
    assert weights(box) == BACK


async def test_another_route_for_the_host_holds_up_moves_forward_only(box: Box) -> None:
    shop(box)
    await box.run(guard(), caches=QUICK)
    rival = box.server.store.get(ROUTES, "web", "default")
    box.create({**rival, "metadata": {"name": "rival", "namespace": "default"}})
    await box.advance(30)
    assert box.condition()["reason"] == "HostTaken"
    box.create(config_map("bad"))
    await box.settle()
    assert weights(box) == BACK


async def test_a_new_sample_ends_the_wait_of_a_sync_that_failed(box: Box) -> None:
    async def asking(res: Any, inputs: Any, ctx: Any) -> Any:
        sample = await inputs.metrics.rate(app="web")
        if sample.above(0.1).is_true:
            return Result.to("Back", actions=[split(0)], reason="Breach")
        return Result.stay(actions=[split(50)])

    shop(box)
    box.samples.set("rate", 0.0)
    machine = define(
        phase("Trying", asking, initial=True, actions=("split",), inputs=(), metrics=True),
        phase("Back", final=True),
    )
    await box.run(machine, caches=QUICK)
    rival = box.server.store.get(ROUTES, "web", "default")
    box.create({**rival, "metadata": {"name": "rival", "namespace": "default"}})
    await box.advance(30)
    assert box.condition()["reason"] == "HostTaken"
    box.samples.set("rate", 0.5)
    await box.advance(1.5)
    assert weights(box) == BACK


async def test_endpoints_that_can_not_be_told_hold_up_moves_forward_only(box: Box) -> None:
    shop(box)
    await box.run(guard(), caches=STRICT)
    box.server.faults.add(Fault("status", verb="watch", resource=SLICES, status=403))
    box.server.faults.add(Fault("status", verb="list", resource=SLICES, status=403))
    box.server.faults.act("cut-watches")
    box.server.faults.act("drop-history")
    cache = next(c for c in box.runtime._caches if c.kind.plural == "endpointslices")
    await until(lambda: not cache.available)
    box.create(config_map("bad"))
    await until(lambda: weights(box) == BACK)


async def test_a_route_whose_labels_somebody_took_off_is_still_ours_by_its_controller(
    box: Box,
) -> None:
    shop(box)
    await box.run(guard(), caches=QUICK)
    box.server.store.merge(ROUTES, "web", {"metadata": {"labels": None}}, "default")
    box.create(config_map("bad"))
    await box.advance(5)
    assert weights(box) == BACK
    assert box.server.store.get(ROUTES, "web", "default")["metadata"]["labels"]


async def test_a_scale_that_the_api_refuses_for_a_while_is_not_contested(box: Box) -> None:
    shop(box)
    await box.run(guard(), caches=QUICK)
    number = box.server.faults.add(
        Fault("status", verb="update", resource=WORKLOADS, subresource="scale", status=503)
    )
    box.create(config_map("bad"))
    await box.advance(60)
    assert replicas(box) == 4
    box.server.faults.remove(number)
    await box.advance(60)
    assert replicas(box) == 0
    assert box.status()["phase"] == "Back"


async def test_a_status_write_that_hangs_does_not_keep_a_move_back_waiting(box: Box) -> None:
    def worker(res: Any, inputs: Any, ctx: Any) -> Any:
        bad = inputs.configmaps.find("bad") is not None
        return Result.stay(actions=[split(0 if bad else 50)], status={"step": 0 if bad else 5})

    shop(box)
    machine = define(
        phase("Trying", worker, initial=True, inputs=(MAPS_IN,), actions=("split",)),
        phase("Back", final=True),
    )
    await box.run(machine, caches=QUICK)
    assert weights(box) == HALF
    box.server.faults.add(Fault("latency", verb="patch", subresource="status", seconds=60))
    box.create(config_map("bad"))
    # Well below the client's time-out of 10 s for one call.
    await until(lambda: weights(box) == BACK, seconds=8)
    box.server.faults.clear()
