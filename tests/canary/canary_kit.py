"""A canary operator in virtual time: its objects, and what must hold at every moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.testing.flight import Flight

KIND, API_VERSION = "Canary", "demo.autopilot.mesh/v1alpha1"
KINDS = (KIND, "Deployment", "Service", "VirtualService")
WRITES = ("apply", "patch", "replace", "create", "delete")


def deployment(image: str, *, name: str = "web", replicas: int | None = 3) -> dict[str, Any]:
    count = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            **count,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


def release(image: str) -> dict[str, Any]:
    """The target with another image, its replicas left as they are."""
    return deployment(image, replicas=None)


def service(name: str = "web") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def canary(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {
            "deployment": "web",
            "settle": "1s",
            "progressDeadline": "20s",
            "analysis": {"steps": [50, 100], "interval": "4s", "window": "4s"},
            **spec,
        },
    }


def weights(f: Flight, name: str = "web") -> dict[str, int]:
    route = f.get("VirtualService", name)
    if route is None:
        return {}
    return {
        destination["destination"]["host"].split(".")[0]: destination["weight"]
        for destination in route.at("spec.http.0.route")
    }


def share(f: Flight) -> int:
    return weights(f).get("web-canary", 0)


def image(f: Flight, name: str) -> str:
    found = f.get("Deployment", name)
    return "" if found is None else str(found.at("spec.template.spec.containers.0.image"))


def replicas(f: Flight, name: str = "web") -> int:
    found = f.get("Deployment", name)
    return -1 if found is None else int(found.at("spec.replicas"))


def endpoints(f: Flight, name: str) -> int:
    found = f.get("EndpointSlice", f"{name}-flight")
    return 0 if found is None else len(found.at("endpoints", ()))


def check(f: Flight) -> None:
    """Nobody sends requests to nothing, and an idle target has a primary that serves."""
    for destination, weight in weights(f).items():
        assert weight == 0 or endpoints(f, destination) > 0, f"{weight} % to nothing: {destination}"
    if replicas(f) == 0:
        assert replicas(f, "web-primary") > 0, "the target is idle, and so is the primary"


def good(f: Flight) -> None:
    f.samples.set("error_rate", 0.001)
    f.samples.set("latency", 80.0)


async def take_off(f: Flight, **spec: Any) -> None:
    """Up to the point where the primary serves v1 and the target is idle."""
    good(f)
    f.apply(deployment("web:v1"), service(), canary(**spec))
    await f.until(lambda: f.resource().phase == "Waiting" and replicas(f) == 0, within="1m")
    assert weights(f) == {"web-primary": 100, "web-canary": 0}


def ended(f: Flight) -> list[bool]:
    """How each evaluation ended."""
    return [bool(a["promotionSucceeded"]) for a in f.resource().at("status.history", ())]


def mark(f: Flight) -> dict[str, Any] | None:
    target = f.get("Deployment", "web")
    text = target.at("metadata.annotations", {}).get("autopilot.mesh/scaled") if target else None
    return json.loads(text) if text else None


class DyingClient:
    """A client whose process dies right after a write that changed something: no more is sent.

    Args:
        client: The real one.
        seen: The versions of objects that answers have shown so far.
    """

    def __init__(self, client: Any, seen: set[str]) -> None:
        self._client = client
        self._seen = seen
        self.dead = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        made = getattr(self._client, name)
        return self._dying(made) if name in WRITES else made

    def _dying(self, made: Callable[..., Any]) -> Callable[..., Any]:
        async def call(kind: Any, *arguments: Any, **more: Any) -> Any:
            if kind.plural == "events":
                return await made(kind, *arguments, **more)
            if self.dead.is_set():
                await asyncio.Event().wait()
            answer = await made(kind, *arguments, **more)
            if self._changed(answer):
                self.dead.set()
                await asyncio.Event().wait()
            return answer

        return call

    def _changed(self, answer: Any) -> bool:
        version = answer["metadata"].get("resourceVersion") if isinstance(answer, dict) else None
        if version is None:
            return True
        new = version not in self._seen
        self._seen.add(version)
        return new


async def fly_dying(f: Flight, done: Callable[[], bool], *, most: int = 300) -> int:
    """Go on until `done`, with a kill after every single write; how many kills it took."""
    real = f._client
    kills = 0
    seen = {body["metadata"]["resourceVersion"] for kind in KINDS for body in f.list(kind)}
    while not done():
        dying = DyingClient(real, seen)
        f._client = dying  # type: ignore[assignment]
        goes = asyncio.create_task(_life(f, done))
        died = asyncio.create_task(dying.dead.wait())
        await asyncio.wait({goes, died}, return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if goes.done():
            goes.result()
            break
        goes.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await goes
        kills += 1
        assert kills < most, "it doesn't get anywhere"
    f._client = real
    await f.restart()
    return kills


async def _life(f: Flight, done: Callable[[], bool]) -> None:
    await f.restart()
    for _ in range(90):
        if done():
            return
        check(f)
        await f.advance("1s")
    raise AssertionError(f"it doesn't get anywhere: {f.resource().status}")
