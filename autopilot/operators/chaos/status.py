"""What an Experiment's status holds beside the runtime's own fields.

All that a run is timed by stands here, so that a process that was killed is followed by one that
finishes the run.
"""

from __future__ import annotations

from typing import Any

from autopilot.spec.model import Model, Status


class CauseStatus(Model):
    """What caused the verdict."""

    message: str
    """In a sentence."""
    condition: str | None = None
    """The failure condition that decided."""
    value: float | None = None
    """The value that decided."""


class OverlayStatus(Model):
    """An object that carries a fault of the run, or carried it."""

    object: str
    """Kind, namespace and name."""
    uid: str = ""
    """Its uid."""
    change: str = ""
    """What was changed."""
    made: str | None = None
    """When."""
    undone: str | None = None
    """When it was undone."""


class ExpectStatus(Model):
    """How another autopilot does."""

    what: str
    """What is expected."""
    met: bool | None = None
    """Whether it came so; absent while nobody can say."""
    after: float | None = None
    """Seconds from the injection until it was seen."""
    message: str = ""
    """What was seen last."""


class EffectStatus(Model):
    """The fault as it was seen to bite."""

    requests: float
    """Requests looked at."""
    faulted: float
    """Those that carried the fault's flag."""
    flag: str = ""
    """Envoy's response flag."""
    at: str | None = None
    """When it was first seen."""
    message: str = ""
    """What was found."""


class RecoveryStatus(Model):
    """How the end was checked."""

    seconds: float
    """From the order to remove the fault until nothing of it was left."""
    message: str = ""
    """What was checked."""


class ExperimentStatus(Status):
    """What an Experiment's status holds beside phase, phaseHistory and conditions."""

    run: int = 0
    """The present run, or the last one; counted from 1."""
    generation: int | None = None
    """The generation of the spec that the run is of."""
    started_at: str | None = None
    """When the run began."""
    injected_at: str | None = None
    """When the fault was ordered; nothing is injected before this stands here."""
    deadline: str | None = None
    """When the run ends at the latest."""
    ended_at: str | None = None
    """When the verdict was made."""
    removed_at: str | None = None
    """When nothing of the fault was left in any object."""
    verdict: str | None = None
    """Succeeded, Failed, Aborted, Inconclusive, Error or Completed."""
    cause: CauseStatus | None = None
    """What caused the verdict."""
    baseline: int = 0
    """Polls one after another in which the steady state held."""
    watch: dict[str, Any] | None = None
    """What is remembered of the polls."""
    last_poll: str | None = None
    """When the conditions were last looked at."""
    unwatched: str | None = None
    """For how long nobody looked, if it was too long."""
    effect: EffectStatus | None = None
    """Whether the fault was seen to bite."""
    recovery: RecoveryStatus | None = None
    """How the end was checked."""
    overlays: tuple[OverlayStatus, ...] = ()
    """Objects that carry the fault, or carried it."""
    expects: tuple[ExpectStatus, ...] = ()
    """How other autopilots do."""
    report: str | None = None
    """The Report of the run."""
    waits: str | None = None
    """What it waits for before it begins."""


FRESH: dict[str, Any] = {
    "started_at": None,
    "injected_at": None,
    "deadline": None,
    "ended_at": None,
    "removed_at": None,
    "verdict": None,
    "cause": None,
    "baseline": 0,
    "watch": None,
    "last_poll": None,
    "unwatched": None,
    "effect": None,
    "recovery": None,
    "overlays": (),
    "expects": (),
    "report": None,
    "waits": None,
}
"""The status of a run that begins: nothing of an earlier one is left."""
