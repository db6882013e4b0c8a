"""What a phase can do to the mesh, in words that no mesh owns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Split:
    """Share a host's requests between destinations.

    Attributes:
        host: The service that callers address, in the resource's own namespace or qualified.
        weights: Percent by destination service; add up to 100.
        stable: The destination that an undo sends everything back to; must be in `weights`.
        port: The destinations' port; None where a service has a single one.
    """

    name: ClassVar[str] = "split"
    hazard: ClassVar[bool] = False

    host: str
    weights: Mapping[str, int]
    stable: str
    port: int | None = None

    def __post_init__(self) -> None:
        """Check the weights.

        Raises:
            ValueError: They don't add up to 100, one is outside 0 to 100, or stable isn't there.
        """
        if any(not 0 <= weight <= 100 for weight in self.weights.values()):
            raise ValueError(f"a weight is between 0 and 100: {dict(self.weights)}")
        if sum(self.weights.values()) != 100:
            raise ValueError(f"weights add up to 100: {dict(self.weights)}")
        if self.stable not in self.weights:
            raise ValueError(f"stable must be one of {sorted(self.weights)}, not {self.stable!r}")


@dataclass(frozen=True, slots=True)
class Scale:
    """Hold the replicas of a workload that somebody else owns.

    While it is wanted the count is held; what stood before is kept on the workload itself. When
    a result with actions no longer names the workload, or the resource goes, it is put back.

    Attributes:
        deployment: Its name, in the resource's own namespace.
        replicas: How many it shall have.
    """

    name: ClassVar[str] = "scale"
    hazard: ClassVar[bool] = False

    deployment: str
    replicas: int

    def __post_init__(self) -> None:
        """Check the count.

        Raises:
            ValueError: The count is negative.
        """
        if self.replicas < 0:
            raise ValueError(f"replicas can't be negative: {self.replicas}")


Action = Split | Scale

ACTIONS: dict[str, type[Action]] = {action.name: action for action in (Split, Scale)}
"""By the name that `actions:` in `autopilot.yaml` uses."""
