"""How a pod answers, read from the environment of its first container. Pure."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from autopilot.sandbox.workloads.objects import Body, labels, meta, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GOLDEN = (math.sqrt(5) - 1) / 2
"""Steps of this size, modulo one, fill the unit interval as evenly as any sequence can."""

UpstreamFailure = Literal["fail", "pass", "cope"]
"""What becomes of an answer whose upstream failed."""

DEFAULT_PORT = 8080
"""The container port of a pod whose containers declare none."""


@dataclass(frozen=True, slots=True)
class Probe:
    """An httpGet readiness probe, as far as the sandbox heeds it.

    Attributes:
        path: What it asks for.
        delay: Seconds before the first try.
        period: Seconds between tries.
    """

    path: str
    delay: float
    period: float


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a pod's environment says. Times are in seconds, rates are shares from 0 to 1.

    Attributes:
        version: `VERSION`, else the label `version`.
        latency: `LATENCY_MS`.
        jitter: `LATENCY_JITTER_MS`: the latency varies by at most this much either way.
        error_rate: `ERROR_RATE`.
        error_code: `ERROR_CODE`.
        error_after: `ERROR_AFTER_S`: from a container's first request until its errors begin.
        slow_rate: `SLOW_RATE`: the share of answers that take `slow` longer.
        slow: `SLOW_MS`.
        start_delay: `START_DELAY_MS`: from the container's start until it is ready.
        ready: False with `READY=false`: it serves, but never becomes ready.
        crash: `CRASH=true`: the container ends at once, every time.
        crash_after: `CRASH_AFTER_S`; None means never.
        upstreams: `UPSTREAMS`: URLs that it asks before it answers.
        upstream_failure: `UPSTREAM_FAILURE`, when one of them fails: `fail` answers 502, `pass`
            passes the upstream's status on (502 where it gave none), `cope` does without.
        seed: `SEED`, else one made of the pod's name.
        probe: The first container's readiness probe.
    """

    version: str = ""
    latency: float = 0.0
    jitter: float = 0.0
    error_rate: float = 0.0
    error_code: int = 500
    error_after: float = 0.0
    slow_rate: float = 0.0
    slow: float = 0.0
    start_delay: float = 0.0
    ready: bool = True
    crash: bool = False
    crash_after: float | None = None
    upstreams: tuple[str, ...] = ()
    upstream_failure: UpstreamFailure = "fail"
    seed: int = 0
    probe: Probe | None = None


class Invalid(ValueError):
    """An environment variable that makes no sense; the container can't be created."""


def environment(pod: Body) -> dict[str, str]:
    """The literal environment of the first container."""
    first = (spec(pod).get("containers") or [{}])[0]
    return {one["name"]: str(one.get("value", "")) for one in first.get("env") or ()}


def behaviour_of(pod: Body) -> Behaviour:
    """Read a pod.

    Raises:
        Invalid: A variable isn't the number that it should be.
    """
    env = environment(pod)
    after = env.get("CRASH_AFTER_S", "")
    return Behaviour(
        version=env.get("VERSION") or labels(pod).get("version", ""),
        latency=_number(env, "LATENCY_MS") / 1000,
        jitter=_number(env, "LATENCY_JITTER_MS") / 1000,
        error_rate=_share(env, "ERROR_RATE"),
        error_code=_status(env, "ERROR_CODE", 500),
        error_after=_number(env, "ERROR_AFTER_S"),
        slow_rate=_share(env, "SLOW_RATE"),
        slow=_number(env, "SLOW_MS") / 1000,
        start_delay=_number(env, "START_DELAY_MS") / 1000,
        ready=env.get("READY", "").lower() != "false",
        crash=env.get("CRASH", "").lower() == "true",
        crash_after=_number(env, "CRASH_AFTER_S") if after else None,
        upstreams=tuple(url.strip() for url in env.get("UPSTREAMS", "").split(",") if url.strip()),
        upstream_failure=_upstream_failure(env),
        seed=int(_number(env, "SEED")) if env.get("SEED") else _seed(pod),
        probe=_probe(pod),
    )


def container_ports(pod: Body) -> dict[str, int]:
    """The declared ports of all containers by name, or by number where they have none."""
    found: dict[str, int] = {}
    for container in spec(pod).get("containers") or ():
        for port in container.get("ports") or ():
            number = int(port["containerPort"])
            found[str(port.get("name") or number)] = number
    return found or {str(DEFAULT_PORT): DEFAULT_PORT}


def workload_of(pod: Body) -> str:
    """The name of the Deployment, ReplicaSet or bare pod that a pod belongs to."""
    own = str(meta(pod).get("name", ""))
    for reference in meta(pod).get("ownerReferences") or ():
        if reference.get("controller"):
            own = str(reference["name"])
            break
    template_hash = labels(pod).get("pod-template-hash", "")
    return own.removesuffix(f"-{template_hash}") if template_hash else own


def evenly(rate: float, seed: float) -> Callable[[int], bool]:
    """Choose a share of the natural numbers, spread as evenly as possible.

    Of any n successive numbers about rate·n are chosen, with an error that grows only with the
    logarithm of n (the golden ratio's Kronecker sequence has the lowest discrepancy known).
    """

    def chosen(number: int) -> bool:
        return (number * GOLDEN + seed) % 1.0 < rate

    return chosen


def wave(number: int, seed: float) -> float:
    """A value from -1 to 1, spread evenly over successive numbers."""
    return 2 * ((number * GOLDEN + seed) % 1.0) - 1


def _seed(pod: Body) -> int:
    return zlib.crc32(str(meta(pod).get("name", "")).encode())


def _probe(pod: Body) -> Probe | None:
    first = (spec(pod).get("containers") or [{}])[0]
    probe = first.get("readinessProbe") or {}
    if "httpGet" not in probe:
        return None
    return Probe(
        path=str(probe["httpGet"].get("path") or "/"),
        delay=float(probe.get("initialDelaySeconds") or 0),
        period=float(probe.get("periodSeconds") or 10),
    )


def _number(env: Mapping[str, str], name: str) -> float:
    text = env.get(name) or "0"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise Invalid(f"{name}={text!r} is no number from 0 up")
    return value


def _share(env: Mapping[str, str], name: str) -> float:
    value = _number(env, name)
    if value > 1:
        raise Invalid(f"{name}={env[name]!r} is a share; write 0.05 for 5 %")
    return value


def _upstream_failure(env: Mapping[str, str]) -> UpstreamFailure:
    text = env.get("UPSTREAM_FAILURE") or "fail"
    for known in get_args(UpstreamFailure):
        if text == known:
            found: UpstreamFailure = known
            return found
    raise Invalid(f"UPSTREAM_FAILURE={text!r} is none of {', '.join(get_args(UpstreamFailure))}")


def _status(env: Mapping[str, str], name: str, default: int) -> int:
    value = int(_number(env, name)) if env.get(name) else default
    if not 200 <= value <= 599:
        raise Invalid(f"{name}={env[name]!r} is no status of an answer; write one from 200 to 599")
    return value
