"""The runtime against an API that fails: the same end state, whatever happens in between."""

import asyncio
import contextlib
from typing import Any

import pytest
from runtime_kit import (
    MAPS_IN,
    MAPS_OUT,
    PLURAL,
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


def split(weight: int) -> Split:
    return Split("web", {"web-a": 100 - weight, "web-b": weight}, "web-a")


def start(res: Any, inputs: Any, ctx: Any) -> Any:
    return Result.to(
        "Climbing",
        status={"step": 1},
        outputs=Outputs(configmaps=[config_map("out", step="0")]),
        actions=[split(0)],
        reason="Started",
    )


def climb(res: Any, inputs: Any, ctx: Any) -> Any:
    step = res.status.step + (1 if ctx.due else 0)
    if step > 3:
        return Result.to("Done", actions=[split(0), Scale("w", 0)], outputs=Outputs(configmaps=[]))
    out = Outputs(configmaps=[config_map("out", step=str(step))])
    return Result.stay(status={"step": step}, outputs=out, actions=[split(step * 10)], after="10s")


def ladder() -> Any:
    more: Any = {"outputs": (MAPS_OUT,), "actions": ("split", "scale")}
    return define(
        phase("Starting", start, initial=True, transitions=("Climbing",), **more),
        phase("Climbing", climb, transitions=("Done",), **more),
        phase("Done", final=True),
    )


def deployment(name: str, replicas: int, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    }


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
        box.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"ports": [{"port": 80}]},
            }
        )
        box.create(endpoints(name))
    box.create(deployment("w", 4, app="web"))
    box.create(ramp())


def state(box: Box) -> dict[str, Any]:
    """What has to be the same in the end, without names and times that the server gives."""
    status = box.status()
    host = box.server.store.find("virtualservices.networking.istio.io", "web", "default")
    return {
        "phase": status.get("phase"),
        "step": status.get("step"),
        "history": [e["phase"] for e in status.get("phaseHistory", [])],
        "ready": box.condition().get("status"),
        "maps": {m["metadata"]["name"]: m["data"] for m in box.server.store.list("configmaps")},
        "routes": host and host["spec"]["http"],
        "replicas": box.server.store.get("deployments.apps", "w", "default")["spec"]["replicas"],
    }


class Mortal:
    """A client whose process dies at its n-th write, before or after it was done."""

    WRITES = ("create", "apply", "patch", "replace", "delete")

    def __init__(self, client: Any, at: int = 10**9, *, done: bool = False) -> None:
        self._client, self._at, self._done = client, at, done
        self.writes = 0
        self.dead = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in self.WRITES:
            return found

        async def write(kind: Any, *args: Any, **kwargs: Any) -> Any:
            if kind.kind == "Event":
                return await found(kind, *args, **kwargs)
            self.writes += 1
            if self.dead.is_set():
                await asyncio.Event().wait()
            if self.writes == self._at:
                if self._done:
                    await found(kind, *args, **kwargs)
                self.dead.set()
                await asyncio.Event().wait()
            return await found(kind, *args, **kwargs)

        return write


async def fly(box: Box, client: Mortal, seconds: float) -> None:
    """Let time go by; if the process dies, start another one and go on."""
    going = asyncio.create_task(box.advance(seconds))
    dead = asyncio.create_task(client.dead.wait())
    await asyncio.wait({going, dead}, return_when=asyncio.FIRST_COMPLETED)
    dead.cancel()
    if going.done():
        return going.result()
    going.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await going
    await box.processes[-1].kill()
    await box.run(ladder(), caches=QUICK)
    await box.advance(seconds)
    return None


async def whole_life(box: Box, client: Mortal) -> tuple[dict[str, Any], dict[str, Any]]:
    shop(box)
    await box.run(ladder(), client=client, caches=QUICK, wait=False)
    await fly(box, client, 60)
    done = state(box)
    box.server.store.delete(PLURAL, "r", "default")
    await fly(box, client, 60)
    left = {
        "there": box.server.store.find(PLURAL, "r", "default") is not None,
        "routes": box.server.store.list("virtualservices.networking.istio.io"),
        "replicas": box.server.store.get("deployments.apps", "w", "default")["spec"]["replicas"],
        "notes": box.server.store.get("deployments.apps", "w", "default")["metadata"].get(
            "annotations"
        )
        or {},
    }
    return done, left


