"""What a state machine over signals remembers between two judgements, as its status keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autopilot.verdict.hold import Held, Seen, seconds_in

if TYPE_CHECKING:
    from collections.abc import Collection

CHECKPOINT = 60.0
"""Counted seconds are written at least this often while they count."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What one transition has counted.

    Attributes:
        held: For its `for`.
        seen: For its `times`.
        stamp: The time of the newest sample that `times` has counted, so that none counts twice.
    """

    held: Held = field(default_factory=Held)
    seen: Seen = field(default_factory=Seen)
    stamp: float | None = None

    def to_status(self) -> dict[str, Any]:
        """As a status keeps it; what is empty is left out."""
        kept: dict[str, Any] = {}
        if self.held != Held():
            kept |= self.held.to_status()
        if self.seen.last:
            kept["times"] = self.seen.to_status()
        if self.stamp is not None:
            kept["stamp"] = self.stamp
        return kept

    @classmethod
    def from_status(cls, kept: object) -> Progress:
        """From what a status kept; fresh where that makes no sense."""
        if not isinstance(kept, Mapping):
            return cls()
        stamp = kept.get("stamp")
        sound = isinstance(stamp, int | float) and not isinstance(stamp, bool)
        return cls(
            Held.from_status(kept),
            Seen.from_status(kept.get("times")),
            float(stamp) if sound and stamp is not None and math.isfinite(stamp) else None,
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a phase, and from visit to visit.

    Attributes:
        phase: Of which phase; what belongs to another one counts for nothing.
        seconds: Time in phase, as far as the phase asks for it.
        progress: What each transition has counted, by its key.
        blind: How long none of the phase's transitions could be judged.
        failed: Failed visits by `phase>to`, for waits that double.
    """

    phase: str = ""
    seconds: float = 0.0
    progress: Mapping[str, Progress] = field(default_factory=dict)
    blind: Held = field(default_factory=Held)
    failed: Mapping[str, int] = field(default_factory=dict)

    def to_status(self) -> dict[str, Any]:
        """As a status keeps it; what is empty is left out, seconds are rounded down."""
        kept: dict[str, Any] = {"phase": self.phase}
        if self.seconds:
            kept["seconds"] = math.floor(self.seconds * 1000 + 1e-3) / 1000
        counted = {key: one.to_status() for key, one in self.progress.items()}
        if any(counted.values()):
            kept["progress"] = {key: one for key, one in counted.items() if one}
        if self.blind != Held():
            kept["blind"] = self.blind.to_status()
        if self.failed:
            kept["failed"] = dict(self.failed)
        return kept

    @classmethod
    def from_status(cls, kept: object) -> Memory:
        """From what a status kept; whatever makes no sense in it is as if it weren't there."""
        if not isinstance(kept, Mapping):
            return cls()
        phase, progress, blind, failed = (
            kept.get(key) for key in ("phase", "progress", "blind", "failed")
        )
        return cls(
            phase if isinstance(phase, str) else "",
            seconds_in(kept, "seconds"),
            {str(key): Progress.from_status(one) for key, one in progress.items()}
            if isinstance(progress, Mapping)
            else {},
            Held.from_status(blind) if isinstance(blind, Mapping) else Held(),
            {str(key): count for key, count in failed.items() if _counts(count)}
            if isinstance(failed, Mapping)
            else {},
        )

    def entered(self, phase: str, keep: Collection[str] = ()) -> Memory:
        """What is remembered on entering a phase: failed visits, and what these keys counted."""
        progress = {key: one for key, one in self.progress.items() if key in keep}
        return Memory(phase, progress=progress, failed=self.failed)

    def worth_keeping(self, kept: Memory, every: float = CHECKPOINT) -> bool:
        """Whether a status that holds `kept` should be written anew.

        Everything but counted seconds is worth a write. Seconds are when a quarter more, and at
        least one second more, or `every` seconds more have been counted: what a restart loses
        is bounded, and a machine in which nothing counts costs no write.
        """
        if (self.phase, self.failed) != (kept.phase, kept.failed):
            return True
        if _moved(self.seconds, kept.seconds, every) or _differs(self.blind, kept.blind, every):
            return True
        for key in {*self.progress, *kept.progress}:
            new, old = self.progress.get(key, Progress()), kept.progress.get(key, Progress())
            if new.seen != old.seen or _differs(new.held, old.held, every):
                return True
        return False


def _differs(new: Held, old: Held, every: float) -> bool:
    """Whether two states differ in more than some seconds. Whether it runs is no news in itself:
    another process can't count on from it.
    """
    return _moved(new.seconds, old.seconds, every)


def _moved(new: float, old: float, every: float) -> bool:
    return new < old or new - old >= min(every, max(1.0, old / 4))


def _counts(count: object) -> bool:
    return isinstance(count, int) and not isinstance(count, bool) and 0 < count < 1_000_000
