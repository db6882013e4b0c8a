"""What a worker is told besides its resource and inputs. No client, no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from autopilot.spec.model import Config

if TYPE_CHECKING:
    import logging
    from datetime import datetime

C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class Context(Generic[C]):
    """The circumstances of one sync.

    Attributes:
        now: Aware wall-clock time, read once for the whole sync.
        due: True only when the timer fired or the phase is new: a ramp steps only then, so that
            neither drift nor a new sample nor a restart hurries it.
        attempt: 0 for the first try; counts failed syncs of this resource since the last good one.
        deadline: When the worker is given up (wall clock).
        config: The operator's `config:` map.
        log: A logger that carries resource, phase and sync id.
    """

    now: datetime
    due: bool
    attempt: int
    deadline: datetime
    config: C
    log: logging.LoggerAdapter[logging.Logger]
