"""Whether a fault bites, as the callers' proxies count it: requests that carry its flag."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from autopilot.telemetry.service_builtins import service_query

if TYPE_CHECKING:
    from autopilot.mesh.actions import Fault
    from autopilot.runtime.inputs import Inputs
    from autopilot.telemetry.sample import Sample

FLAGS: dict[Literal["aborted", "delayed"], str] = {"aborted": "FI", "delayed": "DI"}
"""Envoy's response flag by what it means."""

SHORTEST, LONGEST = timedelta(seconds=2), timedelta(seconds=30)
"""Windows over which it is looked whether faults still come; whole runs are counted over longer."""

_EVERY = 2.0
"""Seconds between two questions, at most."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was counted.

    Attributes:
        requests: To the target, of the callers that the fault is about; None where nobody can say.
        faulted: Of these, how many carried a flag of the fault.
        flags: Those that were seen.
        missing: Those that should have been seen and weren't.
        why: Why nobody can say.
    """

    requests: float | None
    faulted: float = 0.0
    flags: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    why: str = ""


def kinds(fault: Fault) -> tuple[Literal["aborted", "delayed"], ...]:
    """What a fault does to requests."""
    aborts = fault.abort_status is not None or fault.abort_grpc is not None
    found: tuple[Literal["aborted", "delayed"], ...] = ("aborted",) if aborts else ()
    return (*found, "delayed") if fault.delay is not None else found


async def gather(inputs: Inputs, fault: Fault, window: timedelta) -> Evidence:
    """Count over the last while.

    Args:
        inputs: Of the sync.
        fault: What was injected.
        window: The last while; in whole seconds.
    """
    where = fault.where
    whole = timedelta(seconds=max(1, round(window.total_seconds())))
    wanted = kinds(fault)
    samples: list[Sample] = await asyncio.gather(
        *(
            inputs.metrics.read(
                service_query(
                    kind,
                    [(where.namespace, where.host)],
                    window=whole,
                    callers=where.callers,
                    interval=_EVERY,
                )
            )
            for kind in wanted
        )
    )
    known = [one for one in samples if one.value is not None and one.requests]
    if len(known) < len(samples):
        blank = next(one for one in samples if one not in known)
        why = str(blank.why) or "no requests"
        return Evidence(None, why=f"{why}: {blank.detail}" if blank.detail else why)
    found = dict(zip(wanted, ((one.value or 0.0) for one in samples), strict=True))
    requests = max((one.requests or 0.0 for one in samples), default=0.0)
    # What was delayed may be aborted after that, and counts once: never less than the larger part.
    return Evidence(
        round(requests, 1),
        round(max(found.values(), default=0.0) * requests, 1),
        tuple(FLAGS[kind] for kind, share in found.items() if share > 0),
        tuple(FLAGS[kind] for kind, share in found.items() if share <= 0),
    )


def recent(elapsed: timedelta) -> timedelta:
    """The window that looks back no further than to a moment, as far as scrapes allow."""
    return min(max(elapsed, SHORTEST), LONGEST)
