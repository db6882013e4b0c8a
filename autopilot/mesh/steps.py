"""What carrying out actions comes to: single writes, as data, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from autopilot.kube.kinds import KNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.base.errors import AutopilotError
    from autopilot.kube.client import Body
    from autopilot.kube.kinds import ResourceType
    from autopilot.overlay.execute import Target
    from autopilot.overlay.record import Holder
    from autopilot.overlay.wish import Wish

Moves = Literal["forward", "back", "neutral"]
"""Whither a step moves traffic or capacity. Guardrails bound only what moves forward."""

DEPLOYMENTS = KNOWN["deployments"]


@dataclass(frozen=True, slots=True)
class ApplyOwned:
    """Server-side apply of an object of ours; written only where it differs.

    Attributes:
        kind: Its kind.
        body: What is wanted, with the marks of its owner.
        live: What is there, as observed; None when nothing is.
        moves: See `Moves`.
        summary: For people: `VirtualService demo/web: web-primary 90→75, web-canary 10→25`.
        differs: Whether what is observed differs from what is wanted.
        moved: How much of a host's requests leave the stable side by it, in percent; guardrails
            bound it.
    """

    kind: ResourceType
    body: Body
    live: Body | None
    moves: Moves
    summary: str
    differs: bool = True
    moved: float = 0.0


@dataclass(frozen=True, slots=True)
class DeleteOwned:
    """Deletion of an object of ours, under its uid.

    Attributes:
        kind: Its kind.
        live: The object as observed.
        moves: See `Moves`.
        summary: For people.
    """

    kind: ResourceType
    live: Body
    moves: Moves
    summary: str


@dataclass(frozen=True, slots=True)
class HoldReplicas:
    """Mark a foreign Deployment as held, then set its replicas through the scale subresource.

    Attributes:
        live: The Deployment as observed.
        holder: Who holds it.
        replicas: The wanted count.
        repair: Whether it only undoes what somebody else did.
        moves: See `Moves`.
        summary: For people.
        at: ISO time, for the mark.
    """

    live: Body
    holder: Holder
    replicas: int
    repair: bool
    moves: Moves
    summary: str
    at: str


@dataclass(frozen=True, slots=True)
class ReleaseReplicas:
    """Put the replicas back as they were before, and take the mark away.

    Attributes:
        live: The Deployment as observed.
        holder: Who held it.
        moves: See `Moves`.
        summary: For people.
    """

    live: Body
    holder: Holder
    moves: Moves
    summary: str


@dataclass(frozen=True, slots=True)
class MakeBase:
    """A neutral object of ours for a host that has none, so that overlays have one to stand on.

    It goes by itself with its last overlay; see `overlay.base`.

    Attributes:
        kind: Its kind.
        body: The object.
        summary: For people.
        moves: See `Moves`; it changes nothing by itself.
    """

    kind: ResourceType
    body: Body
    summary: str
    moves: Moves = "neutral"


@dataclass(frozen=True, slots=True)
class PutOverlay:
    """An overlay on an object that others own.

    Attributes:
        target: The object.
        wish: What is wanted of it.
        live: The object as observed; None when it is still to be made.
        moves: See `Moves`.
        summary: For people.
        differs: Whether what is observed differs from what is wanted.
        moved: For a `Shift`, as in `ApplyOwned`; guardrails bound it (see `guard.moved_forward`).
    """

    target: Target
    wish: Wish
    live: Body | None
    moves: Moves
    summary: str
    differs: bool = True
    moved: float = 0.0


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Overlays undone, and fields given back to their owners.

    Attributes:
        target: The object.
        chosen: The ids of the overlays; none only finishes what an earlier undo left.
        holder: Whose they are: an overlay that somebody else has taken on since stays.
        live: The object as observed.
        moves: See `Moves`.
        summary: For people.
    """

    target: Target
    chosen: frozenset[str]
    holder: Holder
    live: Body
    moves: Moves
    summary: str


Step = ApplyOwned | DeleteOwned | HoldReplicas | ReleaseReplicas | MakeBase | PutOverlay | TakeBack


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one resource.

    Attributes:
        steps: In the order in which they are safe: capacity up, routes, capacity down, deletions.
        refused: What can't be done, and why; the steps stand nevertheless.
        settled: Names of held fields that are as wanted.
        kept: Protections that outlive their resource, in words.
    """

    steps: tuple[Step, ...] = ()
    refused: tuple[AutopilotError, ...] = ()
    settled: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that will change something, as far as can be seen."""
        always = (s for s in self.steps if not isinstance(s, ApplyOwned | PutOverlay) or s.differs)
        return tuple(always)


@dataclass(frozen=True, slots=True)
class Change:
    """One write that was made.

    Attributes:
        step: What it came from.
        summary: For the log, the Event and the demo's record.
        moves: See `Moves`.
        repaired: Whether it undid somebody else's change.
        body: The object afterwards; None where it is gone.
    """

    step: Step
    summary: str
    moves: Moves
    repaired: bool = False
    body: Mapping[str, Any] | None = None
