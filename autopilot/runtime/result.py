"""What a worker answers: where to go, what to write, what to do to the mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from autopilot.base import durations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autopilot.base.errors import AutopilotError
    from autopilot.mesh.actions import Action

O_co = TypeVar("O_co", covariant=True)


class Unchanged(Enum):
    """The default of every kind in a generated `Outputs`: leave what stands."""

    UNCHANGED = "unchanged"

    def __repr__(self) -> str:
        """As the generated code spells it."""
        return "UNCHANGED"


UNCHANGED = Unchanged.UNCHANGED
"""Leave the objects of this kind as they are; None says the same."""


@dataclass(frozen=True, slots=True)
class Keep:
    """In a list of outputs: the object of this name stays as it is, whatever it holds.

    Attributes:
        name: metadata.name; it need not be there.
    """

    name: str


Ending = Literal["", "keep", "restore"]
"""What becomes of what is held and no longer wanted: everything is undone; hazards alone are and
protections stay with their marks; everything is, as when the resource goes."""


@dataclass(frozen=True, slots=True)
class Note:
    """An Event that a worker wants recorded on its resource, once its phase is written.

    Attributes:
        type: For kubectl.
        reason: CamelCase.
        message: For a person.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that is posted to a webhook once the phase and its Events are written.

    Sent in the background, tried again for a while, and then given up: nothing waits for it.

    Attributes:
        body: What is posted, as JSON.
        url: The webhook's; empty where `secret` names it.
        secret: Name of a Secret of the resource's own namespace whose key `url` holds it.
    """

    body: Mapping[str, Any]
    url: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """What goes with an answer, beside the answer.

    Attributes:
        events: Recorded after the phase is written.
        notices: Posted after the Events.
        used: Annotations of the resource that this answer has used up: they are removed before
            the phase is written, once outputs and actions are.
        ending: See `Ending`; with `actions` alone.
        back: Whether the phase entered moves traffic back, which no guardrail holds up.
        otherwise: What is answered instead where the mesh refuses some of the actions, or a
            guardrail forbids them for good: told why, it gives another answer, whose own is not
            asked, or None to go on as usual (a condition, and another try). Nothing is written
            before that.
    """

    events: Sequence[Note] = ()
    notices: Sequence[Notice] = ()
    used: Sequence[str] = ()
    ending: Ending = ""
    back: bool = False
    otherwise: Callable[[Sequence[AutopilotError]], Result[Any] | None] | None = None


NOTHING_ASIDE = Aside()


@dataclass(frozen=True, slots=True)
class Result(Generic[O_co]):
    """Made by `stay`, `to` or `done`, never directly.

    Attributes:
        phase: The phase to enter; None to stay.
        outputs: The phase's outputs by kind; None leaves every kind as it is.
        actions: The whole set of actions that this resource wants; None leaves them as they are,
            an empty sequence undoes them.
        status: Top-level status fields of the author's model to merge (snake_case or camelCase).
        reason: CamelCase, for the condition and the Event. Staying without reason and message
            leaves what was said last; otherwise it is made up from the phase.
        message: For a person.
        after: When the timer shall fire next; None for the operator's workInterval.
        finished: A finalizer's work is done: the resource may go.
        aside: Events, notifications and the like that go with it.
    """

    phase: str | None = None
    outputs: O_co | None = None
    actions: Sequence[Action] | None = None
    status: Mapping[str, Any] | None = None
    reason: str = ""
    message: str = ""
    after: timedelta | None = None
    finished: bool = False
    aside: Aside = NOTHING_ASIDE

    @property
    def events(self) -> Sequence[Note]:
        """The Events that go with it."""
        return self.aside.events

    @property
    def notices(self) -> Sequence[Notice]:
        """The notifications that go with it."""
        return self.aside.notices

    def beside(
        self,
        *,
        events: Sequence[Note] = (),
        notices: Sequence[Notice] = (),
        used: Sequence[str] = (),
        ending: Ending = "",
        back: bool = False,
        otherwise: Callable[[Sequence[AutopilotError]], Result[Any] | None] | None = None,
    ) -> Result[O_co]:
        """The same answer with what goes with it; see `Aside`."""
        aside = Aside(tuple(events), tuple(notices), tuple(used), ending, back, otherwise)
        return replace(self, aside=aside)

    @classmethod
    def stay(
        cls,
        *,
        outputs: O_co | None = None,
        actions: Sequence[Action] | None = None,
        status: Mapping[str, Any] | None = None,
        reason: str = "",
        message: str = "",
        after: timedelta | float | str | None = None,
    ) -> Result[O_co]:
        """Remain in the present phase.

        Args:
            outputs: See the class.
            actions: See the class.
            status: See the class.
            reason: See the class.
            message: See the class.
            after: A timedelta, seconds, or text like `30s`. It sets the timer when the sync was
                due; otherwise it can only bring a running timer forward.
        """
        return cls(None, outputs, actions, status, reason, message, _after(after))

    @classmethod
    def to(  # noqa: PLR0913 -- keyword-only by the SDK's contract
        cls,
        phase: str,
        *,
        outputs: O_co | None = None,
        actions: Sequence[Action] | None = None,
        status: Mapping[str, Any] | None = None,
        reason: str = "",
        message: str = "",
        after: timedelta | float | str | None = None,
    ) -> Result[O_co]:
        """Enter another phase once outputs and actions are written.

        Args:
            phase: A member of the generated `Phase`, or its name.
            outputs: See the class.
            actions: See the class.
            status: See the class.
            reason: See the class.
            message: See the class.
            after: A timedelta, seconds, or text like `30s`, counted in the new phase, whose
                first sync is due only then. Without it, the new phase is due at once.

        A `status` that comes with a transition is set, not counted up: the sync may run again
        before the new phase is written.
        """
        return cls(str(phase), outputs, actions, status, reason, message, _after(after))

    @classmethod
    def done(
        cls,
        *,
        outputs: O_co | None = None,
        actions: Sequence[Action] | None = None,
        status: Mapping[str, Any] | None = None,
        reason: str = "",
        message: str = "",
    ) -> Result[O_co]:
        """For a finalizer: nothing is left to do once this is written; the resource may go.

        Args:
            outputs: See the class.
            actions: See the class.
            status: See the class.
            reason: See the class.
            message: See the class.
        """
        return cls(None, outputs, actions, status, reason, message, finished=True)


def _after(after: timedelta | float | str | None) -> timedelta | None:
    if after is None or isinstance(after, timedelta):
        return after
    return durations.parse(after) if isinstance(after, str) else timedelta(seconds=after)
