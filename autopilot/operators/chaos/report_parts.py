"""The schema of a Report."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from autopilot.spec.model import Spec


class Part(Spec):
    """A part of a Report; what a later version writes besides is passed over."""

    model_config = ConfigDict(extra="ignore")


class PhasePart(Part):
    """A phase that the run entered."""

    phase: str
    """Its name."""
    at: str
    """When."""
    message: str = ""
    """Why."""


class PointPart(Part):
    """One poll."""

    at: float
    """Seconds since the run began."""
    value: float | None = None
    """In the condition's unit; absent where it isn't known."""
    fails: bool | None = None
    """Whether the value is one that fails the experiment; absent where nobody can say."""
    why: str = ""
    """Why nobody can say, or what a webhook answered."""


class ConditionPart(Part):
    """A failure condition and what was seen of it."""

    name: str
    """As in the spec, or made up from the index."""
    reads: str = ""
    """What it reads."""
    operator: str = ""
    """How a value is compared with the threshold; absent for a webhook."""
    threshold: float | None = None
    """In the unit."""
    unit: str = ""
    """`ratio`, `ms`; absent for a plain number."""
    for_polls: int = 1
    """How many polls in a row make it trip."""
    samples: tuple[PointPart, ...] = ()
    """The polls, in the order of time."""
    dropped: int = 0
    """How many samples were thinned out; extremes and the first of each verdict are kept."""


class CausePart(Part):
    """What caused the verdict."""

    message: str
    """In a sentence."""
    condition: str = ""
    """The failure condition; absent where something else decided."""
    value: float | None = None
    """The value that decided it."""
    at: str | None = None
    """When it was seen."""


class EffectPart(Part):
    """The evidence that the fault bit."""

    requests: float
    """Requests to the target while the fault was on."""
    faulted: float
    """Those that carried the fault's flag."""
    flag: str = ""
    """Envoy's response flag: FI for an abort, DI for a delay."""
    at: str | None = None
    """When it was first seen."""
    message: str = ""
    """What was found."""


class RecoveryPart(Part):
    """How the end of the fault was checked."""

    seconds: float
    """From the order to remove it until nothing of it was left."""
    removed: str | None = None
    """When the objects carried nothing of it any more."""
    message: str = ""
    """What was checked."""


class OverlayPart(Part):
    """A change that was made to an object, or undone."""

    object: str
    """Kind, namespace and name."""
    change: str = ""
    """What was changed."""
    made: str | None = None
    """When."""
    undone: str | None = None
    """When; absent where it wasn't."""


class ExpectPart(Part):
    """How another autopilot did."""

    what: str
    """What was expected."""
    met: bool | None = None
    """Whether it came so; absent where it wasn't judged."""
    after: float | None = None
    """Seconds from the injection until it was seen."""
    message: str = ""
    """What was seen last."""


class ReportSpec(Part):
    """What happened in one run of an experiment."""

    experiment: str
    """The experiment's name."""
    uid: str = ""
    """The experiment's uid."""
    run: int
    """Counted from 1."""
    verdict: str = ""
    """Succeeded, Failed, Aborted, Inconclusive, Error or Completed; absent while it goes on."""
    cause: CausePart | None = None
    """What caused the verdict."""
    started: str
    """When the run began."""
    ended: str | None = None
    """When it was over."""
    phases: tuple[PhasePart, ...] = ()
    """The phases, in the order of time."""
    conditions: tuple[ConditionPart, ...] = ()
    """The failure conditions, with what was seen of each."""
    effect: EffectPart | None = None
    """Whether the fault bit."""
    recovery: RecoveryPart | None = None
    """How its end was checked."""
    overlays: tuple[OverlayPart, ...] = ()
    """What was changed in the mesh, and undone."""
    expects: tuple[ExpectPart, ...] = ()
    """How other autopilots did."""
    spec: dict[str, Any] = Field(default_factory=dict)
    """The experiment's spec as it was in this run."""
