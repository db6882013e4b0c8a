"""What a worker answers: where to go, what to write, what to do to the mesh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from autopilot.base import durations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autopilot.mesh.actions import Action

O_co = TypeVar("O_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Result(Generic[O_co]):
    """Made by `stay` or `to`, never directly.

    Attributes:
        phase: The phase to enter; None to stay.
        outputs: The phase's outputs by kind; None leaves every kind as it is.
        actions: The whole set of actions that this resource wants; None leaves them as they are,
            an empty sequence undoes them.
        status: Top-level status fields of the author's model to merge (snake_case or camelCase).
        reason: CamelCase, for the condition and the Event; made up from the phase if empty.
        message: For a person.
        after: When the timer shall fire next; None for the operator's workInterval.
    """

    phase: str | None = None
    outputs: O_co | None = None
    actions: Sequence[Action] | None = None
    status: Mapping[str, Any] | None = None
    reason: str = ""
    message: str = ""
    after: timedelta | None = None

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
            after: A timedelta, seconds, or text like `30s`.
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
            after: A timedelta, seconds, or text like `30s`, counted in the new phase.
        """
        return cls(str(phase), outputs, actions, status, reason, message, _after(after))


def _after(after: timedelta | float | str | None) -> timedelta | None:
    if after is None or isinstance(after, timedelta):
        return after
    return durations.parse(after) if isinstance(after, str) else timedelta(seconds=after)