GOOD = {
    "phase": "Done",
    "step": 3,
    "history": ["Starting", "Climbing", "Done"],
    "ready": "True",
    "maps": {},
    "replicas": 0,
}
GONE = {"there": False, "routes": [], "replicas": 4, "notes": {}}
WRITES = 22
"""How many writes the whole life takes; see the first test."""


async def test_the_whole_life_takes_so_many_writes(box: Box) -> None:
    client = Mortal(box.client)
    done, left = await whole_life(box, client)
    assert {k: done[k] for k in GOOD} == GOOD
    assert left == GONE
    assert client.writes == WRITES


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
async def test_killed_at_any_write_and_started_again_it_ends_the_same(
    box: Box, number: int, after: bool
) -> None:
    client = Mortal(box.client, number, done=after)
    done, left = await whole_life(box, client)
    assert client.dead.is_set()
    assert {k: done[k] for k in GOOD} == GOOD
    assert left == GONE


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", verb="patch", status=409, probability=0.3),
        Fault("status", verb="patch", status=503, probability=0.3),
        Fault("status", verb="*", status=500, probability=0.1),
        Fault("status", verb="create", status=429, retry_after=1, probability=0.5),
        Fault("cut", verb="patch", probability=0.3),
        Fault("cut-after", verb="patch", probability=0.3),
        Fault("latency", seconds=0.01),
    ],
    ids=["409", "503", "500", "429", "cut", "lost answer", "latency"],
)
async def test_with_injected_faults_it_ends_the_same(box: Box, fault: Fault) -> None:
    shop(box)
    fault.agent = "autopilot"
    number = box.server.faults.add(fault)
    await box.run(ladder(), caches=QUICK, wait=False)
    for _ in range(600):
        await asyncio.sleep(0.01)
        if box.status().get("phase") == "Done":
            break
        box.clock.move(0.5)
    box.server.faults.remove(number)
    await box.advance(60)
    got = state(box)
    assert {k: got[k] for k in GOOD} == GOOD


async def test_a_conflict_is_run_again_at_once_and_steps_only_once(box: Box) -> None:
    shop(box)
    box.server.faults.add(
        Fault("status", verb="patch", resource=PLURAL, subresource="status", status=409, count=3)
    )
    await box.run(ladder(), caches=QUICK)
    assert box.clock.monotonic() == 0.0
    assert box.status()["step"] == 2
    assert box.condition()["status"] == "True"


async def test_a_failed_status_write_never_holds_up_a_move_back(box: Box) -> None:
    def climbing(res: Any, inputs: Any, ctx: Any) -> Any:
        bad = inputs.configmaps.find("bad") is not None
        if bad:
            return Result.to("Back", status={"step": 0}, actions=[split(0)], reason="Breach")
        return Result.stay(status={"step": 5}, actions=[split(50)])

    shop(box)
    machine = define(
        phase("Climbing", climbing, initial=True, inputs=(MAPS_IN,), actions=("split",)),
        phase("Back", final=True),
    )
    await box.run(machine, caches=QUICK)
    number = box.server.faults.add(
        Fault("status", verb="patch", resource=PLURAL, subresource="status", status=503)
    )
    box.create(config_map("bad"))
    await box.runtime.queue.settled()
    await until(lambda: _weights(box) == {"web-a": 100, "web-b": 0})
    assert box.status()["phase"] == "Climbing"
    box.server.faults.remove(number)
    await box.advance(10)
    assert box.status()["phase"] == "Back"


async def test_a_failed_status_write_holds_up_a_move_forward(box: Box) -> None:
    def climbing(res: Any, inputs: Any, ctx: Any) -> Any:
        step = res.status.step + 1
        return Result.stay(status={"step": step}, actions=[split(step * 10)], after="1h")

    shop(box)
    number = box.server.faults.add(
        Fault("status", verb="patch", resource=PLURAL, subresource="status", status=503)
    )
    machine = define(phase("Climbing", climbing, initial=True, actions=("split",)))
    await box.run(machine, caches=QUICK)
    assert box.server.store.list("virtualservices.networking.istio.io") == []
    box.server.faults.remove(number)
    await box.advance(10)
    assert _weights(box) == {"web-a": 90, "web-b": 10}
    assert box.status()["step"] == 1


