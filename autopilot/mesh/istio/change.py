"""What an action makes of one route: its fields, before anybody says where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.mesh.provider import World
    from autopilot.mesh.steps import Moves
    from autopilot.overlay.foreign import Judge


@dataclass(frozen=True, slots=True)
class Change:
    """What an action makes of one route.

    Attributes:
        fields: Values by JSON pointer within the route; `ABSENT` wants a field gone.
        words: For people.
        moves: Whither traffic moves.
        foreign: By field, what in it would be somebody else's.
        moved: How much of the requests leaves the stable side by it, in percent.
    """

    fields: Mapping[str, Any]
    words: str
    moves: Moves = "forward"
    foreign: Mapping[str, Judge] = field(default_factory=dict)
    moved: float = 0.0


@dataclass(frozen=True, slots=True)
class Site:
    """Whence names are seen, and what is observed.

    Attributes:
        home: The namespace that an action's names are seen from.
        namespace: The object's own.
        observed: The namespace whose services are observed in any case: the holder's.
        world: What is observed.
    """

    home: str
    namespace: str
    observed: str
    world: World
