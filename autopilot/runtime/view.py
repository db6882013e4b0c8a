"""From a resource's body to what a worker is given. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from autopilot.base.logs import fields
from autopilot.base.timestamps import parse_time
from autopilot.kube.marks import PAUSED
from autopilot.runtime import reasons
from autopilot.runtime.decide import describe
from autopilot.runtime.refused import Refused
from autopilot.runtime.resource import Resource
from autopilot.spec.model import RESERVED_STATUS

if TYPE_CHECKING:
    from datetime import datetime

    from autopilot.runtime.definition import OperatorDefinition
    from autopilot.runtime.record import Key
    from autopilot.spec.model import Spec, Status

Body = Mapping[str, Any]


def stored_status(body: Body) -> Mapping[str, Any]:
    """The stored status; empty where there is none, or no map."""
    status = body.get("status")
    return status if isinstance(status, Mapping) else {}


def is_paused(body: Body) -> bool:
    """Whether the annotation holds the resource: any value but `false`."""
    value = (body["metadata"].get("annotations") or {}).get(PAUSED)
    return value is not None and str(value).strip().lower() != "false"


def is_leaving(body: Body) -> bool:
    """Whether the resource is being deleted."""
    return bool(body["metadata"].get("deletionTimestamp"))


def stored_tick(body: Body) -> str | None:
    """`nextTick` as it is stored."""
    tick = stored_status(body).get("nextTick")
    return tick if isinstance(tick, str) else None


def next_tick(body: Body) -> datetime | None:
    """When the stored timer fires."""
    return parse_time(stored_tick(body))


def stored_phase(body: Body) -> str:
    """The stored phase; empty for a new resource."""
    phase = stored_status(body).get("phase")
    return phase if isinstance(phase, str) else ""


def resource_of(
    definition: OperatorDefinition, body: Body, phase: str, now: datetime
) -> Resource[Spec, Status]:
    """The typed, frozen view.

    Args:
        definition: With the author's models.
        body: The resource.
        phase: The present one.
        now: Taken as phase_since where none is stored.

    Raises:
        Refused: Spec or status doesn't fit its model; names every error.
    """
    metadata = body["metadata"]
    status = stored_status(body)
    return Resource(
        name=str(metadata["name"]),
        namespace=str(metadata.get("namespace") or ""),
        uid=str(metadata.get("uid") or ""),
        generation=int(metadata.get("generation") or 0),
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        spec=_spec(definition, body),
        status=_status(definition, status),
        phase=phase,
        phase_since=parse_time(status.get("phaseSince")) or now,
    )


def _spec(definition: OperatorDefinition, body: Body) -> Spec:
    try:
        return definition.spec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        raise Refused(reasons.INVALID_SPEC, describe(error, "spec")) from None


def _status(definition: OperatorDefinition, status: Body) -> Status:
    own = {key: value for key, value in status.items() if key not in RESERVED_STATUS}
    try:
        return definition.status.model_validate(own)
    except ValidationError as error:
        raise Refused(
            reasons.INVALID_STATUS,
            f"what is stored doesn't fit {definition.status.__name__}: {describe(error, 'status')}",
        ) from None


class NeedsAsync:
    """Stands in for the metrics of a plain worker, which can't await an answer."""

    def __getattr__(self, query: str) -> NoReturn:
        """Refused.

        Raises:
            TypeError: Always; says what to do.
        """
        raise TypeError(f"reading the metric {query} needs `async def sync(...)` and `await`")


class WorkerLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines carry the sync they belong to.

    Args:
        operator: Names the logger.
        key: The resource.
        phase: The present one.
        sync: The sync's number.
    """

    def __init__(self, operator: str, key: Key, phase: str, sync: int) -> None:
        logger = logging.getLogger(f"autopilot.worker.{operator}")
        super().__init__(logger, fields(resource=str(key), phase=phase, sync=sync))

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the worker's own fields to those of the sync."""
        own = dict(self.extra or {})
        given = dict(kwargs.get("extra") or {})
        for name, value in list(given.items()):
            if isinstance(value, Mapping) and isinstance(own.get(name), Mapping):
                given[name] = {**own[name], **value}  # type: ignore[dict-item]
        return msg, {**kwargs, "extra": {**own, **given}}