def _weights(box: Box) -> dict[str, int]:
    host = box.server.store.get("virtualservices.networking.istio.io", "web", "default")
    return {r["destination"]["host"]: r["weight"] for r in host["spec"]["http"][0]["route"]}


async def test_deletions_in_a_watch_gap_are_seen(box: Box) -> None:
    seen: list[int] = []

    def work(res: Any, inputs: Any, ctx: Any) -> Any:
        seen.append(len(inputs.configmaps))
        return Result.stay()

    for name in ("a", "b", "c"):
        box.create(config_map(name))
    box.create(ramp())
    box.create(ramp("s"))
    await box.run(define(phase("Waiting", work, initial=True, inputs=(MAPS_IN,))), caches=QUICK)
    refused = [
        box.server.faults.add(Fault("status", verb="watch", status=503)),
        box.server.faults.add(Fault("status", verb="list", status=503)),
    ]
    box.server.faults.act("cut-watches")
    box.server.store.delete("configmaps", "a", "default")
    box.server.store.delete("configmaps", "b", "default")
    box.server.store.delete(PLURAL, "s", "default")
    box.server.faults.act("drop-history")
    for number in refused:
        box.server.faults.remove(number)
    await box.advance(1)
    assert seen[-1] == 1
    assert [key.name for key in box.runtime._memories] == ["r"]


@pytest.mark.parametrize("action", ["cut-watches", "expire-watches"])
async def test_watches_that_end_are_opened_again(box: Box, action: str) -> None:
    shop(box)
    await box.run(ladder(), caches=QUICK)
    for _ in range(4):
        box.server.faults.act(action)
        await box.advance(5)
    await box.advance(60)
    got = state(box)
    assert {k: got[k] for k in GOOD} == GOOD


async def test_an_input_that_can_not_be_told_is_no_empty_list_and_other_phases_go_on(
    box: Box,
) -> None:
    reads: list[int] = []

    def reading(res: Any, inputs: Any, ctx: Any) -> Any:
        reads.append(len(inputs.configmaps))
        return Result.stay()

    box.create(config_map("a"))
    box.create(ramp("reads"))
    box.create(ramp("other"))
    box.edit("other", subresource="status", status={"phase": "Quiet"})
    number = box.server.faults.add(
        Fault("status", verb="list", resource="configmaps", namespace="", status=403)
    )
    machine = define(
        phase("Reading", reading, initial=True, inputs=(MAPS_IN,)),
        phase("Quiet", lambda *_: Result.stay(reason="Fine")),
    )
    await box.run(machine, caches=QUICK, start_timeout=0.3, wait=False)
    await until(lambda: box.condition(name="other").get("reason") == "Fine")
    await until(lambda: box.condition(name="reads").get("reason") == "InputsUnavailable")
    assert "configmaps" in box.condition(name="reads")["message"]
    assert reads == []
    box.server.faults.remove(number)

    async def let_time_go() -> None:
        while not reads:
            box.clock.move(0.5)
            await asyncio.sleep(0.005)

    await asyncio.wait_for(let_time_go(), 20)
    assert set(reads) == {1}
    await box.settle()
    assert box.condition(name="reads")["status"] == "True"


async def test_writes_keep_their_order_status_then_outputs_then_phase(box: Box) -> None:
    shop(box)
    await box.run(ladder(), caches=QUICK)
    names = [
        f"{one.resource.split('.')[0]}{'/' * bool(one.subresource)}{one.subresource}"
        for one in box.writes()
    ]
    first = names.index("ramps/status")
    assert names[:first] == ["ramps"], "the finalizer stands before anything else"
    again = names.index("ramps/status", first + 1)
    assert set(names[first + 1 : again]) == {"configmaps", "virtualservices"}
