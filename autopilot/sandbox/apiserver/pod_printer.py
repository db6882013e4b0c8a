"""A pod's cells in a Table: the status word is worked out of containers, phase and deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.base.timestamps import parse_time
from autopilot.sandbox.apiserver import ages

if TYPE_CHECKING:
    from datetime import datetime


def _statuses(pod: dict[str, Any], field: str = "containerStatuses") -> list[dict[str, Any]]:
    return (pod.get("status") or {}).get(field) or []


def ready(pod: dict[str, Any], now: datetime) -> str:
    """Ready containers of all, like `1/2`."""
    total = len((pod.get("spec") or {}).get("containers") or ())
    return f"{sum(bool(one.get('ready')) for one in _statuses(pod))}/{total}"


def restarts(pod: dict[str, Any], now: datetime) -> str:
    """The restarts of all containers, and how long ago the last was."""
    count = sum(one.get("restartCount", 0) for one in _statuses(pod))
    ended = [
        moment
        for one in _statuses(pod)
        if (last := (one.get("lastState") or {}).get("terminated"))
        and (moment := parse_time(last.get("finishedAt")))
    ]
    if count and ended:
        return f"{count} ({ages.human_duration((now - max(ended)).total_seconds())} ago)"
    return str(count)


def readiness_gates(pod: dict[str, Any], now: datetime) -> str:
    """Fulfilled readiness gates of all, like `0/1`."""
    gates = (pod.get("spec") or {}).get("readinessGates") or []
    if not gates:
        return "<none>"
    true = {
        condition.get("type")
        for condition in (pod.get("status") or {}).get("conditions") or ()
        if condition.get("status") == "True"
    }
    return f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}"


def status(pod: dict[str, Any], now: datetime) -> str:
    """One word for a pod's state, as kubectl's users know it: `CrashLoopBackOff`, `Running`."""
    state = pod.get("status") or {}
    word = str(state.get("reason") or state.get("phase") or "Unknown")
    word = _scheduling_gated(state) or word
    starting = _initialising(pod)
    word = starting or _container_word(pod, word)
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if state.get("reason") == "NodeLost" else "Terminating"
    return word


def _scheduling_gated(state: dict[str, Any]) -> str:
    for condition in state.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            return "SchedulingGated"
    return ""


def _initialising(pod: dict[str, Any]) -> str:
    containers = (pod.get("spec") or {}).get("initContainers") or []
    sidecars = {one["name"] for one in containers if one.get("restartPolicy") == "Always"}
    for index, one in enumerate(_statuses(pod, "initContainerStatuses")):
        state = one.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if one.get("name") in sidecars and one.get("started"):
            continue
        if ended is not None:
            return f"Init:{_ended(ended)}"
        if waiting and waiting.get("reason") not in {None, "", "PodInitializing"}:
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(containers)}"
    return ""


def _container_word(pod: dict[str, Any], word: str) -> str:
    running = False
    for one in reversed(_statuses(pod)):
        state = one.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            word = waiting["reason"]
        elif ended is not None:
            word = _ended(ended)
        elif one.get("ready") and "running" in state:
            running = True
    if word == "Completed" and running:
        return "Running" if _is_ready(pod) else "NotReady"
    return word


def _ended(terminated: dict[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in (pod.get("status") or {}).get("conditions") or ()
    )
