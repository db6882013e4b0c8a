"""What a node says of a pod. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.base.timestamps import stamp
from autopilot.sandbox.workloads.objects import Body, condition, spec, status

if TYPE_CHECKING:
    from datetime import datetime

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Container:
    """A pod's container as its node sees it. All containers of a pod share one fate here.

    Attributes:
        state: As in a container status: `running`, `waiting` or `terminated` with details.
        last: The state before the last restart.
        ready: Whether its readiness probe, or its start delay, is over.
        restarts: How often it was started again.
    """

    state: Body
    last: Body
    ready: bool
    restarts: int


def status_of(pod: Body, container: Container, now: datetime) -> Body:
    """The pod's whole status."""
    listed = spec(pod).get("containers") or ()
    return {
        "phase": _phase(container),
        "hostIP": HOST,
        "podIP": HOST,
        "podIPs": [{"ip": HOST}],
        "qosClass": "BestEffort",
        "startTime": status(pod).get("startTime") or stamp(now),
        "conditions": _conditions(pod, container, now),
        "containerStatuses": [_container(one, container) for one in listed],
    }


def _phase(container: Container) -> str:
    if "terminated" in container.state:
        return "Succeeded" if container.state["terminated"]["exitCode"] == 0 else "Failed"
    created = container.state.get("waiting", {}).get("reason") != "CreateContainerConfigError"
    return "Running" if created else "Pending"


def _conditions(pod: Body, container: Container, now: datetime) -> list[Body]:
    ready = ("True", "") if container.ready else ("False", "ContainersNotReady")
    wanted = {
        "PodScheduled": ("True", ""),
        "Initialized": ("True", ""),
        "ContainersReady": ready,
        "Ready": ready,
    }
    return [_condition(pod, kind, *told, now) for kind, told in wanted.items()]


def _condition(pod: Body, kind: str, state: str, reason: str, now: datetime) -> Body:
    before = condition(pod, kind)
    if before is not None and before.get("status") == state:
        return before
    made: Body = {"type": kind, "status": state, "lastTransitionTime": stamp(now)}
    if reason:
        names = ", ".join(str(one["name"]) for one in spec(pod).get("containers") or ())
        made |= {"reason": reason, "message": f"containers with unready status: [{names}]"}
    return made


def _container(listed: Body, container: Container) -> Body:
    return {
        "name": listed["name"],
        "image": listed.get("image", ""),
        "imageID": "",
        "containerID": f"sandbox://{listed['name']}",
        "ready": container.ready,
        "started": "running" in container.state,
        "restartCount": container.restarts,
        "state": container.state,
        "lastState": container.last,
    }
