"""Warning Events on the objects that the mesh can't carry out, once for each generation."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from autopilot.base.logs import fields
from autopilot.base.timestamps import stamp
from autopilot.kube.client import AlreadyExists, ApiError
from autopilot.kube.kinds import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autopilot.base.clock import Clock
    from autopilot.kube.client import KubeClient
    from autopilot.sandbox.mesh.translate import Notice

_log = logging.getLogger(__name__)
_MESSAGE = 1024
_COMPONENT = "sandbox-mesh"


class Reporter:
    """Writes notices as Events.

    An Event's name follows from what it says and of which generation: a restart doesn't repeat it.

    Args:
        client: The API.
        clock: For the Events' times.
    """

    def __init__(self, client: KubeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._told: set[str] = set()

    async def tell(self, notices: Iterable[Notice]) -> None:
        """Write what has not been written yet; a failure is logged and tried again next time."""
        for notice in notices:
            name = _name(notice)
            if name in self._told:
                continue
            try:
                await self._client.create(
                    KNOWN["events"], self._event(notice, name), _namespace(notice)
                )
            except AlreadyExists:
                pass
            except ApiError as error:
                _log.warning("an Event can't be written", extra=fields(error=str(error)))
                continue
            self._told.add(name)

    def _event(self, notice: Notice, name: str) -> dict[str, Any]:
        now = stamp(self._clock.now())
        meta = notice.about["metadata"]
        about = {
            "apiVersion": notice.about.get("apiVersion", ""),
            "kind": notice.about.get("kind", ""),
            "name": meta["name"],
            "namespace": _namespace(notice),
            "uid": meta.get("uid", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": _namespace(notice)},
            "involvedObject": about,
            "reason": notice.reason,
            "message": notice.message[:_MESSAGE],
            "type": "Warning",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": "",
        }


def _namespace(notice: Notice) -> str:
    return str(notice.about["metadata"].get("namespace") or "default")


def _name(notice: Notice) -> str:
    meta = notice.about["metadata"]
    told = (meta.get("uid"), meta.get("generation"), notice.reason, notice.message)
    digest = hashlib.sha256("\0".join(map(str, told)).encode()).hexdigest()[:16]
    return f"{meta['name']}.{digest}"
